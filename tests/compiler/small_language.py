"""A small catalogue in the format of the generated one, and spec texts to specs without the schema stage.

The tests of the compiler's front half stand on this, so that they hold whatever nodes cuvisc ships.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.schema.catalogue import SECTION_KINDS, Catalogue
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Document
from cuvisc.schema.loader import load_tree
from cuvisc.schema.render import render_text
from cuvisc.schema.spec import FrozenMap, GraphSpec, LeafSpec, NodeSpec, PortRef, Spec, parse_reference

EDGES = ("type", "parent", "inputs")


def when(param: str, value: object, fact: object, otherwise: object = None) -> dict[str, object]:
    return {"choose": param, "cases": [[value, fact]], "otherwise": otherwise}


def ports(texts: Mapping[str, object], units: Mapping[str, object]) -> dict[str, object]:
    return {port: {"type": text, "doc": port, "unit": units.get(port)} for port, text in texts.items()}


def define(
    kind: str,
    name: str,
    inputs: Mapping[str, object],
    outputs: Mapping[str, object],
    params: Mapping[str, object] | None = None,
    required: tuple[str, ...] = (),
    units: Mapping[str, object] | None = None,
    state: tuple[str, ...] = (),
    **facts: object,
) -> tuple[str, dict[str, Any]]:
    params = params or {}
    entry = {
        "kind": kind,
        "name": name,
        "summary": name,
        "implementation": f"nowhere:{name}",
        "aliases": [],
        "params": [*required, *params],
        "inputs": ports(inputs, units or {}),
        "outputs": ports(outputs, units or {}),
        "state": {attribute: {"type": "float64[C]", "doc": attribute} for attribute in state},
        "statistics": None,
        "mapping": None,
        "constraints": [],
        "trainable": None,
        "targets": {},
    }
    properties = {param: {"default": default} for param, default in params.items()}
    return f"{kind}.{name}", {"title": name, "properties": properties, "x-cuvisc": entry | facts}


CUBE, ONE, MAP = "float32[B,H,W,C]", "float32[B,H,W,1]", "float32[B,H,W,K]"
MOMENTS = {"kind": "moments", "of": ["cube"]}
DEFINITIONS = dict(
    (
        define(
            "node", "MinMax", {"cube": CUBE}, {"normalized": CUBE},
            statistics={"kind": "extrema", "of": ["cube"]}, mapping="diagonal",
        ),
        define(
            "node", "PCA", {"cube": CUBE}, {"scores": "float32[B,H,W,n_components]"},
            params={"trainable": False}, required=("n_components",), state=("components",),
            statistics=MOMENTS, mapping="affine", constraints=[["n_components", "<=", "C"]],
            trainable=when("trainable", True, True),
        ),
        define("node", "RX", {"cube": CUBE}, {"scores": ONE}, units={"scores": "scores"}, statistics=MOMENTS),
        define(
            "node", "Local", {"cube": CUBE}, {"scores": ONE, "rank": "int32[B,H,W,1]"},
            units={"scores": "scores"}, targets={"onnx": "it factors a matrix for every image"},
        ),
        define(
            "node", "Head", {"scores": ONE}, {"logits": ONE},
            params={"trainable": True}, units={"scores": "scores", "logits": "logits"},
            statistics={"kind": "moments", "of": ["scores"]}, mapping="diagonal",
            trainable=when("trainable", True, True),
        ),
        define(
            "node", "Decider", {"values": MAP}, {"decisions": "bool[B,H,W,K]"},
            params={"threshold": 0.5, "apply_sigmoid": False},
            units={
                "values": when("apply_sigmoid", True, "logits", "scores|probabilities"),
                "decisions": "decisions",
            },
        ),
        define("node", "Sigmoid", {"values": MAP}, {"probabilities": MAP},
               units={"values": "logits", "probabilities": "probabilities"}),
        define("node", "Risk", {"values": ONE}, {"risk": ONE}, units={"values": "probabilities"}),
        define("node", "Fuse", {"first": CUBE, "second": CUBE}, {"fused": CUBE}),
        define("node", "Classes", {"cube": "float32[B,H,W,class_count]"}, {"classes": "int32[B,H,W,1]"},
               required=("class_count",)),
        define("node", "Relabel", {"classes": "int32[B,H,W,1]"}, {"mapped": "int32[B,H,W,1]"}),
        define("node", "Source", {}, {"noise": MAP}),
        define("node", "Gain", {"cube": CUBE}, {"scaled": CUBE}, mapping="diagonal"),
        define("node", "Mix", {"cube": CUBE}, {"mixed": ONE, "rest": CUBE}, mapping="affine"),
        define("node", "Blur", {"cube": CUBE}, {"blurred": CUBE}),
        define("node", "Pair", {"first": CUBE, "second": MAP}, {"distance": ONE},
               statistics={"kind": "moments", "of": ["second", "first"]}),
        define("loss", "Orthogonality", {"output": MAP}, {}, params={"weight": 1.0},
               parent_types=["PCA"], parent_attributes=["components"]),
        define("loss", "BCE", {"output": ONE}, {}, params={"weight": 1.0}, units={"output": "logits"}),
        define("metric", "ScoreStatistics", {"output": ONE}, {}, units={"output": "scores|logits"}),
        define("metric", "Anything", {"output": MAP}, {}),
    )
)  # fmt: skip
SMALL = Catalogue({"$defs": DEFINITIONS})


def read_spec(text: str) -> tuple[Spec, Diagnostics]:
    """The spec of a text that is assumed to fit the schema; its name is `graph.yaml`."""
    diagnostics = Diagnostics()
    tree = load_tree(textwrap.dedent(text).strip("\n").rstrip(), "graph.yaml", diagnostics)
    assert tree is not None, render_text(diagnostics)
    document = Document(tree, "graph.yaml", diagnostics.sources)
    data: dict[str, Any] = document.data
    graph = data.get("graph", {})
    outputs = graph.get("outputs")
    spec = Spec(
        version=1,
        graph=GraphSpec(
            name=graph.get("name", "graph"),
            input_dtype=graph.get("input", {}).get("dtype"),
            channels=graph.get("input", {}).get("channels"),
            outputs=None if outputs is None else tuple(reference(output) for output in outputs),
        ),
        nodes=tuple(_node(name, entry) for name, entry in data.get("nodes", {}).items()),
        leaves=tuple(
            _leaf(section, name, entry)
            for section in ("loss_leaves", "metric_leaves", "visualization_leaves")
            for name, entry in data.get(section, {}).items()
        ),
        monitors=(),
        datamodule=None,
        training=FrozenMap(data.get("training", {})),
        document=document,
        canonical=FrozenMap({**data, "graph": {"name": "graph", **graph}}),
    )
    return spec, diagnostics


def check(text: str, catalogue: Catalogue = SMALL, **options: Any) -> tuple[TypedGraph | None, str]:
    """The typed graph of a text, and everything the compiler has to say about it."""
    spec, diagnostics = read_spec(text)
    graph = check_graph(spec, catalogue, diagnostics, **options)
    return graph, render_text(diagnostics)


def checked(text: str, catalogue: Catalogue = SMALL, **options: Any) -> TypedGraph:
    """The typed graph of a text that must be right."""
    graph, said = check(text, catalogue, **options)
    assert graph is not None, said
    return graph


def findings(text: str, **options: Any) -> str:
    """Everything the compiler says about a text that is wrong, or at least dubious."""
    graph, said = check(text, **options)
    assert (graph is None) == ("error[" in said)
    return said


def says(text: str) -> str:
    """Text as a test writes it, without its margin."""
    return textwrap.dedent(text).strip("\n").rstrip()


def reference(text: str) -> PortRef:
    parsed = parse_reference(text)
    assert parsed is not None
    return parsed


def _node(name: str, entry: dict[str, Any]) -> NodeSpec:
    parent, inputs = entry.get("parent", []), entry.get("inputs")
    return NodeSpec(
        id=name,
        type=entry["type"],
        params=FrozenMap({key: value for key, value in entry.items() if key not in EDGES}),
        inputs=None if inputs is None else {port: reference(ref) for port, ref in inputs.items()},
        parents=tuple(reference(ref) for ref in ([parent] if isinstance(parent, str) else parent)),
    )


def _leaf(section: str, name: str, entry: dict[str, Any]) -> LeafSpec:
    return LeafSpec(
        id=name,
        section=section,
        kind=SECTION_KINDS[section],
        type=entry["type"],
        params=FrozenMap({key: value for key, value in entry.items() if key not in EDGES}),
        parent=reference(entry["parent"]) if "parent" in entry else None,
    )
