"""Interrupted and resumed equals uninterrupted; a run goes on from its own folder only, as it was begun."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, FROZEN, MemoryScene

from cuvisc import TrainingConfig
from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.components import make_config
from cuvisc.runtime.epoch_state import OWN, STATE, RunCheckpoints
from cuvisc.runtime.lock import locked
from cuvisc.runtime.plain_state import pack, unpack
from cuvisc.runtime.run_folder import CHECKPOINTS, load_source
from cuvisc.runtime.training import Run, train
from cuvisc.schema.errors import DataError, SpecError

SELECTION = """
graph: {name: selection, outputs: [rx.scores]}
nodes:
  normalizer: {type: MinMaxNormalizer}
  selector: {type: SoftChannelSelector, n_select: 4, temperature_init: 2.0}
  pca: {type: TrainablePCA, n_components: 2, trainable: true}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
loss_leaves:
  bce: {type: AnomalyBCEWithLogits, parent: head, pos_weight: 5}
  entropy: {type: SelectorEntropyRegularizer, parent: selector}
  diversity: {type: SelectorDiversityRegularizer, parent: selector}
  orthogonality: {type: OrthogonalityLoss, parent: pca}
metric_leaves:
  detection: {type: AnomalyDetectionMetrics, parent: head, reads: logits}
visualization_leaves:
  stability: {type: SelectorStabilityPlot, parent: selector, log_frequency: 5}
