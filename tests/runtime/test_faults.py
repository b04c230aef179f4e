"""However a run ends before its time, one error says why and the folder is one that can be gone on with."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, MemoryScene, scene

from cuvisc.cli.app import main
from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.components import make_config
from cuvisc.runtime.epoch_state import STATE
from cuvisc.runtime.faults import data_fault
from cuvisc.runtime.run_folder import CHECKPOINTS
from cuvisc.runtime.training import train
from cuvisc.schema.errors import DataError, DeviceError

GRAPH = f"{ANOMALY}\ntraining: {{trainer: {{max_epochs: 4, accelerator: cpu}}}}\n"


class Faulty(MemoryScene):
    """Samples of which one cannot be had."""

    def __init__(self, fault: Callable[[], Any], **params: Any) -> None:
        super().__init__(**params)
        self.fault = fault

    def samples(self, stage: Any) -> Any:
        held, fault = super().samples(stage), self.fault

        class Samples(torch.utils.data.Dataset[Any]):
            def __len__(self) -> int:
                return len(held)

            def __getitem__(self, index: int) -> Any:
                return fault() if index == 3 else held[index]

        return Samples()


def raises(error: Exception) -> Callable[[], Any]:
    def fault() -> Any:
        raise error

    return fault


@pytest.mark.parametrize(
    ("workers", "fault", "message"),
    [
        (0, raises(DataError("scene.npz is damaged")), "scene.npz is damaged"),
        (1, raises(DataError("scene.npz is damaged")), "scene.npz is damaged"),
        (
            0,
            raises(OSError(5, "the disk went away")),
            "the data cannot be loaded: OSError: [Errno 5] the disk went away",
        ),
        (0, raises(KeyError("mask")), "the data cannot be loaded: KeyError: 'mask'"),
        (0, raises(AssertionError()), "the data cannot be loaded: AssertionError"),
    ],
)
def test_a_sample_that_cannot_be_loaded_is_one_data_error(
    tmp_path: Path, workers: int, fault: Callable[[], Any], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        train(typed(GRAPH), Faulty(fault, num_workers=workers), run_dir=tmp_path)
    assert str(caught.value) == message
    facts = json.loads((tmp_path / "run.json").read_text())
    assert (facts["status"], facts["error"]) == ("failed", {"type": "DataError", "message": message})


@pytest.mark.parametrize(
    ("error", "line", "message"),
    [
        (OSError, "OSError: [Errno 5] gone", "the data cannot be loaded: OSError: [Errno 5] gone"),
        (AssertionError, "AssertionError", "the data cannot be loaded: AssertionError"),
        (DataError, "cuvisc.schema.errors.DataError: a.npz: no cube", "a.npz: no cube"),
    ],
)
def test_the_traceback_of_another_process_is_left_out(
    error: type[Exception], line: str, message: str
) -> None:
    trace = f'Original Traceback (most recent call last):\n  File "a.py", line 1, in f\n{line}\n'
    found = data_fault(error(f"Caught {error.__name__} in DataLoader worker process 0.\n{trace}"))
    assert str(found) == message


@pytest.mark.parametrize(
    ("allocate", "message"),
    [
        (lambda: np.empty(2**60, np.uint8), "the memory of this machine is full: 1.00 EiB more are wanted"),
        (
            lambda: torch.empty(2**60, dtype=torch.uint8),
            "the memory of this machine is full: 1152921504606846976 bytes more are wanted",
        ),
        (raises(MemoryError()), "the memory of this machine is full"),
        (
            raises(
                torch.OutOfMemoryError(
                    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total of 8"
                )
            ),
            "the memory of the GPU is full: 2.50 GiB more are wanted",
        ),
    ],
)
@pytest.mark.parametrize("place", ["samples", "optimizer"])
def test_a_full_memory_is_an_error_of_the_device(
    tmp_path: Path, allocate: Callable[[], Any], message: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Faulty(allocate) if place == "samples" else MemoryScene()
    if place == "optimizer":
        monkeypatch.setattr(torch.optim.Adam, "step", lambda *_, **__: allocate())
    with pytest.raises(DeviceError) as caught:
        train(typed(GRAPH), data, run_dir=tmp_path)
    whole = f"{message}; lower datamodule.batch_size, or train on tiles of the images (CubeFolder)"
    assert str(caught.value) == whole
    facts = json.loads((tmp_path / "run.json").read_text())
    assert (facts["status"], facts["error"]) == ("failed", {"type": "DeviceError", "message": whole})


def test_what_was_raised_elsewhere_is_no_data_error() -> None:
    assert data_fault(ValueError("mine")) is None
    assert data_fault(KeyboardInterrupt()) is None


def test_samples_that_do_not_fit_into_one_batch_are_a_data_error(tmp_path: Path) -> None:
    def other() -> Any:
        return {"cube": torch.zeros(3, 3, 6), "mask": torch.zeros(3, 3)}

    with pytest.raises(DataError) as caught:
        train(typed(GRAPH), Faulty(other), run_dir=tmp_path)
    assert str(caught.value) == (
        "the data cannot be loaded: RuntimeError: stack expects each tensor to be equal size, "
        "but got [12, 12, 6] at entry 0 and [3, 3, 6] at entry 1"
    )


def test_a_place_that_cannot_be_written_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError) as caught:
        train(typed(GRAPH), MemoryScene(), run_dir=tmp_path / "file" / "run")
    assert str(caught.value) == f"cannot make the run folder {tmp_path / 'file' / 'run'}: Not a directory"


class FullDisk(Callback):
    """From an epoch on no file may grow beyond a size."""

    def __init__(self, epoch: int, size: int) -> None:
        self.epoch, self.size = epoch, size

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))


def in_a_process(work: Callable[[], str]) -> str:
    """What a process of its own has to say."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def refusal_on_a_full_disk(graph: TypedGraph, folder: Path, size: int) -> str:
    config = make_config(graph.spec)
    config.trainer.callbacks = [FullDisk(1, size)]
    try:
        train(graph, MemoryScene(), config, run_dir=folder)
    except DataError as error:
        return str(error)
    return "nothing"


