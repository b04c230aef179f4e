"""What a data loader raised to one error that says so; processes that load data put a whole traceback into theirs."""

from __future__ import annotations

import re
import traceback

from cuvisc.schema.errors import CuviscError, DataError

_LOADING = "torch.utils.data."
_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.")


def data_fault(error: BaseException) -> DataError | None:
    """The data error that an exception is, None when it was raised elsewhere or says what is wrong by itself."""
    if not isinstance(error, Exception):
        return None
    kind, fact = type(error).__name__, str(error)
    worker = _WORKER.match(fact)
    if worker is not None:
        kind = worker.group(1)
        fact = [line for line in fact.splitlines() if line.strip()][-1].partition(": ")[2]
        if kind == DataError.__name__:
            return DataError(fact)
    elif isinstance(error, CuviscError) or not _while_loading(error):
        return None
    return DataError(
        f"the data cannot be loaded: {kind}: {fact}" if fact else f"the data cannot be loaded: {kind}"
    )


def _while_loading(error: Exception) -> bool:
    """Whether the exception passed through torch's data loader."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__", "")).startswith(_LOADING) for frame in frames)