"""


def spec(epochs: int = 8, optimizer: str = "{lr: 0.01}", more: str = "", text: str = ANOMALY) -> TypedGraph:
    trainer = f"{{max_epochs: {epochs}, accelerator: cpu}}"
    return typed(f"{text}\ntraining: {{trainer: {trainer}, optimizer: {optimizer}{more}}}\n")


def begin(graph: TypedGraph, folder: Path, *callbacks: Callback) -> Run:
    config = make_config(graph.spec)
    config.trainer.callbacks = [*callbacks]
    return train(graph, MemoryScene(), config, run_dir=folder)


def go_on(graph: TypedGraph, folder: Path) -> Run:
    return train(graph, MemoryScene(), resume=folder)


class At(Callback):
    """Does something after the second batch of an epoch."""

    def __init__(self, epoch: int, action: Callable[[], None]) -> None:
        self.epoch, self.action = epoch, action

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, 1):
            self.action()


def interrupt() -> None:
    raise KeyboardInterrupt


def killed_at(graph: TypedGraph, folder: Path, epoch: int) -> None:
    """A run in a process of its own that is killed, without a chance to do anything about it."""
    child = os.fork()
    if child == 0:
        try:
            begin(graph, folder, At(epoch, lambda: os.kill(os.getpid(), signal.SIGKILL)))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def interrupted_at(graph: TypedGraph, folder: Path, epoch: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        begin(graph, folder, At(epoch, interrupt))


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "time"} for line in lines]


def assert_same_runs(one: Path, other: Path) -> None:
    assert logged(one) == logged(other)
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    facts = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
    for name in ("epochs", "steps", "metrics", "best", "trained", "status", "spec_sha256", "input"):
        assert facts[0][name] == facts[1][name], name


def test_a_killed_and_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    graph = spec(10, text=SELECTION)
    begin(graph, tmp_path / "whole")
    killed_at(graph, tmp_path / "killed", 5)
    with (tmp_path / "killed" / "metrics.jsonl").open("a") as lines:
        lines.write('{"step": 17, "epoch": 5, "sta')
    done = go_on(graph, tmp_path / "killed")
    assert_same_runs(tmp_path / "whole", tmp_path / "killed")
    assert [entry["epoch"] for entry in done.facts["resumed"]] == [5]
    figures = [sorted((tmp_path / name / "figures").glob("*.npz")) for name in ("whole", "killed")]
    assert [file.read_bytes() for file in figures[0]] == [file.read_bytes() for file in figures[1]]
    assert len(figures[0]) == 2
    assert load_source(done.folder).module.fitted


@pytest.mark.parametrize(
    ("optimizer", "more"),
    [
        ("{lr: 0.2, name: sgd, momentum: 0.5, scheduler: {name: reduce_on_plateau, patience: 0}}", ""),
        ("{lr: 0.2, name: sgd, scheduler: none}", ", keep: best"),
        ("{name: adamw, scheduler: one_cycle}", ""),
        ("{scheduler: cosine}", ", seed: 7"),
    ],
)
def test_schedules_and_the_best_weights_go_on(tmp_path: Path, optimizer: str, more: str) -> None:
    graph = spec(6, optimizer, more)
    begin(graph, tmp_path / "whole")
    interrupted_at(graph, tmp_path / "resumed", 3)
    go_on(graph, tmp_path / "resumed")
    assert_same_runs(tmp_path / "whole", tmp_path / "resumed")


def test_a_run_may_be_interrupted_more_than_once_and_before_its_first_epoch_is_over(tmp_path: Path) -> None:
    graph = spec(5, text=SELECTION)
    begin(graph, tmp_path / "whole")
    killed_at(graph, tmp_path / "again", 0)
    config = make_config(graph.spec)
    config.trainer.callbacks = [At(2, interrupt)]
    with pytest.raises(KeyboardInterrupt):
        train(graph, MemoryScene(), config, resume=tmp_path / "again")
    done = go_on(graph, tmp_path / "again")
    assert_same_runs(tmp_path / "whole", tmp_path / "again")
    assert [entry["epoch"] for entry in done.facts["resumed"]] == [0, 2]


def test_early_stopping_keeps_its_patience(tmp_path: Path) -> None:
    stop = ", callbacks: [{type: EarlyStopping, monitor: val/loss/total, mode: max, patience: 3}]"
    trainer = f"training: {{trainer: {{max_epochs: 20, accelerator: cpu{stop}}}, optimizer: {{lr: 0.01}}}}"
    graph = typed(f"{ANOMALY}\n{trainer}\n")
    train(graph, MemoryScene(), run_dir=tmp_path / "whole")
    config = make_config(graph.spec)
    config.trainer.callbacks = [*config.trainer.callbacks, At(2, interrupt)]
    with pytest.raises(KeyboardInterrupt):
        train(graph, MemoryScene(), config, run_dir=tmp_path / "resumed")
    go_on(graph, tmp_path / "resumed")
    assert_same_runs(tmp_path / "whole", tmp_path / "resumed")


def test_without_a_checkpoint_a_run_starts_from_the_beginning(tmp_path: Path) -> None:
    class Broken(MemoryScene):
        def train_dataloader(self) -> Any:
            raise DataError("the disk was away")

    graph = spec(2)
    begin(graph, tmp_path / "whole")
    with pytest.raises(DataError):
        train(graph, Broken(), run_dir=tmp_path / "resumed")
    done = go_on(graph, tmp_path / "resumed")
    assert_same_runs(tmp_path / "whole", tmp_path / "resumed")
    assert "error" not in done.facts


@pytest.mark.parametrize("optimizer", ["{lr: 0.01}", "{lr: 0.01, scheduler: none}"])
def test_a_finished_run_goes_on_to_more_epochs(tmp_path: Path, optimizer: str) -> None:
    begin(spec(6, optimizer), tmp_path / "whole")
    begin(spec(3, optimizer), tmp_path / "resumed")
    go_on(spec(6, optimizer), tmp_path / "resumed")
    assert_same_runs(tmp_path / "whole", tmp_path / "resumed")
    assert (
        (tmp_path / "resumed" / "spec.yaml")
        .read_text()
        .startswith("# from epoch 4: training.trainer.max_epochs=6\n")
    )


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_more_epochs_plan_the_rest_of_a_schedule_anew(tmp_path: Path, scheduler: str) -> None:
    optimizer = f"{{lr: 0.001, scheduler: {scheduler}}}"
    begin(spec(6, optimizer), tmp_path / "whole")
    begin(spec(3, optimizer), tmp_path / "resumed")
    go_on(spec(6, optimizer), tmp_path / "resumed")
    rates = [
        [line["value"] for line in logged(tmp_path / name) if line["name"] == "lr" and line["epoch"] >= 3]
        for name in ("whole", "resumed")
    ]
    assert len(rates[0]) == 3
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-6)


def test_a_finished_run_says_so_and_stays_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begin(spec(2), tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with caplog.at_level("INFO", logger="cuvisc"):
        done = go_on(spec(2), tmp_path)
    assert caplog.messages == [
        f"{tmp_path} is finished; to go on, raise training.trainer.max_epochs",
    ]
    assert done.module.fitted
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


def test_no_pickle_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    interrupted_at(spec(3), tmp_path, 1)
    for name in ("torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler"):
        monkeypatch.setattr(name, refuse)
    assert go_on(spec(3), tmp_path).facts["status"] == "finished"


def test_what_was_begun_with_another_torch_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    interrupted_at(spec(3), tmp_path, 1)
    facts = json.loads((tmp_path / "run.json").read_text())
    now, facts["versions"]["torch"] = facts["versions"]["torch"], "2.0.0"
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with caplog.at_level("INFO", logger="cuvisc"):
        go_on(spec(3), tmp_path)
    assert caplog.messages[:2] == [
        (
            f"Resuming {tmp_path} after epoch 1 from its own checkpoints/resume.safetensors "
            "(plain tensors and numbers, no pickle)"
        ),
        f"{tmp_path} was begun with torch 2.0.0, this is {now}: numbers may differ from here on",
    ]


def test_another_spec_is_refused_with_every_difference(tmp_path: Path) -> None:
    interrupted_at(spec(3), tmp_path, 1)
    before = (tmp_path / "run.json").read_bytes()
    other = spec(5, "{lr: 0.5}", text=ANOMALY.replace("n_components: 3", "n_components: 2"))
    with pytest.raises(SpecError) as caught:
        go_on(other, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} cannot be resumed with another spec: `nodes.pca.n_components` is 2, was 3; "
        "`training.optimizer.lr` is 0.5, was 0.01. Start a new run for that; what may change is "
        "training.trainer.max_epochs, training.trainer.max_time, training.trainer.enable_progress_bar, "
        "training.trainer.profiler, training.cache, datamodule.num_workers, datamodule.data_dir, monitoring"
    )
    assert (tmp_path / "run.json").read_bytes() == before


def test_epochs_that_are_over_cannot_be_taken_back(tmp_path: Path) -> None:
    interrupted_at(spec(5), tmp_path, 3)
    with pytest.raises(SpecError) as caught:
        go_on(spec(2), tmp_path)
    assert str(caught.value) == (
        f"training.trainer.max_epochs is 2, but 3 epochs of {tmp_path} are over already"
    )
    assert go_on(spec(3), tmp_path).facts["epochs"] == 3


def test_the_state_of_another_run_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    interrupted_at(spec(3), tmp_path / "one", 1)
    interrupted_at(spec(3), tmp_path / "other", 1)
    state = tmp_path / "one" / CHECKPOINTS / STATE
    state.write_bytes((tmp_path / "other" / CHECKPOINTS / STATE).read_bytes())
    with pytest.raises(DataError) as caught:
        go_on(spec(3), tmp_path / "one")
    assert str(caught.value) == (
        f"{state} was written by another run; a run resumes from its own checkpoint only"
    )
    state.write_bytes(state.read_bytes()[:-10])
    with pytest.raises(DataError) as caught:
        go_on(spec(3), tmp_path / "one")
    assert str(caught.value) == f"{state} cannot be read: it is damaged"


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"run": None}, "cannot be read: it is damaged"),
        ({"epochs": "3"}, "cannot be read: it is damaged"),
        ({"logged": []}, "cannot be read: it is damaged"),
        ({"format": 0}, "was not written by this version of cuvisc"),
    ],
)
def test_an_edited_state_is_refused(tmp_path: Path, change: dict[str, Any], fact: str) -> None:
    interrupted_at(spec(3), tmp_path, 1)
    state = tmp_path / CHECKPOINTS / STATE
    whole = unpack(state.read_bytes())
    state.write_bytes(pack({**whole, OWN: {**whole[OWN], **change}}))
    with pytest.raises(DataError) as caught:
        go_on(spec(3), tmp_path)
    assert str(caught.value) == f"{state} {fact}"


def test_a_run_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    interrupted_at(spec(3), tmp_path, 1)
    with locked(tmp_path), pytest.raises(SpecError) as caught:
        go_on(spec(3), tmp_path)
    assert str(caught.value) == f"{tmp_path} is being written by another process"


def test_what_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        go_on(spec(3), tmp_path)
    assert str(caught.value) == f"{tmp_path} is no run folder: it holds no run.json"
    trial = TrainingConfig(trainer={"fast_dev_run": True, "accelerator": "cpu"})
    graph = typed(ANOMALY)
    train(graph, MemoryScene(), trial, run_dir=tmp_path / "trial")
    with pytest.raises(SpecError) as refused:
        go_on(graph, tmp_path / "trial")
    assert str(refused.value) == (
        f"{tmp_path / 'trial'} is a trial (fast_dev_run), which keeps nothing that could be resumed"
    )
    with pytest.raises(SpecError) as refused:
        train(graph, MemoryScene(), resume=tmp_path, run_dir=tmp_path)
    assert str(refused.value) == "a run is resumed in its own folder; leave out `run_dir`"


def test_statistics_alone_are_finished_or_begun_anew(tmp_path: Path) -> None:
    graph = spec(0, text=FROZEN)
    first = begin(graph, tmp_path)
    again = go_on(graph, tmp_path)
    cube = torch.from_numpy(MemoryScene().cubes)
    assert torch.equal(first.module(cube)["rx.scores"], again.module(cube)["rx.scores"])


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / STATE
    RunCheckpoints({}).save_checkpoint({"epoch": 1}, path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(DataError) as caught:
        RunCheckpoints({}).save_checkpoint({"epoch": 2}, path)
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [STATE]


def test_a_callback_whose_state_is_not_plain_makes_a_run_that_cannot_be_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {"seen": {1, 2}}

    Odd.__qualname__ = "Odd"
    begin(spec(2), tmp_path, Odd())
    assert [message for message in caplog.messages if "resumed" in message] == [
        "resume.safetensors is not written, so this run cannot be resumed: `callbacks/Odd/seen` is a set"
    ]
    assert not (tmp_path / CHECKPOINTS / STATE).exists()
