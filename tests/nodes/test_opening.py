"""The affine map that a body is declared to begin with is the one that tracing finds, and export folds into it."""

from __future__ import annotations

import pytest
from fitted_graphs import fitted, spectra
from variants import Variant, variants

from cuvisc.compiler.lowering import lower
from cuvisc.compiler.tracing import trace
from cuvisc.compiler.views.summary import Summary
from cuvisc.language.choose import resolve


@pytest.mark.parametrize("variant", variants(), ids=str)
def test_declared_opening(variant: Variant) -> None:
    module = variant.fitted()
    (node,) = module.graph.nodes
    program = trace(module)
    readers = program.consumers(program.input.name)
    found = None
    if node.mapping is None and len(node.inputs) == len(readers) == 1 and readers[0].affine is not None:
        found = "diagonal" if readers[0].affine.elementwise else "affine"
    assert resolve(variant.cls.opening, dict(node.params)) == found


@pytest.mark.parametrize(
    ("nodes", "folds"),
    [
        ("n: {type: MinMaxNormalizer}, rx: {type: RXGlobal}", [("n", "rx")]),
        (
            "n: {type: MinMaxNormalizer}, p: {type: TrainablePCA, n_components: 2}, rx: {type: RXGlobal}",
            [("n", "p", "rx")],
        ),
        ("n: {type: MinMaxNormalizer}, rx: {type: RXPerBatch}", []),
        (
            "n: {type: MinMaxNormalizer}, a: {type: RXGlobal}, b: {type: TrainablePCA, n_components: 2, parent: n}",
            [("n", "a"), ("n", "b")],
        ),
        (
            "n: {type: MinMaxNormalizer}, a: {type: RXGlobal}, b: {type: RXPerBatch, parent: n}",
            [],
        ),
        (
            "p: {type: TrainablePCA, n_components: 2}, a: {type: RXGlobal}, b: {type: RXGlobal, parent: p}",
            [],
        ),
        ("rx: {type: RXGlobal}, head: {type: RXLogitHead}", []),
    ],
)
def test_what_show_says_folds_is_what_an_export_folds(nodes: str, folds: list[tuple[str, ...]]) -> None:
    module = fitted(f"graph: {{input: {{channels: 5}}}}\nnodes: {{{nodes}}}\n", spectra(2, 8, 9, 5))
    assert list(Summary(module.graph).folds) == folds
    affine = [op for op in lower(module).fused.operations if op.affine is not None]
    assert [op.origin for op in affine if len(op.origin) > 1] == folds
