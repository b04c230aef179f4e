"""Who starts the processes of a training, and what that asks of `devices` and `num_nodes`; how they are ended."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Trainer
from torch import distributed

from cuvisc.runtime.config import TrainerConfig
from cuvisc.runtime.ranks import TORCHRUN, is_first, is_task, rank_and_world
from cuvisc.schema.errors import SpecError


def writes(options: TrainerConfig) -> bool:
    """Whether this process writes the run folder: the first one of a training does.

    Tasks of a SLURM job whose trainings take one device each are trainings of their own.
    """
    alone = device_count(options.devices) == 1 and options.num_nodes == 1
    return is_first() or (alone and is_task())


def device_count(devices: int | str | Sequence[int]) -> int | None:
    """How many devices `devices` names; None for as many as there are."""
    if isinstance(devices, str):
        if "," in devices:
            return len([index for index in devices.split(",") if index.strip()])
        return None if devices == "auto" else device_count(int(devices))
    if isinstance(devices, int):
        return None if devices == -1 else devices
    return len(devices)


def refuse_other_launch(options: TrainerConfig) -> None:
    """Raise :class:`SpecError` where torchrun has started other processes than the options name."""
    if TORCHRUN not in os.environ:
        return
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    named = device_count(options.devices)
    for name, given, started in (
        ("devices", named, local),
        ("num_nodes", options.num_nodes, max(world // local, 1)),
    ):
        if given is not None and given != started:
            what = "a process for each of" if name == "devices" else "processes on"
            things = "devices" if name == "devices" else "machines"
            raise SpecError(
                f"torchrun started {what} {started} {things}, and training.trainer.{name} is "
                f"{getattr(options, name)}: give training.trainer.{name}={started}"
            )


def refuse_lone_copies(trainer: Trainer, writing: bool) -> None:
    """Raise :class:`SpecError` for processes that would each train alone, one of them in the folder of all."""
    if trainer.world_size == 1 and not writing and rank_and_world()[1] == 1:
        raise SpecError(
            "several processes were started, and training.trainer.devices and num_nodes come to one device: give "
            "training.trainer.devices as a number"
        )


def refuse_forks(trainer: Trainer) -> None:
    """Raise :class:`SpecError` where Lightning would copy this process, as it does in a notebook."""
    if getattr(trainer.strategy.launcher, "_start_method", None) is not None:
        raise SpecError(
            "training.trainer.devices: in a notebook one process trains; give devices=1, or train on several with "
            "`cuvisc train` or a script"
        )


def part_at_exit() -> None:
    """Let processes that have met part when the program ends; torch aborts a process that is left in a group."""
    atexit.register(_part)


def _part() -> None:
    if rank_and_world()[1] > 1:
        distributed.destroy_process_group()


def meet(trainer: Trainer) -> None:
    """Let processes that were started from outside meet where Lightning does not do it."""
    environment: Any = getattr(trainer.strategy, "cluster_environment", None)
    if trainer.world_size > 1 and environment is not None and environment.creates_processes_externally:
        trainer.strategy.setup_environment()


@contextmanager
def together(trainer: Trainer) -> Iterator[None]:
    """What all processes of a training do: when it fails here, those that would wait for this one end."""
    try:
        yield
    except BaseException:
        _end_others(trainer)
        raise


def _end_others(trainer: Trainer) -> None:
    launcher: Any = trainer.strategy.launcher
    processes: list[Any] = getattr(launcher, "procs", [])
    for process in processes:
        # One that waits for others hears nothing else.
        process.kill()
    # Lightning watches these and kills this process when one of them is gone.
    processes.clear()
