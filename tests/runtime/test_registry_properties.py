"""Whatever validate accepts compiles; whatever fits together by its declarations validates, fits and exports."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fitted_graphs import fit_module, moments, spectra
from hypothesis import given, note, reject, settings
from hypothesis import strategies as st
from registry_graphs import definitions, graphs, params, placeable_nodes

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import build_module
from cuvisc.language.node import FitError
from cuvisc.runtime.attached import attach_leaves
from cuvisc.runtime.components import make_config
from cuvisc.runtime.export import Source, export
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_data
from cuvisc.schema.render import render_text
from cuvisc.schema.spec import spec_hash
from cuvisc.schema.writing import dump_yaml

BANDS = 6
CUBE = spectra(2, 14, 15, BANDS, seed="registry")
SECTIONS = {"loss": "loss_leaves", "metric": "metric_leaves", "visualization": "visualization_leaves"}
LEAVES = {(kind, name): found for kind in SECTIONS for name, found in definitions(kind).items()}


def typed(data: dict[str, Any]) -> tuple[TypedGraph | None, str]:
    """The typed graph of a spec as data, and what there is to say about it."""
    note(dump_yaml(data))
    spec, diagnostics = load_data(data, "random", environment={})
    graph = check_graph(spec, load(), diagnostics) if spec is not None else None
    return graph, render_text(diagnostics)


@settings(max_examples=20)
@given(graphs(BANDS, join=False))
def test_graphs_that_fit_together_validate_fit_and_export(data: dict[str, Any]) -> None:
    graph, said = typed(data)
    assert graph is not None, said
    module = build_module(graph)
    try:
        fit_module(module, CUBE)
    except FitError:
        reject()
    sample = CUBE.reshape(-1, BANDS)[:200]
    source = Source(module, spec_hash(graph.spec), "float32", sample, moments(CUBE))
    with tempfile.TemporaryDirectory() as folder:
        evidence = export(source, Path(folder, "artifact"))
    assert evidence["flipped_decisions"] == 0
    assert np.isfinite(evidence["max_relative_error"])


@st.composite
def any_specs(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs of which some edges are wrong, with leaves that may or may not stand on them."""
    data = draw(graphs(BANDS))
    for node in data["nodes"].values():
        if draw(st.integers(0, 5)) == 0:
            node.pop("inputs", None)
            node["parent"] = draw(st.sampled_from([*data["nodes"], "input"]))
    for index in range(draw(st.integers(0, 3))):
        kind, name = draw(st.sampled_from(sorted(LEAVES)))
        leaf: dict[str, Any] = {"type": name, **draw(params(LEAVES[kind, name], skip=("child_losses",)))}
        if name == "WeightedMultiLoss":
            losses = [name for kind, name in LEAVES if kind == "loss" and name != "WeightedMultiLoss"]
            leaf["child_losses"] = [{"type": draw(st.sampled_from(losses))}]
        if draw(st.booleans()):
            leaf["parent"] = draw(st.sampled_from(list(data["nodes"])))
        data.setdefault(SECTIONS[kind], {})[f"l{index}"] = leaf
    training = load().section("training")
    assert training is not None
    optimizer = training["properties"]["optimizer"]["properties"]
    branch = draw(st.sampled_from([b for b in optimizer["scheduler"]["anyOf"] if "properties" in b]))
    scheduler = {"name": branch["title"]}
    data["training"] = {"optimizer": {"scheduler": scheduler, "betas": [0.9, 0.99]}}
    return data


@settings(max_examples=200)
@given(any_specs())
def test_whatever_validate_accepts_compiles(data: dict[str, Any]) -> None:
    graph, _ = typed(data)
    if graph is None:
        return
    module = build_module(graph)
    assert set(module.nodes) == set(data["nodes"])
    attach_leaves(module)
    make_config(graph.spec)


def test_no_node_is_left_out() -> None:
    """A node that the strategy cannot place would never be tried."""
    found: set[str] = set()

    @settings(max_examples=200, database=None)
    @given(graphs(BANDS, most=6))
    def search(data: dict[str, Any]) -> None:
        found.update(node["type"] for node in data["nodes"].values())

    search()
    assert found == set(placeable_nodes())
