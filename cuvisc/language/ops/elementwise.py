"""Elementwise ops: arithmetic between values, sigmoid and logit, comparisons with a threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..symbol import Symbol
from ..types import TensorType
from .op import OnnxBuilder, Op, apply, broadcast


class Elementwise(Op):
    """An op on one or two values that broadcast; the result has ``result`` as dtype, or that of the first value."""

    def __init__(
        self, name: str, function: Callable[..., Tensor], operator: str, result: str | None = None
    ) -> None:
        self.name = name  # type: ignore[misc]
        self._function = function
        self._operator = operator
        self._result = result

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return TensorType(self._result or types[0].dtype, broadcast(types))

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        return self._function(*values)

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node(self._operator, *values)


class Logit(Op):
    """log(p / (1 - p)); the threshold on logits that a threshold on probabilities means.

    Every logit reaches a probability of 0 or less, none but infinity one of 1 or more: there it is -inf and inf.
    """

    name = "logit"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return types[0]

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        return torch.logit(torch.clamp(values[0], 0.0, 1.0))

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        zero, one = b.constant("zero", np.float64(0)), b.constant("one", np.float64(1))
        p = b.node("Clip", values[0], zero, one)
        return b.node("Log", b.node("Div", p, b.node("Sub", one, p)))


class FloorAt(Op):
    """max(x, floor) with a constant floor."""

    name = "floor_at"

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        return types[0]

    def torch(self, *values: Tensor, **constants: Any) -> Tensor:
        return torch.clamp_min(values[0], constants["floor"])

    def onnx(self, b: OnnxBuilder, *values: str, **constants: Any) -> str:
        return b.node("Max", values[0], b.constant("floor", np.float64(constants["floor"])))


ADD = Elementwise("add", torch.add, "Add")
SUBTRACT = Elementwise("subtract", torch.sub, "Sub")
MULTIPLY = Elementwise("multiply", torch.mul, "Mul")
DIVIDE = Elementwise("divide", torch.div, "Div")
SIGMOID = Elementwise("sigmoid", torch.sigmoid, "Sigmoid")
AT_LEAST = Elementwise("at_least", torch.ge, "GreaterOrEqual", result="bool")
AT_MOST = Elementwise("at_most", torch.le, "LessOrEqual", result="bool")
LOGIT = Logit()
FLOOR_AT = FloorAt()


def add(x: Any, y: Any) -> Any:
    """x + y."""
    return apply(ADD, (x, y))


def subtract(x: Any, y: Any) -> Any:
    """x - y."""
    return apply(SUBTRACT, (x, y))


def multiply(x: Any, y: Any) -> Any:
    """x * y."""
    return apply(MULTIPLY, (x, y))


def divide(x: Any, y: Any) -> Any:
    """x / y."""
    return apply(DIVIDE, (x, y))


def floor_at(x: Any, floor: float) -> Any:
    """max(x, floor); NaN stays NaN."""
    return apply(FLOOR_AT, (x,), attributes={"floor": float(floor)})


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)): logits to probabilities."""
    return apply(SIGMOID, (x,))


def at_least(x: Any, threshold: float, *, setting: str) -> Any:
    """x >= threshold, bool; NaN is never at least anything.

    The threshold stays adjustable in what is exported, under the name ``<node>.<setting>``.
    """
    if isinstance(x, Symbol):
        return apply(AT_LEAST, (x, x.recorder.setting(setting, float(threshold))))
    return apply(AT_LEAST, (x, torch.as_tensor(threshold, dtype=x.dtype, device=x.device)))
