"""Symbolic values: what a node's body is given when its mathematics is recorded instead of computed.

Every op of the vocabulary accepts a :class:`Symbol` and records itself. Anything else done to one (a torch
function, a method, an arithmetic operator) raises :class:`OpaqueBody`: the body is legal, but not made of ops
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from .types import TensorType

if TYPE_CHECKING:
    from .ops.op import Op


class OpaqueBody(Exception):
    """A node's body used something outside the op vocabulary."""


class Recorder(Protocol):
    """Takes down what a body does to symbols; the compiler's tracer is one."""

    def record(
        self, op: Op, values: Sequence[Symbol], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> Symbol:
        """Record one op and return its output."""

    def setting(self, name: str, default: float) -> Symbol:
        """A scalar the user may change at inference, such as a decision threshold."""


class Symbol:
    """A value known by its type alone."""

    __slots__ = ("recorder", "type", "value")

    def __init__(self, recorder: Recorder, type: TensorType, value: Any) -> None:
        self.recorder = recorder
        self.type = type
        self.value = value

    def __repr__(self) -> str:
        return f"Symbol({self.type})"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise OpaqueBody(f".{name}")

    @classmethod
    def __torch_function__(cls, func: Callable[..., Any], *_: Any, **__: Any) -> NoReturn:
        raise OpaqueBody(getattr(func, "__name__", str(func)))


def _refuse(name: str) -> Callable[..., NoReturn]:
    def operator(self: Symbol, *_: Any, **__: Any) -> NoReturn:
        raise OpaqueBody(name)

    return operator


_OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow matmul rmatmul "
    "and rand or ror xor rxor neg pos invert abs round lt le gt ge eq ne "
    "getitem iter len contains bool int float index array array_ufunc array_function"
)

for _name in _OPERATORS.split():
    setattr(Symbol, f"__{_name}__", _refuse(f"__{_name}__"))
