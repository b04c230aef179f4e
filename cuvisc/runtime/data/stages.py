"""Names of files or blocks to training, validation and test, by a seed. Pure Python."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cuvisc.runtime.data.datamodule import Stage


def deal(names: Sequence[str], val: float, test: float, seed: int) -> Mapping[str, Stage]:
    """The stage of every name: shares of `val` and `test`, the rest for training.

    The order is that of SHA-256 of seed and name, the same on every machine. A share above 0 is one name at least.
    Raises ValueError when there are fewer names than stages.
    """
    wanted = 1 + (val > 0) + (test > 0)
    if len(names) < wanted:
        raise ValueError(f"{len(names)} cannot be dealt to {wanted} stages")
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    counts = {
        stage: max(1, round(share * len(names))) if share else 0
        for stage, share in (("val", val), ("test", test))
    }
    while sum(counts.values()) >= len(names):
        counts[max(counts, key=counts.__getitem__)] -= 1
    first, second = counts["val"], counts["val"] + counts["test"]
    stages: dict[str, Stage] = {}
    for place, name in enumerate(order):
        stages[name] = "val" if place < first else "test" if place < second else "train"
    return stages
