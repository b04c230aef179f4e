"""A node that keeps the statistics of bands that training exchanges is warned of; one that need not is not."""

from __future__ import annotations

import pytest

from cuvisc.compiler.check import check_graph
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text

SELECTOR = "selector: {type: SoftChannelSelector, n_select: 9, hard: true}"
BCE = "loss_leaves: {bce: {type: AnomalyBCEWithLogits, parent: head}}\n"
OTHER = "loss_leaves: {entropy: {type: SelectorEntropyRegularizer, parent: selector}}\n"
HEAD = "head: {type: RXLogitHead}"


def answer(nodes: list[str], rest: str = BCE) -> str:
    """The whole terminal text for a right spec of these nodes, the first of which stands on the second line."""
    text = "nodes:\n" + "".join(f"  {node}\n" for node in nodes) + rest
    spec, diagnostics = load_text(text, "s.yaml", catalogue=load(), environment={})
    assert spec is not None, render_text(diagnostics)
    assert check_graph(spec, load(), diagnostics) is not None, render_text(diagnostics)
    return render_text(diagnostics)


def warned(line: int, text: str, help: str) -> str:
    name = text.partition(":")[0]
    return (
        f"s.yaml:{line}:3: warning[W309]: `nodes.{name}`: training exchanges the bands of `selector`, but the "
        "statistics here stay those of the first ones: what it computes will be wrong\n"
        f"    {line} |   {text}\n"
        f"      |   {'^' * len(name)} {help}\n"
    )


FREEZE = "set `trainable: false` on `selector`"


@pytest.mark.parametrize("selector", [SELECTOR, SELECTOR.replace("true}", "true, reduce: true}")])
def test_statistics_behind_a_trained_selector(selector: str) -> None:
    rx = "rx: {type: RXGlobal}"
    help = f"set `trainable_stats: true`, so that the statistics follow, or {FREEZE}"
    assert answer([selector, rx, HEAD]) == warned(3, rx, help) + "1 warning"


def test_what_cannot_be_trained_is_put_before_the_selector() -> None:
    node = "standard: {type: StandardNormalizer}"
    nodes = [SELECTOR, node, "rx: {type: RXGlobal, trainable_stats: true}", HEAD]
    assert answer(nodes) == warned(3, node, f"put it before `selector`, or {FREEZE}") + "1 warning"


def test_what_no_loss_reaches_cannot_be_trained_either() -> None:
    rx = "rx: {type: RXGlobal}"
    assert answer([SELECTOR, rx], OTHER) == warned(3, rx, FREEZE) + "1 warning"


def test_statistics_at_a_distance_and_beside_others() -> None:
    standard = "standard: {type: StandardNormalizer, parent: [pca, input]}"
    nodes = [
        SELECTOR,
        "pca: {type: TrainablePCA, n_components: 3, trainable: true}",
        standard,
        "rx: {type: RXGlobal, trainable_stats: true}",
        HEAD,
    ]
    assert answer(nodes) == warned(4, standard, f"put it before `selector`, or {FREEZE}") + "1 warning"


@pytest.mark.parametrize(
    ("nodes", "rest"),
    [
        ([SELECTOR, "rx: {type: RXGlobal, trainable_stats: true}", HEAD], BCE),
        (["standard: {type: StandardNormalizer}", SELECTOR, "rx: {type: RXPerBatch}", HEAD], OTHER),
        ([SELECTOR.replace("true}", "true, trainable: false}"), "rx: {type: RXGlobal}", HEAD], BCE),
        ([SELECTOR, "rx: {type: RXGlobal, parent: input}"], OTHER),
        ([SELECTOR, "rx: {type: RXGlobal}", HEAD], BCE + "training: {trainer: {max_epochs: 0}}\n"),
        ([SELECTOR, "rx: {type: RXGlobal}"], ""),
    ],
    ids=["trained", "before", "frozen", "beside", "no epochs", "no loss"],
)
def test_statistics_that_stay_true(nodes: list[str], rest: str) -> None:
    assert "W309" not in answer(nodes, rest)
