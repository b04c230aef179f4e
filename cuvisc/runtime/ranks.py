"""The processes of a distributed run: who this one is, and values from each of them or from the first.

Before the processes have met, what started them says which is the first, in the order in which Lightning asks:
torchrun, SLURM, LSF, MPI, then Lightning itself or whoever does its work. Never torch where nobody else has
imported it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeVar

T = TypeVar("T")
TORCHRUN = "TORCHELASTIC_RUN_ID"
_MPI_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK")


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) outside a distributed run."""
    if "torch" in sys.modules:
        from torch import distributed

        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gather(own: T | None) -> list[T]:
    """The values of all ranks that have one, in order of rank, on every rank."""
    _, world = rank_and_world()
    found: list[T | None] = [own] * world
    if world > 1:
        from torch import distributed

        distributed.all_gather_object(found, own)
    return [value for value in found if value is not None]


def shared(make: Callable[[], T]) -> T:
    """What the first process makes, on every one of them. Every process must call it."""
    rank, world = rank_and_world()
    held = [make() if rank == 0 else None]
    if world > 1:
        from torch import distributed

        distributed.broadcast_object_list(held, 0)
    return held[0]  # type: ignore[return-value] # the first process made one


def is_first() -> bool:
    """Whether this process speaks and writes for all."""
    rank, world = rank_and_world()
    return rank == 0 if world > 1 else _was_started_first()


def is_task() -> bool:
    """Whether this is a task of a SLURM job, of which each may train alone or all together."""
    return TORCHRUN not in os.environ and _of_slurm() and rank_and_world()[1] == 1


def _was_started_first() -> bool:
    environment = os.environ
    if TORCHRUN in environment:
        return environment["RANK"] == "0"
    if _of_slurm():
        return environment.get("SLURM_PROCID", "0") == "0"
    if "JSM_NAMESPACE_RANK" in environment:
        return environment["JSM_NAMESPACE_RANK"] == "0"
    # Without mpi4py Lightning does not look for MPI.
    ranks = [environment[name] for name in _MPI_RANKS if name in environment]
    if ranks and find_spec("mpi4py") is not None:
        return ranks[0] == "0"
    node = environment.get("NODE_RANK", environment.get("GROUP_RANK", "0"))
    return environment.get("LOCAL_RANK", "0") == "0" and node == "0"


def _of_slurm() -> bool:
    """Whether SLURM starts the processes; in an interactive job Lightning does."""
    return "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
