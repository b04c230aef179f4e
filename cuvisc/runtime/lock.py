"""One process at a time in a folder, where the system can: the lock is gone with the process, however it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from cuvisc.runtime.progress import log
from cuvisc.schema.errors import SpecError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder while this one writes into it.

    Raises :class:`SpecError` when another one is in it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SpecError(f"{path} is being written by another process") from None
        except OSError:
            log.debug("%s cannot be locked", path)
        yield
    finally:
        os.close(descriptor)
