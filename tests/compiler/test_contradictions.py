"""Training options that exclude each other are refused with their places; others are not."""

from __future__ import annotations

import pytest

from cuvisc.compiler.check import check_graph
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text

GRAPH = """\
nodes: {pca: {type: TrainablePCA, n_components: 3, trainable: true}}
loss_leaves: {orthogonality: {type: OrthogonalityLoss}}
"""
SWA = "{type: StochasticWeightAveraging, swa_lrs: 0.1}"


def answer(training: str) -> str:
    """The whole terminal text for a spec with this training section, which begins on the fourth line."""
    section = "".join(f"  {line}\n" for line in training.splitlines())
    text = f"{GRAPH}training:\n{section}"
    spec, diagnostics = load_text(text, "s.yaml", catalogue=load(), environment={})
    if spec is not None:
        check_graph(spec, load(), diagnostics)
    return render_text(diagnostics)


def excerpt(training: str, pointed: str, remedy: str) -> tuple[str, str]:
    """Line and column of the last place of a text, and how it is shown there."""
    lines = [f"  {line}" for line in training.splitlines()]
    number = max(n for n, line in enumerate(lines) if pointed in line)
    column = lines[number].rindex(pointed)
    shown = f"    {number + 4} | {lines[number]}\n      | {' ' * column}{'^' * len(pointed)} {remedy}\n"
    return f"s.yaml:{number + 4}:{column + 1}", shown


@pytest.mark.parametrize(
    ("training", "pointed", "fact", "remedy"),
    [
        (
            "trainer: {devices: 0}",
            "0",
            "`training.trainer.devices` is 0: there is nothing to train on",
            "a number from 1, indices such as [0, 1], -1 for all there are, or auto",
        ),
        (
            'trainer: {devices: "0"}',
            '"0"',
            "`training.trainer.devices` is 0: there is nothing to train on",
            "a number from 1, indices such as [0, 1], -1 for all there are, or auto",
        ),
        (
            "trainer: {devices: []}",
            "[]",
            "`training.trainer.devices` is []: there is nothing to train on",
            "a number from 1, indices such as [0, 1], -1 for all there are, or auto",
        ),
        (
            "trainer: {check_val_every_n_epoch: null, val_check_interval: 0.5}",
            "null",
            "`training.trainer.check_val_every_n_epoch: null` validates by batches alone, and nothing says by how many",
            "set `val_check_interval` to a whole number of batches",
        ),
        (
            "trainer: {max_epochs: -1, max_time: 00:01:00:00}\noptimizer: {scheduler: cosine}",
            "cosine",
            "`cosine` falls until the last epoch, and `training.trainer.max_epochs: -1` has none",
            "say `t_max` in epochs, or set `max_steps`",
        ),
        (
            "trainer: {max_epochs: -1, max_time: 00:01:00:00}\noptimizer: {scheduler: {name: one_cycle}}",
            "one_cycle",
            "`one_cycle` is planned to the last step, and `training.trainer.max_epochs: -1` has none",
            "set `max_epochs` or `max_steps`",
        ),
        (
            "trainer: {enable_checkpointing: false, callbacks: [{type: ModelCheckpoint}]}",
            "{type: ModelCheckpoint}",
            (
                "`training.trainer.callbacks[0]` is a ModelCheckpoint, and `training.trainer.enable_checkpointing` is "
                "false"
            ),
            "leave one of the two out",
        ),
        (
            'trainer: {max_time: 00:01:00:00, callbacks: [{type: Timer, duration: "00:00:01:00"}]}',
            '{type: Timer, duration: "00:00:01:00"}',
            "`training.trainer.callbacks[0]` is a Timer, and `training.trainer.max_time` is another",
            "leave one of the two out",
        ),
        (
            "trainer: {callbacks: [{type: EarlyStopping}, {type: EarlyStopping, patience: 9}]}",
            "{type: EarlyStopping, patience: 9}",
            "`training.trainer.callbacks[1]` and `training.trainer.callbacks[0]` are the same EarlyStopping",
            "leave one out, or let them differ in `monitor` or `mode`",
        ),
        (
            f"keep: best\ntrainer: {{callbacks: [{SWA}]}}",
            "best",
            (
                "`training.keep: best` keeps the weights of one epoch, `training.trainer.callbacks[0]` the mean of "
                "several"
            ),
            "leave one of the two out",
        ),
        (
            f"optimizer: {{scheduler: one_cycle}}\ntrainer: {{callbacks: [{SWA}]}}",
            "one_cycle",
            "`one_cycle` and `training.trainer.callbacks[0]` both set the learning rate of the last epochs",
            "take another scheduler",
        ),
        (
            f"trainer:\n  max_epochs: -1\n  max_time: 00:01:00:00\n  callbacks: [{SWA}]",
            SWA,
            (
                "`training.trainer.callbacks[0]` begins at a share of all epochs, and "
                "`training.trainer.max_epochs: -1` has no last one"
            ),
            "give `swa_epoch_start` as the number of an epoch",
        ),
        (
            f"trainer: {{strategy: fsdp, callbacks: [{SWA}]}}",
            "fsdp",
            (
                "`training.trainer.strategy: fsdp` divides the weights among processes, where "
                "`training.trainer.callbacks[0]` cannot average them"
            ),
            "take ddp",
        ),
        (
            "trainer: {limit_train_batches: 0}",
            "0",
            "`training.trainer.limit_train_batches: 0` leaves phase 2 nothing to train on",
            "leave it out, or set `max_epochs: 0` to fit statistics only",
        ),
        (
            "trainer: {max_epochs: -1, max_steps: 0}",
            "0",
            "`training.trainer.max_steps: 0` leaves phase 2 nothing to train on",
            "leave it out, or set `max_epochs: 0` to fit statistics only",
        ),
    ],
)
def test_options_that_exclude_each_other(training: str, pointed: str, fact: str, remedy: str) -> None:
    place, shown = excerpt(training, pointed, remedy)
    assert answer(training) == f"{place}: error[E314]: {fact}\n{shown}1 error"


