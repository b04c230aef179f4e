"""Frame ids to training, validation and test, in an order that keeps what was taken together together. Pure Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

from cuvisc.runtime.data.datamodule import Stage

GROUP = 4
_HELD_OUT = 0.15


def split(
    ids: Sequence[int],
    train: Sequence[int] | None = None,
    val: Sequence[int] | None = None,
    test: Sequence[int] | None = None,
) -> Mapping[Stage, tuple[int, ...]]:
    """The ids of every stage; an empty stage has no frames of its own.

    With no list given, consecutive groups of four go 70 % to training, then 15 % each to validation and test; with
    fewer than three groups, single frames do. Given lists are taken as they are, and training gets what is left.
    """
    if train is None and val is None and test is None:
        size = GROUP if len(ids) > 2 * GROUP else 1
        groups = [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]
        held = max(1, round(len(groups) * _HELD_OUT))
        tests = held if len(groups) > 2 else 0
        vals = held if len(groups) > 1 else 0
        bounds = (0, len(groups) - vals - tests, len(groups) - tests, len(groups))
        stages = [tuple(chain.from_iterable(groups[a:b])) for a, b in pairwise(bounds)]
        return {"train": stages[0], "val": stages[1], "test": stages[2]}
    elsewhere = {*(val or ()), *(test or ())}
    rest = [i for i in ids if i not in elsewhere] if train is None else train
    return {"train": tuple(rest), "val": tuple(val or ()), "test": tuple(test or ())}
