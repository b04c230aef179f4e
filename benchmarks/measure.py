"""Contenders to seconds: every result is checked before it is timed, then all take turns, round after round.

Seconds are CPU time of the process, which a busy machine disturbs least; the median of the rounds counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Contender:
    """One way to do the work: ``run`` does it once and returns what is compared with ``expected``.

    Without ``run`` it is absent, for the reason in ``note``.
    """

    name: str
    run: Callable[[], Any] | None
    expected: NDArray[Any] | None
    note: str = ""


@dataclass
class Timing:
    """Seconds of every round, and the largest relative difference from the float64 reference."""

    name: str
    seconds: list[float] = field(default_factory=list)
    error: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else 0.0

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, as a share of the median."""
        if not self.median:
            return 0.0
        low, high = np.percentile(self.seconds, [25, 75])
        return float((high - low) / 2 / self.median)


@dataclass
class Work:
    """What is to be done, its size, the float64 result, and the GB read and GFLOP computed at the least.

    ``scores`` makes of what a contender returns what is compared, and takes no part in its time.
    """

    name: str
    title: str
    pixels: int
    bands: int
    expected: NDArray[Any]
    gigabytes: float = 0.0
    gflop: float = 0.0
    contenders: list[Contender] = field(default_factory=list)
    cube: NDArray[Any] = field(default_factory=lambda: np.zeros((1, 1, 1, 1), np.float32))
    scores: Callable[[Any], NDArray[Any]] = np.asarray

    def add(self, name: str, run: Callable[[], Any] | None, *, checked: bool = True, note: str = "") -> None:
        """Let another take part; what gives no scores is not checked."""
        self.contenders.append(Contender(name, run, self.expected if checked else None, note))


def relative_error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Largest difference relative to the value expected, or to the median one where that is larger."""
    found, expected = np.asarray(found, np.float64).ravel(), np.asarray(expected, np.float64).ravel()
    if found.shape != expected.shape:
        raise ValueError(f"{found.shape} values instead of {expected.shape}")
    scale = np.maximum(np.abs(expected), np.median(np.abs(expected)))
    return float(np.max(np.abs(found - expected) / np.where(scale > 0, scale, 1.0)))


def measure(work: Work, rounds: int) -> list[Timing]:
    """Check and warm every contender, then time them in turn."""
    timings = []
    for contender in work.contenders:
        found = contender.run() if contender.run else None
        timing = Timing(contender.name, note=contender.note)
        if contender.expected is not None and found is not None:
            timing.error = relative_error(work.scores(found), contender.expected)
        timings.append(timing)
    take_turns([(c.run, t) for c, t in zip(work.contenders, timings, strict=True) if c.run], rounds)
    return timings


def take_turns(pairs: Sequence[tuple[Callable[[], Any], Timing]], rounds: int) -> None:
    """Time each once a round."""
    for _ in range(rounds):
        for run, timing in pairs:
            started = time.process_time()
            run()
            timing.seconds.append(time.process_time() - started)
