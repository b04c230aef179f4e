"""What a data loader, Lightning or a full memory raised to one error that says so, where the user can mend it.

Processes that load data put a whole traceback into theirs.
"""

from __future__ import annotations

import re
import traceback

from cuvisc.schema.errors import CuviscError, DataError, DeviceError, SpecError

_LOADING = "torch.utils.data."
_GONE = ("Connection closed by peer", "Connection reset by peer", "NCCL communicator was aborted")
_FULL = ("DefaultCPUAllocator: can't allocate memory", "CUDA out of memory")
_WANTED = re.compile(r"(?:tried|unable) to allocate ([\d.]+ \w+)", re.IGNORECASE)
_ANOMALY = re.compile(r"Function '(\w+)' returned nan values")
_LIGHTNING = ("lightning.pytorch.", "lightning.fabric.")
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


def process_fault(error: BaseException) -> DeviceError | None:
    """The error of a process that waited for another one which is gone, None when an exception is anything else."""
    if not isinstance(error, RuntimeError) or not any(text in str(error) for text in _GONE):
        return None
    return DeviceError(
        "another process of this training has ended, and this one cannot go on alone; what it printed says why"
    )


def memory_fault(error: BaseException, remedy: str = "") -> DeviceError | None:
    """The error of a memory that is full, of a machine or its GPU, None when an exception is anything else.

    NumPy, torch and CUDA each have their own.
    """
    fact = str(error)
    full = isinstance(error, RuntimeError) and any(text in fact for text in _FULL)
    if not full and not isinstance(error, MemoryError):
        return None
    where, wanted = "the GPU" if "CUDA" in fact else "this machine", _WANTED.search(fact)
    more = f": {wanted.group(1)} more are wanted" if wanted is not None else ""
    return DeviceError(f"the memory of {where} is full{more}{remedy}")


def option_fault(error: BaseException) -> SpecError | None:
    """The refusal of the training's options that an exception is, None when it is anything else.

    Lightning looks at some only when it comes to them: its own class says so, or that it was itself that raised.
    """
    if not isinstance(error, Exception) or isinstance(error, CuviscError):
        return None
    anomaly = _ANOMALY.match(str(error))
    if anomaly is not None:
        return SpecError(
            f"training.trainer.detect_anomaly: {anomaly.group(1)} made a gradient NaN: training has diverged; lower "
            "training.optimizer.lr, or set training.trainer.gradient_clip_val to 1.0"
        )
    refused = type(error).__name__ == "MisconfigurationException"
    if not refused and not (isinstance(error, (ValueError, RuntimeError)) and _raised_by_lightning(error)):
        return None
    return SpecError(
        f"training.trainer: Lightning refuses its options or callbacks: {' '.join(str(error).split())}"
    )


def _raised_by_lightning(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__", "")).startswith(_LIGHTNING)


def _while_loading(error: Exception) -> bool:
    """Whether the exception passed through torch's data loader."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(str(frame.f_globals.get("__name__", "")).startswith(_LOADING) for frame in frames)
