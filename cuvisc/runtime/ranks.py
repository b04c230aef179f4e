"""The processes of a distributed run: who this one is, and one value from each of them."""

from __future__ import annotations

import os
import sys
from typing import TypeVar

T = TypeVar("T")


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


def is_first() -> bool:
    """Whether this process speaks and writes for all; Lightning tells the processes it starts by LOCAL_RANK."""
    rank, world = rank_and_world()
    return rank == 0 if world > 1 else int(os.environ.get("LOCAL_RANK", "0")) == 0
