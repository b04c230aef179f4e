"""A training on two processes: it logs and learns what one process does, in one folder, whatever started them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from two_processes import facts_of, trained

TESTS = Path(__file__).parents[1]
PROGRAM = TESTS / "two_processes.py"


def start(
    folder: Path, *arguments: object, program: Path | None = None, **variables: object
) -> subprocess.Popen[str]:
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "NODE_RANK")},
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        "OMP_NUM_THREADS": "1",
        **{name: str(value) for name, value in variables.items()},
    }
    run = [program] if program is not None else [PROGRAM, folder / "result"]
    command = [sys.executable, *map(str, [*run, *arguments])]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def results(folder: Path, processes: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), errors
    return [json.loads((folder / f"result.{rank}.json").read_text()) for rank in (0, 1)]


def test_two_processes_log_and_learn_what_one_does(tmp_path: Path) -> None:
    first, second = results(tmp_path, [start(tmp_path, 2, 1, "five", "two", "one")])
    assert first["process"] != second["process"]
    for case in ("five", "two", "one"):
        assert {**first[case], "components": 0} == {**second[case], "components": 0}
        alone = facts_of(trained(case, folder=tmp_path / case))
        assert (first[case]["status"], first[case]["seen"]) == ("finished", True)
        assert first[case]["metrics"] == pytest.approx(alone["metrics"], rel=2e-4, abs=1e-6)
        for row, other, expected in zip(
            first[case]["components"], second[case]["components"], alone["components"], strict=True
        ):
            assert row == other
            assert row == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert len(list((tmp_path / "runs" / "small").iterdir())) == 3


def launched_by(name: str, rank: int, port: int) -> dict[str, object]:
    """What a launcher tells the process of this rank; two machines of torchrun, two tasks of SLURM."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    if name == "torchrun":
        started = {"RANK": rank, "LOCAL_RANK": 0, "GROUP_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1}
        return {**meeting, **started, "TORCHELASTIC_RUN_ID": "none"}
    task = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NODEID": 0, "SLURM_NTASKS": 2}
    job = {"SLURM_NTASKS_PER_NODE": 2, "SLURM_NNODES": 1, "SLURM_JOB_NAME": "job", "SLURM_JOB_ID": 1}
    return {**meeting, **task, **job}


@pytest.mark.parametrize(("launcher", "devices", "nodes"), [("torchrun", 1, 2), ("slurm", 2, 1)])
def test_processes_started_from_outside_train_in_one_folder(
    launcher: str, devices: int, nodes: int, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [start(tmp_path, devices, nodes, "one", **launched_by(launcher, rank, port)) for rank in (0, 1)]
    first, second = results(tmp_path, both)
    assert {**first, "process": 0} == {**second, "process": 0}
    assert (first["one"]["status"], first["one"]["seen"]) == ("finished", True)
    [folder] = (tmp_path / "runs" / "small").iterdir()
    assert first["one"]["folder"] == f"runs/small/{folder.name}"


TOLD_TO_END = """
import os, signal, sys
from lightning.pytorch import Callback
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene
from cuvisc.cli.answers import run_script
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.training import train

class End(Callback):
    def on_before_backward(self, trainer, *_):
        if trainer.current_epoch == 1 and trainer.global_rank == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGTERM)

def main(arguments):
    options = {"max_epochs": 3, "accelerator": "cpu", "devices": 2, "callbacks": [End()]}
    train(typed(ANOMALY), MemoryScene(), TrainingConfig(trainer=options))

run_script(main)
"""


@pytest.mark.parametrize(("told", "code", "status"), [(0, 130, "interrupted"), (1, 5, "failed")])
def test_one_process_that_is_told_to_end_ends_all(tmp_path: Path, told: int, code: int, status: str) -> None:
    (tmp_path / "program.py").write_text(TOLD_TO_END)
    process = start(tmp_path, told, program=tmp_path / "program.py")
    try:
        said = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert (process.returncode, "interrupted" in said) == (code, True), said
    [folder] = (tmp_path / "runs").glob("*/*")
    assert json.loads((folder / "run.json").read_text())["status"] == status
