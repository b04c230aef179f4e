"""What training would wait for in vain is said before it starts; what may well be there is not complained of."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cuvisc.compiler.check import check_graph
from cuvisc.schema.catalogue import Catalogue, load
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text

GRAPH = """\
nodes:
  pca: {type: TrainablePCA, n_components: 3, trainable: true}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
"""


def giving(*keys: str | None) -> Catalogue:
    """The catalogue with a data module that gives these keys; None where it does not say."""
    schema: Any = copy.deepcopy(load().schema)
    schema["$defs"]["datamodule.IndianPines"]["x-cuvisc"]["gives"] = None if None in keys else list(keys)
    return Catalogue(schema)


def answer(text: str, catalogue: Catalogue | None = None, right: bool = True) -> str:
    """The whole terminal text for a spec of this graph, which is right, or wrong."""
    catalogue = catalogue or load()
    spec, diagnostics = load_text(GRAPH + text, "s.yaml", catalogue=catalogue, environment={})
    assert spec is not None, render_text(diagnostics)
    assert (check_graph(spec, catalogue, diagnostics) is not None) is right, render_text(diagnostics)
    return render_text(diagnostics)


BCE = "loss_leaves: {bce: {type: AnomalyBCEWithLogits, parent: head}}\n"
MANY = "loss_leaves: {bce: {type: WeightedMultiLoss, parent: head, child_losses: [{type: AnomalyBCEWithLogits}]}}\n"
DATA = "datamodule: {type: IndianPines}\n"


@pytest.mark.parametrize("leaf", [BCE, MANY])
def test_a_mask_that_the_data_does_not_give(leaf: str) -> None:
    line = leaf.rstrip("\n")
    assert answer(leaf + DATA, giving("wavelengths")) == (
        "s.yaml:5:15: warning[W306]: `loss_leaves.bce` reads `mask` of every batch, which IndianPines does not give\n"
        f"    5 | {line[:100]}{'…' * (len(line) > 100)}\n"
        "      |               ^^^ leave the leaf out, or take other data: it gives the cube and `wavelengths`\n"
        "1 warning"
    )


@pytest.mark.parametrize("keys", [("mask",), ("labels",), (None,)], ids=str)
def test_labels_stand_in_for_a_mask_and_data_may_not_say(keys: tuple[str | None, ...]) -> None:
    assert answer(BCE + DATA, giving(*keys)) == ""


def test_no_data_module_gives_nothing_to_complain_of() -> None:
    assert answer(BCE, giving()) == ""


@pytest.mark.parametrize(
    "monitor", ["val/loss/total", "train/loss/bce", "val/loss/bce", "lr", "lr-Adam", "val/metric/anomaly_f1"]
)
def test_logged_names(monitor: str) -> None:
    metric = "metric_leaves: {detection: {type: AnomalyDetectionMetrics, parent: head, reads: logits}}\n"
    training = f"training: {{trainer: {{callbacks: [{{type: EarlyStopping, monitor: {monitor}}}]}}}}\n"
    assert answer(BCE + metric + training) == ""


@pytest.mark.parametrize(
    ("leaves", "monitor", "help", "code"),
    [
        (BCE, "val_loss", "did you mean `val/loss/total`?", "E315"),
        (BCE, "val/loss/bec", "did you mean `val/loss/bce`?", "E315"),
        (
            BCE,
            "auroc",
            "logged are `train/loss/bce`, `train/loss/total`, `val/loss/bce` and `val/loss/total`",
            "E315",
        ),
        ("", "val/loss/total", "without a loss or a metric nothing is logged", "W305"),
    ],
)
def test_names_that_are_never_logged(leaves: str, monitor: str, help: str, code: str) -> None:
    head = "" if leaves else "graph: {outputs: [head]}\n"
    text = f"{head}{leaves}training: {{optimizer: {{scheduler: {{monitor: {monitor}}}}}}}\n"
    found = answer(text, right=code == "W305")
    (block,) = [block for block in found.split("\ns.yaml") if code in block]
    assert f"`training.optimizer.scheduler.monitor` waits for `{monitor}`, which is never logged" in block
    assert block.split("\n")[2].endswith(f"^ {help}")


@pytest.mark.parametrize(
    ("trainer", "right"),
    [
        ("callbacks: [{type: EarlyStopping, monitor: mine}]", False),
        ("callbacks: [{type: EarlyStopping, monitor: mine, strict: false}]", True),
        ("max_epochs: 0, callbacks: [{type: EarlyStopping, monitor: mine}]", True),
        ("callbacks: [{type: ModelCheckpoint, monitor: mine}]", False),
        ("limit_val_batches: 0, callbacks: [{type: EarlyStopping}]", False),
        ("limit_val_batches: 0, callbacks: [{type: EarlyStopping, monitor: train/loss/bce}]", True),
    ],
)
def test_what_stops_a_training_is_an_error(trainer: str, right: bool) -> None:
    found = answer(f"{BCE}training: {{trainer: {{{trainer}}}}}\n", right=right)
    assert ("E315" in found) is not right


METRIC = "{type: AnomalyDetectionMetrics, parent: head, reads: logits}"


@pytest.mark.parametrize(
    ("monitor", "meant"),
    [
        ("anomaly_auroc", "val/metric/anomaly_auroc"),
        ("anomaly_f2", "val/metric/anomaly_f1"),
        ("val/metric/anomaly_aurok", "val/metric/anomaly_auroc"),
        ("val_loss", "val/loss/total"),
    ],
)
def test_names_of_metrics_are_known(monitor: str, meant: str) -> None:
    callbacks = f"[{{type: EarlyStopping, monitor: {monitor}}}]"
    training = f"training: {{trainer: {{callbacks: {callbacks}}}}}\n"
    found = answer(f"{BCE}metric_leaves: {{detection: {METRIC}}}\n{training}", right=False)
    assert f"waits for `{monitor}`, which is never logged" in found
    assert f"^ did you mean `{meant}`?" in found


def test_a_name_that_two_metrics_share_is_logged_under_both() -> None:
    leaves = f"{BCE}metric_leaves: {{one: {METRIC}, two: {METRIC}}}\n"
    training = "training: {{trainer: {{callbacks: [{{type: EarlyStopping, monitor: {}}}]}}}}\n"
    assert answer(leaves + training.format("val/metric/two/anomaly_f1")) == ""
    assert "did you mean `val/metric/two/anomaly_f1`?" in answer(
        leaves + training.format("val/metric/anomaly_f1"), right=False
    )


def test_a_metric_that_says_nothing_may_log_anything() -> None:
    schema: Any = copy.deepcopy(load().schema)
    schema["$defs"]["metric.AnomalyDetectionMetrics"]["x-cuvisc"]["logs"] = None
    training = "training: {trainer: {callbacks: [{type: EarlyStopping, monitor: val/metric/mine}]}}\n"
    assert answer(f"{BCE}metric_leaves: {{d: {METRIC}}}\n{training}", Catalogue(schema)) == ""


def test_a_callback_that_is_switched_off_waits_for_nothing() -> None:
    callbacks = "[{type: EarlyStopping, monitor: none, enabled: false}, {type: LearningRateMonitor}]"
    assert answer(BCE + f"training: {{trainer: {{callbacks: {callbacks}}}}}\n") == ""


@pytest.mark.parametrize(
    "leaf",
    [
        "detection: {type: AnomalyDetectionMetrics, parent: rx, threshold_multiplier: 2.0}",
        "detection: {type: AnomalyDetectionMetrics, parent: rx, threshold: 0.5}",
        "detection: {type: AnomalyDetectionMetrics, parent: head, reads: logits}",
    ],
)
def test_thresholds_in_the_right_unit(leaf: str) -> None:
    assert answer(BCE + f"metric_leaves: {{{leaf}}}\n") == ""
