"""A small spec language, in the format of the generated JSON Schema, that stays as it is when nodes change."""

from __future__ import annotations

from cuvisc.schema.catalogue import Catalogue, Json

REFERENCE = {"type": "string", "minLength": 1}
REFERENCES = {"anyOf": [REFERENCE, {"type": "array", "items": REFERENCE, "minItems": 1}]}


def entry(
    kind: str, name: str, parameters: Json, aliases: tuple[str, ...] = (), **facts: object
) -> tuple[str, Json]:
    """One `$defs` entry; a parameter without a default is required."""
    edges: dict[str, object] = {}
    if kind == "node":
        edges = {"parent": REFERENCES, "inputs": {"type": "object", "additionalProperties": REFERENCES}}
    elif kind in ("loss", "metric", "visualization"):
        edges = {"parent": REFERENCE}
    return f"{kind}.{name}", {
        "type": "object",
        "title": name,
        "description": f"What {name} does.",
        "additionalProperties": False,
        "properties": {"type": {"const": name}, "_target_": {"type": "string"}, **edges, **parameters},
        "required": [key for key, schema in parameters.items() if "default" not in schema],
        "x-cuvisc": {
            "kind": kind,
            "name": name,
            "summary": f"What {name} does.",
            "implementation": f"nowhere:{name}",
            "aliases": list(aliases),
            "params": list(parameters),
            **facts,
        },
    }


EPS = {"type": "number", "exclusiveMinimum": 0, "default": 1e-6, "description": "relative ridge"}
CUBE = {"cube": {"type": "float32[B,H,W,C]", "doc": "spectra", "unit": None}}
SCORES = {"scores": {"type": "float32[B,H,W,1]", "doc": "anomaly scores", "unit": "scores"}}
DEFINITIONS = dict(
    [
        entry("node", "MinMaxNormalizer", {"eps": EPS}, inputs=CUBE, outputs=CUBE),
        entry(
            "node",
            "RXGlobal",
            {"eps": EPS, "cache_inverse": {"type": "boolean", "default": True}},
            ("old_library.nodes.Rx",),
            inputs=CUBE,
            outputs=SCORES,
            statistics={"kind": "moments", "of": "cube"},
        ),
        entry(
            "node",
            "TrainablePCA",
            {
                "n_components": {"type": "integer", "minimum": 1, "description": "components kept"},
                "init": {"enum": ["random", "svd"], "default": "svd"},
            },
            inputs=CUBE,
            outputs={"scores": {"type": "float32[B,H,W,n_components]", "doc": "projections", "unit": None}},
            constraints=[["n_components", "<=", "C"]],
        ),
        entry(
            "node",
            "Labels",
            {"ids": {"type": "array", "items": {"type": "integer"}, "minItems": 1}},
            inputs=CUBE,
            outputs=CUBE,
        ),
        entry("loss", "OrthogonalityLoss", {"weight": {"type": "number", "minimum": 0, "default": 1.0}}),
        entry("metric", "ScoreStatistics", {}),
        entry("monitor", "DummyMonitor", {"output_dir": {"type": "string"}}),
        entry(
            "datamodule",
            "Folder",
            {"data_dir": {"type": "string"}, "batch_size": {"type": "integer", "default": 4}},
        ),
        entry(
            "callback",
            "EarlyStopping",
            {"monitor": {"type": "string"}, "patience": {"type": "integer", "default": 3}},
        ),
    ]
)


def section(kind: str) -> Json:
    """A section of entries by name."""
    return {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{kind}"}}


SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["nodes"],
    "properties": {
        "version": {"type": "integer", "minimum": 1, "maximum": 1, "default": 1},
        "defaults": {"type": "array"},
        "graph": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "minLength": 1, "default": "graph"},
                "input": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "dtype": {"enum": ["uint16", "float32"]},
                        "channels": {"type": "integer", "minimum": 1},
                    },
                },
                "outputs": {"type": "array", "items": REFERENCE, "minItems": 1},
            },
        },
        "nodes": section("node"),
        "loss_leaves": section("loss"),
        "metric_leaves": section("metric"),
        "visualization_leaves": section("visualization"),
        "monitoring": section("monitor"),
        "datamodule": {"$ref": "#/$defs/datamodule"},
        "training": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "seed": {"type": "integer", "minimum": 0, "default": 42},
                "trainer": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "max_epochs": {"type": "integer", "minimum": 0, "default": 10},
                        "precision": {"type": "string", "default": "32"},
                        "callbacks": {"type": "array", "items": {"$ref": "#/$defs/callback"}},
                    },
                },
                "optimizer": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "name": {"enum": ["adam", "adamw", "sgd"], "default": "adam"},
                        "lr": {"type": "number", "exclusiveMinimum": 0, "default": 1e-3},
                        "scheduler": {
                            "anyOf": [
                                {"type": "null"},
                                {"enum": ["cosine", "none"]},
                                {
                                    "type": "object",
                                    "additionalProperties": False,
                                    "properties": {
                                        "name": {"enum": ["cosine", "none"]},
                                        "factor": {
                                            "type": "number",
                                            "exclusiveMinimum": 0,
                                            "exclusiveMaximum": 1,
                                        },
                                    },
                                    "required": ["name"],
                                },
                            ]
                        },
                    },
                },
            },
        },
    },
    "$defs": DEFINITIONS,
}

CATALOGUE = Catalogue(SCHEMA)
