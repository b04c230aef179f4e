"""What JSON can hold of numbers: written without those that are not finite, read without trust in what they are.

Never torch, lightning or onnx.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np


def finite(value: Any) -> Any:
    """Plain data for JSON: numbers that are not finite as null, NumPy's as Python's."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value - value != 0 else value


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value that was read is a number, and one that a float can hold."""
    return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)
