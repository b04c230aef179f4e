"""Which of many steps deserve a line where nobody watches a bar: few, and never a long silence. Pure Python."""

from __future__ import annotations

import time
from collections.abc import Callable

_PARTS = 10
_SILENCE = 60.0


class Pace:
    """The first step, the last, one in every tenth of the way, and one a minute however slow they are.

    Without a known end, a step is told when twice as many are done as at the line before.
    """

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock = total, clock
        self._told, self._at = 0, -_SILENCE

    def due(self, step: int) -> bool:
        """Whether to tell of this step, counted from 1; if so, it counts as told."""
        if self._total is None:
            turn = step >= 2 * self._told
        else:
            turn = step >= self._total or step * _PARTS // self._total > self._told * _PARTS // self._total
        if not (turn or self._told == 0 or self._clock() - self._at >= _SILENCE):
            return False
        self._told, self._at = step, self._clock()
        return True

    @property
    def told(self) -> int:
        """The step told last, 0 before the first."""
        return self._told
