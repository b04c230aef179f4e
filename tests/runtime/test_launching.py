"""Which process is the first, which samples are its own, and launches that do not fit the options."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from cuvisc.runtime.config import TrainerConfig
from cuvisc.runtime.faults import process_fault
from cuvisc.runtime.launching import device_count, refuse_forks, refuse_other_launch, writes
from cuvisc.runtime.ranks import is_first
from cuvisc.runtime.shares import EachOnce, stands_in
from cuvisc.schema.errors import SpecError

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
SLURM = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "job"}


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({**TORCHRUN, "RANK": "0", "LOCAL_RANK": "0"}, True),
        ({**TORCHRUN, "RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({**SLURM, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, True),
        ({**SLURM, "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}, False),
        ({**SLURM, "SLURM_PROCID": "0", **TORCHRUN, "RANK": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "bash", "SLURM_PROCID": "1"}, True),
        ({"JSM_NAMESPACE_RANK": "1"}, False),
    ],
)
def test_the_rank_among_all_says_which_process_is_first(
    variables: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first() is first


def test_a_task_that_trains_alone_writes_its_own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SLURM, "SLURM_PROCID": "1"}.items():
        monkeypatch.setenv(name, value)
    assert writes(TrainerConfig(devices=1))
    assert not writes(TrainerConfig(devices=2))
    assert not writes(TrainerConfig(devices=1, num_nodes=2))


@pytest.mark.parametrize(
    ("devices", "count"),
    [(2, 2), (-1, None), ("auto", None), ("-1", None), ("3", 3), ("0, 1", 2), ("2,", 1), ([0, 3], 2)],
)
def test_devices_are_counted_as_lightning_reads_them(devices: Any, count: int | None) -> None:
    assert device_count(devices) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"devices": 1, "num_nodes": 2},
            (
                "torchrun started a process for each of 2 devices, and training.trainer.devices is 1: give "
                "training.trainer.devices=2"
            ),
        ),
        (
            {"devices": 2},
            (
                "torchrun started processes on 2 machines, and training.trainer.num_nodes is 1: give "
                "training.trainer.num_nodes=2"
            ),
        ),
    ],
)
def test_torchrun_and_the_options_must_name_the_same_processes(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    refuse_other_launch(TrainerConfig(devices=2, num_nodes=2))
    with pytest.raises(SpecError) as refused:
        refuse_other_launch(TrainerConfig(**options))
    assert str(refused.value) == message


@pytest.mark.parametrize("world", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("drawn", [range(10), [5, 5, 1, 9, 0, 2, 2]])
def test_every_sample_is_counted_once(drawn: Any, world: int) -> None:
    shares = [EachOnce(drawn, rank, world) for rank in range(world)]
    assert all(len(list(share)) == len(share) >= 1 for share in shares)
    counted = [index for share in shares if not share.stands_in for index in share]
    assert sorted(counted) == sorted(drawn)


def test_a_process_without_a_whole_batch_reads_one_and_does_not_count_it() -> None:
    shares = [EachOnce(range(3), rank, 2, least=2) for rank in (0, 1)]
    assert [list(share) for share in shares] == [[0, 2], [0, 1]]
    loaders = [DataLoader(torch.arange(3), batch_size=2, sampler=s, drop_last=True) for s in shares]
    assert [stands_in(loader) for loader in loaders] == [False, True]
    assert not stands_in(DataLoader(torch.arange(3)))
    assert not stands_in(None)
    assert [len(EachOnce(range(1), rank, 2, least=2)) for rank in (0, 1)] == [1, 0]


def test_a_process_that_is_left_alone_says_so() -> None:
    gloo = RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:927")
    assert str(process_fault(gloo)) == (
        "another process of this training has ended, and this one cannot go on alone; what it printed says why"
    )
    assert process_fault(RuntimeError("something else")) is None


def test_a_notebook_is_not_copied_into_several_processes() -> None:
    with pytest.raises(SpecError) as refused:
        refuse_forks(Trainer(accelerator="cpu", devices=2, strategy="ddp_fork", logger=False))
    assert str(refused.value) == (
        "training.trainer.devices: in a notebook one process trains; give devices=1, or train on several with "
        "`cuvisc train` or a script"
    )
    refuse_forks(Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False))
    refuse_forks(Trainer(accelerator="cpu", devices=1, logger=False))
