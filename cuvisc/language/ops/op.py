"""What an op is: a type rule, its torch computation and its ONNX spelling, side by side.

``apply`` computes when it is given tensors and records when it is given symbols, so that one body of a node
serves training, the float64 reference, shape inference, fusion, TorchScript and ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from ..affine import Array
from ..symbol import OpaqueBody, Symbol
from ..types import Dim, TensorType


class OpError(ValueError):
    """An op applied to values its type rule refuses."""


class OnnxBuilder(Protocol):
    """What an op's ONNX spelling writes to; values are names."""

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append an ONNX node and return the name of its one output."""

    def constant(self, name: str, value: Any, dtype: str = "float32") -> str:
        """Add an initializer and return its name."""

    def project(self, x: str, matrix: Array, offset: Array | None) -> str:
        """x A + b over the last axis, as one node where the graph works on pixels [N,C]."""

    def squared_norm(self, x: str) -> str:
        """Sum of squares over the last axis, kept as one band."""

    def loop(
        self, count: int, state: str, shape: Sequence[Dim], body: Callable[[OnnxBuilder, str, str], str]
    ) -> str:
        """Apply ``body(builder, index, state) -> state`` ``count`` times to a float64 state of ``shape``."""

    def either(
        self,
        condition: str,
        then: Callable[[OnnxBuilder], str],
        otherwise: Callable[[OnnxBuilder], str],
        dtype: str = "float32",
    ) -> str:
        """What one of two bodies gives, as a condition says when the model runs; only that one is computed."""


class Op:
    """One primitive; stateless. ``constants`` are tensors known at compile time, ``attributes`` plain data."""

    name: ClassVar[str] = ""
    pixelwise: ClassVar[bool] = True
    """Whether every output pixel depends on its own input pixel alone, so that an image may be cut into strips."""

    def infer(
        self, types: Sequence[TensorType], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> TensorType:
        """Type of the output; raises :class:`OpError`."""
        raise OpError(f"{self.name} has no type rule")

    def torch(self, *values: Tensor, **constants_and_attributes: Any) -> Tensor:
        """Compute on tensors of any float dtype."""
        raise OpError(f"{self.name} cannot be computed")

    def onnx(self, b: OnnxBuilder, *values: str, **constants_and_attributes: Any) -> str:
        """Append the op to an ONNX graph; constants arrive as float64 NumPy arrays."""
        raise OpError(f"{self.name} has no ONNX spelling")


def apply(
    op: Op,
    values: Sequence[Any],
    constants: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Compute ``op`` on tensors, or record it on symbols.

    Under autocast the vocabulary still computes in float32: 16-bit arithmetic flips decisions of anomaly scores.
    """
    constants, attributes = constants or {}, attributes or {}
    recorder = next((value.recorder for value in values if isinstance(value, Symbol)), None)
    if recorder is not None:
        if not all(isinstance(value, Symbol) for value in values):
            raise OpaqueBody(f"ops.{op.name} of a tensor of its own")
        return recorder.record(op, values, constants, attributes)
    device = values[0].device.type
    if torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            wide = [v.float() if v.dtype in (torch.bfloat16, torch.float16) else v for v in values]
            return op.torch(*wide, **constants, **attributes)
    return op.torch(*values, **constants, **attributes)


def broadcast(types: Sequence[TensorType]) -> tuple[Dim, ...]:
    """Dims of an elementwise op: equal, or 1 on either side."""
    rank = max(len(t.dims) for t in types)
    padded = [(1,) * (rank - len(t.dims)) + t.dims for t in types]
    result: list[Dim] = []
    for column in zip(*padded, strict=True):
        wide = {dim for dim in column if dim != 1}
        if len(wide) > 1:
            raise OpError(f"{' and '.join(map(str, types))} do not broadcast")
        result.append(wide.pop() if wide else 1)
    return tuple(result)
