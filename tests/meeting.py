"""A job of a sweep that can only end while another one runs; imports little, because worker processes import it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path


class Meeting:
    """Two jobs open one pipe, one to read and one to write: each waits for the other."""

    def __init__(self, pipe: Path) -> None:
        self.pipe = pipe

    def __call__(self, folder: Path, overrides: Sequence[str]) -> float:
        signal.alarm(60)
        with self.pipe.open("r" if overrides == ["side=read"] else "w"):
            signal.alarm(0)
        (folder / "met").touch()
        return 0.0
