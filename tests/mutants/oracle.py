"""Whether a spec in the words of the shipped ones is right, told from a table written by hand.

Reads plain data. Shares nothing with the front end: neither its loader, nor the catalogue, nor its types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Check = Callable[[Any], bool]


def number(low: float = -1e300, high: float = 1e300) -> Check:
    return lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and low <= v <= high


def whole(low: int = -(2**63), high: int = 2**63) -> Check:
    return lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high


def text(v: Any) -> bool:
    return isinstance(v, str)


def switch(v: Any) -> bool:
    return isinstance(v, bool)


def one_of(*choices: Any) -> Check:
    return lambda v: isinstance(v, str) and v in choices


TINY, POSITIVE = 1e-300, number(1e-300)
ON_PCA, ON_SELECTOR, ANY = "pca", "selector", "any"
# Parameters, those that are required, and what happens to (unit, bands); None where it cannot be read.
NODES: dict[str, tuple[dict[str, Check], set[str]]] = {
    "MinMaxNormalizer": ({"eps": POSITIVE, "per_channel": switch}, set()),
    "TrainablePCA": ({"n_components": whole(1), "trainable": switch, "whiten": switch}, {"n_components"}),
    "SoftChannelSelector": (
        {
            "n_select": whole(1),
            "init_method": one_of("uniform", "variance"),
            "temperature_init": POSITIVE,
            "temperature_min": POSITIVE,
            "temperature_decay": number(TINY, 1),
            "hard": switch,
            "reduce": switch,
            "trainable": switch,
        },
        {"n_select"},
    ),
    "RXGlobal": ({"trainable_stats": switch}, set()),
    "RXLogitHead": ({}, set()),
    "LogitDecider": ({"threshold": number(TINY, 0.9999999)}, set()),
}
WEIGHT = {"weight": number(0)}
OFTEN = {"log_frequency": whole(1)}
LEAVES: dict[str, dict[str, tuple[dict[str, Check], str]]] = {
    "loss_leaves": {
        "OrthogonalityLoss": (WEIGHT, ON_PCA),
        "AnomalyBCEWithLogits": ({**WEIGHT, "pos_weight": POSITIVE}, "logits"),
        "SelectorEntropyRegularizer": (WEIGHT, ON_SELECTOR),
        "SelectorDiversityRegularizer": (WEIGHT, ON_SELECTOR),
    },
    "metric_leaves": {
        "ExplainedVarianceMetric": ({}, ON_PCA),
        "ComponentOrthogonalityMetric": ({}, ON_PCA),
        "ScoreStatisticsMetric": ({}, ANY),
        "AnomalyDetectionMetrics": (
            {"reads": one_of("logits"), "threshold": number(), "threshold_multiplier": number()},
            "reads",
        ),
    },
    "visualization_leaves": {
        "AnomalyHeatmap": ({**OFTEN, "colormap": one_of("inferno", "hot", "viridis")}, ANY),
        "PCAVisualization": ({**OFTEN, "subsample": whole(10)}, ON_PCA),
        "ScoreHistogram": ({**OFTEN, "n_bins": whole(2, 1000)}, ANY),
        "SelectorTemperaturePlot": (OFTEN, ON_SELECTOR),
        "SelectorChannelMaskPlot": (OFTEN, ON_SELECTOR),
        "SelectorStabilityPlot": (OFTEN, ON_SELECTOR),
    },
}
MONITORS: dict[str, dict[str, Check]] = {
    "DummyMonitor": {"output_dir": text},
    "TensorBoardMonitor": {"flush_secs": whole(1)},
    "WandBMonitor": {
        "project": text,
        "name": text,
        "tags": lambda v: isinstance(v, list) and all(map(text, v)),
    },
}
DATA: dict[str, dict[str, Check]] = {
    "IndianPines": {"anomaly_class": whole(1, 16), "batch_size": whole(1)},
    "CubeFolder": {
        **dict.fromkeys(("data_dir", "files", "mask"), text),
        "tile": whole(1),
        "overlap": whole(0),
        "split": one_of("file", "block"),
        **dict.fromkeys(("val_fraction", "test_fraction"), number(0, 1 - 1e-16)),
        "batch_size": whole(1),
        "num_workers": whole(0),
    },
    "LentilsAnomaly": {"data_dir": text, "batch_size": whole(1), "num_workers": whole(0)},
}
BANDS = {"IndianPines": 200, "LentilsAnomaly": 61}
SCHEDULERS = ("reduce_on_plateau", "cosine")
TRAINER: dict[str, Check] = {
    "max_epochs": whole(-1),
    "accelerator": one_of("auto"),
    "devices": whole(),
    "precision": lambda v: v in ("32", 32),
    "log_every_n_steps": whole(1),
}
OPTIMIZER: dict[str, Check] = {
    "name": one_of("adam"),
    "lr": POSITIVE,
    "weight_decay": number(0),
    "scheduler": lambda v: (
        v in SCHEDULERS or (isinstance(v, dict) and _fits(v, {"name": one_of(*SCHEDULERS)}))
    ),
}
_TRAINED = {
    "TrainablePCA": ("trainable", False),
    "SoftChannelSelector": ("trainable", True),
    "RXLogitHead": ("trainable", True),
    "RXGlobal": ("trainable_stats", False),
}
Value = tuple[str, "int | None"]  # unit ("cube" where there is none) and number of bands


def is_wrong(data: Any, fragment: bool = False) -> bool:
    """Whether a spec is wrong; a fragment is one that others are composed of."""
    try:
        return not all(_statements(data, fragment))
    except (KeyError, AttributeError, TypeError):
        return True


def _statements(data: dict[str, Any], fragment: bool) -> Iterator[bool]:
    yield isinstance(data, dict)
    sections = {"version", "defaults", "graph", "nodes", "monitoring", "datamodule", "training", *LEAVES}
    yield set(data) <= sections
    yield data.get("version", 1) == 1 and not isinstance(data.get("version", 1), bool)
    yield data.get("defaults", ["general", "_self_"]) in (["general", "_self_"], ["general"])
    yield fragment or bool(data.get("nodes"))
    values: dict[str, Value] = {}
    types: dict[str, str] = {}
    yield from _graph(data)
    yield from _nodes(data, values, types)
    for section, known in LEAVES.items():
        for name, entry in _entries(data, section):
            kind = _type(entry)
            params, place = known[kind]
            yield _is_id(name) and not (section == "loss_leaves" and name == "total")
            yield _fits(entry, params, also=("parent",))
            yield _stands(entry, place, values, types)
    for _, entry in _entries(data, "monitoring"):
        yield _fits(entry, MONITORS[_type(entry)], also=("enabled",)) and entry.get("enabled", True) in (
            True,
            False,
        )
        yield not isinstance(entry.get("enabled", True), dict)
    entry = data.get("datamodule")
    yield entry is None or _fits(entry, DATA[_type(entry)])
    training = data.get("training") or {}
    yield _fits(
        training, {"seed": whole(0, 2**32 - 1), "trainer": _is_map, "optimizer": _is_map}, typed=False
    )
    yield _fits(training.get("trainer", {}), TRAINER, typed=False)
    yield not training.get("trainer", {}).get("max_epochs") or _trains(data, types)
    yield _fits(training.get("optimizer", {}), OPTIMIZER, typed=False)
    for reference in (data.get("graph") or {}).get("outputs", ["input"]):
        yield reference == "input" or _refers(reference, types)
    outputs = (data.get("graph") or {}).get("outputs")
    yield outputs is None or len({o.partition(".")[0] for o in outputs}) == len(outputs) > 0


def _graph(data: dict[str, Any]) -> Iterator[bool]:
    graph = data.get("graph")
    yield graph is None or _fits(
        graph,
        {"name": lambda v: text(v) and v != "", "input": _is_map, "outputs": _is_list_of_text},
        typed=False,
    )
    yield graph is None or _fits(graph.get("input", {}), {"channels": whole(1)}, typed=False)


def _nodes(data: dict[str, Any], values: dict[str, Value], types: dict[str, str]) -> Iterator[bool]:
    said = ((data.get("graph") or {}).get("input") or {}).get("channels")
    had = BANDS.get(_type(data["datamodule"])) if data.get("datamodule") else None
    yield said is None or had is None or said == had
    value: Value = ("cube", said or had)
    for name, entry in _entries(data, "nodes"):
        kind = _type(entry)
        params, required = NODES[kind]
        yield _is_id(name) and name != "input"
        yield _fits(entry, params, also=("parent",)) and required <= set(entry)
        if "parent" in entry:
            yield text(entry["parent"]) and _refers(entry["parent"], types)
            value = values[entry["parent"].partition(".")[0]]
        made = _flow(kind, entry, value)
        yield made is not None
        value = values[name] = made or value
        types[name] = kind


def _flow(kind: str, entry: dict[str, Any], value: Value) -> Value | None:
    unit, bands = value
    if kind == "LogitDecider":
        return ("decisions", bands) if unit in ("logits", "cube") else None
    if unit == "decisions":
        return None
    if kind == "RXLogitHead":
        return ("logits", 1) if unit in ("scores", "cube") and bands in (1, None) else None
    if kind == "RXGlobal":
        return ("scores", 1)
    wanted = entry.get("n_components", entry.get("n_select"))
    if wanted is not None and bands is not None and wanted > bands:
        return None
    if kind == "TrainablePCA" or entry.get("reduce"):
        return ("cube", wanted)
    return ("cube", bands)


def _stands(entry: dict[str, Any], place: str, values: dict[str, Value], types: dict[str, str]) -> bool:
    def suits(node: str) -> bool:
        unit = values[node][0]
        if place == ON_PCA:
            return types[node] == "TrainablePCA"
        if place == ON_SELECTOR:
            return types[node] == "SoftChannelSelector"
        if place == ANY:
            return unit in ("scores", "logits", "cube")
        wanted = "logits" if place == "logits" or entry.get("reads") == "logits" else "scores"
        return unit in (wanted, "cube") and values[node][1] in (1, None)

    if "parent" in entry:
        return _refers(entry["parent"], types) and suits(entry["parent"].partition(".")[0])
    certain = [node for node in values if suits(node) and values[node][0] != "cube"]
    fitting = [node for node in values if suits(node)] if place in (ON_PCA, ON_SELECTOR) else certain
    return len(fitting) == 1


def _trains(data: dict[str, Any], types: dict[str, str]) -> bool:
    """Whether a trainable node stands at or above a loss."""
    entries = dict(_entries(data, "nodes"))
    above: dict[str, str | None] = {}
    previous = None
    for name, entry in entries.items():
        above[name] = entry["parent"].partition(".")[0] if "parent" in entry else previous
        previous = name
    for _, loss in _entries(data, "loss_leaves"):
        node = loss["parent"].partition(".")[0] if "parent" in loss else _only(loss, types)
        while node is not None and node != "input":
            given = entries[node].get(*_TRAINED.get(types[node], ("", False)))
            if given:
                return True
            node = above[node]
    return False


def _only(loss: dict[str, Any], types: dict[str, str]) -> str:
    """The node that a loss without a parent finds."""
    kinds = {ON_PCA: "TrainablePCA", ON_SELECTOR: "SoftChannelSelector", "logits": "RXLogitHead"}
    place = LEAVES["loss_leaves"][_type(loss)][1]
    (node,) = (name for name, kind in types.items() if kind == kinds[place])
    return node


def _refers(reference: Any, types: dict[str, str]) -> bool:
    first = {
        "RXGlobal": "scores",
        "TrainablePCA": "scores",
        "LogitDecider": "decisions",
        "RXLogitHead": "logits",
        "MinMaxNormalizer": "normalized",
        "SoftChannelSelector": "selected",
    }
    node, _, port = reference.partition(".")
    return node in types and port in ("", first[types[node]])


def _entries(data: dict[str, Any], section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    found = data.get(section)
    if found is not None:
        yield from found.items()


def _type(entry: dict[str, Any]) -> str:
    assert_one = [key for key in ("type", "_target_") if key in entry]
    if len(assert_one) != 1:
        raise KeyError("type")
    written = entry[assert_one[0]]
    return str(written).rpartition(".")[2] if isinstance(written, str) else ""


def _fits(entry: Any, params: dict[str, Check], also: tuple[str, ...] = (), typed: bool = True) -> bool:
    known = {*params, *also, *(("type", "_target_") if typed else ())}
    return (
        isinstance(entry, dict)
        and set(entry) <= known
        and all(params[key](value) for key, value in entry.items() if key in params)
    )


def _is_map(v: Any) -> bool:
    return isinstance(v, dict)


def _is_list_of_text(v: Any) -> bool:
    return isinstance(v, list) and all(isinstance(item, str) for item in v)


def _is_id(name: Any) -> bool:
    return isinstance(name, str) and name.replace("_", "").isalnum()