@pytest.mark.parametrize(
    "training",
    [
        "trainer: {devices: -1}",
        'trainer: {devices: "0,"}',
        "trainer: {devices: [0]}",
        "trainer: {check_val_every_n_epoch: null, val_check_interval: 6}",
        "trainer: {max_epochs: -1, max_steps: 9}\noptimizer: {scheduler: one_cycle}",
        "trainer: {max_epochs: -1, max_time: 00:01:00:00}\noptimizer: {scheduler: {name: cosine, t_max: 5}}",
        "trainer: {callbacks: [{type: EarlyStopping}, {type: EarlyStopping, monitor: train/loss/total}]}",
        "trainer: {enable_checkpointing: false, callbacks: [{type: ModelCheckpoint, enabled: false}]}",
        f"trainer: {{max_epochs: -1, max_steps: 9, callbacks: [{SWA}]}}",
        f"trainer: {{strategy: ddp, callbacks: [{SWA}]}}",
        "trainer: {max_epochs: 0, limit_train_batches: 0, max_steps: 0}",
        "trainer: {fast_dev_run: true, limit_train_batches: 0, max_steps: 0}",
        "trainer: {overfit_batches: 1, limit_train_batches: 0}",
    ],
)
def test_options_that_go_together(training: str) -> None:
    assert answer(training) == ""


def test_nothing_to_train_has_no_steps_to_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "GRAPH", "nodes:\n  pca: {type: TrainablePCA, n_components: 3}\n\n")
    assert answer("trainer: {limit_train_batches: 0, max_steps: 0}") == ""


def test_checkpoints_are_written_by_epochs_or_by_steps() -> None:
    training = "trainer:\n  callbacks: [{type: ModelCheckpoint, every_n_epochs: 2, every_n_train_steps: 5}]"
    place, shown = excerpt(training, "5", "checkpoints are written by epochs or by steps, not by both")
    fact = "`training.trainer.callbacks[0].every_n_train_steps` wants one of null, 0; got 5"
    assert answer(training) == f"{place}: error[E105]: {fact}\n{shown}1 error"
