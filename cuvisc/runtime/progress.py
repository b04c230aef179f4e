"""Progress on stderr: bars where a person looks, lines through the logger `cuvisc` everywhere else."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from cuvisc.runtime.ranks import is_first

log = logging.getLogger("cuvisc")
T = TypeVar("T")


def bars_wanted() -> bool:
    """Whether a progress bar would be seen: stderr is a terminal, not of a CI machine, and nobody asked for quiet."""
    return sys.stderr.isatty() and not os.environ.get("CI") and log.level <= logging.INFO


def follow(steps: Iterable[T], text: str, shown: bool, total: int | None = None) -> Iterator[T]:
    """The steps, with a bar that is gone when they are done; `total` is their number where they do not know it."""
    if not shown:
        yield from steps
        return
    from rich.console import Console
    from rich.progress import track

    if total is None and isinstance(steps, Sized):
        total = len(steps)
    yield from track(steps, text, total=total, console=Console(stderr=True), transient=True)


@contextmanager
def timed(text: str, *values: object) -> Iterator[None]:
    """Tell those who asked for more how long a block took."""
    started = time.perf_counter()
    yield
    log.debug(f"{text}: %.2f s", *values, time.perf_counter() - started)


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment: a progress bar puts lines above itself by replacing it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201 - this is the one place that speaks


@contextmanager
def spoken(level: int = logging.INFO, *, always: bool = False) -> Iterator[None]:
    """Let the messages of a run reach stderr as `[INFO] …`; a program that handles logs itself gets them its own way.

    The command line is no such program: it speaks `always`.
    """
    if not is_first():
        level = logging.ERROR
    if log.hasHandlers() and not always:
        yield
        return
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
    before = log.level
    if not any(isinstance(known, _Stderr) for known in log.handlers):
        log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