@pytest.mark.parametrize(
    ("size", "status", "file"),
    [(12_000, "failed", STATE), (0, "running", "best.ckpt")],
    ids=["only what is small can be written", "nothing can be written"],
)
def test_a_full_disk_ends_a_run_that_can_be_resumed(
    tmp_path: Path, size: int, status: str, file: str
) -> None:
    graph = typed(GRAPH)
    train(graph, MemoryScene(), run_dir=tmp_path / "whole")
    folder = tmp_path / "full"
    said = in_a_process(lambda: refusal_on_a_full_disk(graph, folder, size))
    assert said == f"cannot write {folder / CHECKPOINTS / file}: File too large"
    assert json.loads((folder / "run.json").read_text())["status"] == status
    assert not [left for left in folder.rglob(".*") if left.is_file()]
    train(graph, MemoryScene(), resume=folder)
    weights = [place / "weights.safetensors" for place in (folder, tmp_path / "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def command_line(arguments: list[str], place: Path, stderr: int) -> None:
    """The command line as the main program of a process, which ends by itself where nobody interrupts it."""
    signal.alarm(300)
    os.chdir(place)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv, sys.stderr = ["cuvisc", *arguments], os.fdopen(stderr, "w", buffering=1)
    try:
        main()
    except SystemExit as left:
        sys.stderr.flush()
        os._exit(int(left.code or 0))
    finally:
        os._exit(99)


def test_ctrl_c_leaves_with_130_and_a_run_that_can_be_resumed(tmp_path: Path) -> None:
    cubes, masks = scene()
    np.savez(tmp_path / "scene.npz", cube=cubes[0], mask=masks[0])
    (tmp_path / "small.yaml").write_text(
        f"{ANOMALY}datamodule: {{type: CubeFiles, train: [scene.npz]}}\n"
        "training: {trainer: {max_epochs: 1000, accelerator: cpu}}\n"
    )
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        command_line(["train", "small.yaml", "-o", "run"], tmp_path, writing)
    os.close(writing)
    with os.fdopen(reading) as stderr:
        said = []
        for line in stderr:
            said.append(line)
            if "Epoch 100/" in line:
                os.kill(child, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    assert said[-2:] == [
        "[INFO] To go on after the last whole epoch: cuvisc train --resume run\n",
        "interrupted\n",
    ]
    assert not [line for line in said if "Traceback" in line]
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["status"] == "interrupted"
    assert (tmp_path / "run" / CHECKPOINTS / STATE).is_file()
