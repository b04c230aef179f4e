"""A tree of plain values and tensors to the bytes of a safetensors file and back; nothing that is read can execute.

Structure, numbers and texts are JSON in the file's header, tensors are its body. None, numbers, texts, lists, tuples
and dicts come back as they were, a dict with keys of any plain kind; NumPy arrays come back as tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cuvisc.runtime.weights import metadata_of

_KEY = "cuvisc"


class NotPlainError(TypeError):
    """A value that is neither plain nor a tensor; the message says where it stands."""


class DamagedError(ValueError):
    """Bytes that `pack` did not write."""


def pack(tree: Any) -> bytes:
    """The tree as bytes, the same every time; raises :class:`NotPlainError`."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    text = json.dumps(_encode(tree, "", tensors), ensure_ascii=False, allow_nan=False)
    # One key: safetensors writes several in an order that changes from run to run.
    return save(tensors, metadata={_KEY: text})


def unpack(content: bytes) -> Any:
    """The tree that was packed, tensors on the CPU; raises :class:`DamagedError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return _decode(json.loads(metadata_of(content)[_KEY]), load(content))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, SafetensorError) as error:
        raise DamagedError(f"{type(error).__name__}: {error}") from error


def _encode(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, np.generic):
        return _encode(value.item(), place, tensors)
    if isinstance(value, (Tensor, np.ndarray)):
        name = f"{len(tensors):06d}"
        held = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        tensors[name] = held.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        pairs = [
            [_encode(key, place, tensors), _encode(item, f"{place}/{key}", tensors)]
            for key, item in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{place}/{index}", tensors) for index, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    raise NotPlainError(f"`{place.lstrip('/')}` is a {type(value).__name__}")


def _decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "tensor":
        return tensors[held]
    if kind == "float":
        return float(held)
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in held)
    if kind == "dict":
        return {_decode(key, tensors): _decode(item, tensors) for key, item in held}
    raise ValueError(f"{kind!r} is no kind of value")
