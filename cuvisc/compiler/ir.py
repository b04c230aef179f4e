"""The intermediate representation: a straight-line program of ops over named, typed values, with float64 constants.

Traced from a fitted module, rewritten by passes, read by the code generators. ``verify`` holds between any
two passes. NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cuvisc.language.affine import AffineMap, Array
from cuvisc.language.ops.op import Op, OpError
from cuvisc.language.types import TensorType


class MalformedProgram(AssertionError):
    """A pass left the program in a state no code generator accepts; always a defect of cuvisc."""


@dataclass(frozen=True)
class Value:
    """A named, typed value."""

    name: str
    type: TensorType


@dataclass(frozen=True)
class Operation:
    """One op applied; ``name`` is ``<node>/<op>``, ``origin`` the ids of the nodes it came from."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[Value, ...]
    constants: Mapping[str, Array] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    origin: tuple[str, ...] = ()

    @property
    def output(self) -> Value:
        """The one output of an op that has one."""
        (output,) = self.outputs
        return output

    @property
    def affine(self) -> AffineMap | None:
        """The map, when this is an affine op."""
        return AffineMap(**self.constants) if self.op.name == "affine" else None


@dataclass(frozen=True)
class Setting:
    """A scalar input with a default, such as a decision threshold."""

    value: Value
    default: float


@dataclass(frozen=True)
class Program:
    """Operations in order. ``outputs`` maps the names the user sees to values."""

    name: str
    input: Value
    settings: tuple[Setting, ...]
    operations: tuple[Operation, ...]
    outputs: Mapping[str, str]

    def values(self) -> Iterator[Value]:
        """Every value, in order of definition."""
        yield self.input
        yield from (setting.value for setting in self.settings)
        for operation in self.operations:
            yield from operation.outputs

    @property
    def pixelwise(self) -> bool:
        """Whether an image may be computed in strips."""
        return all(operation.op.pixelwise for operation in self.operations)

    def producers(self) -> dict[str, Operation]:
        """The operation that makes each value."""
        return {value.name: operation for operation in self.operations for value in operation.outputs}

    def consumers(self, name: str) -> list[Operation]:
        """The operations that read a value."""
        return [operation for operation in self.operations if name in operation.inputs]

    def with_operations(self, operations: Iterator[Operation] | list[Operation]) -> Program:
        """The same program with other operations."""
        return replace(self, operations=tuple(operations))


def substitute(program: Program, old: str, new: str) -> Program:
    """Read ``new`` wherever ``old`` was read, outputs included."""
    operations = [
        replace(operation, inputs=tuple(new if name == old else name for name in operation.inputs))
        for operation in program.operations
    ]
    outputs = {shown: new if name == old else name for shown, name in program.outputs.items()}
    return replace(program, operations=tuple(operations), outputs=outputs)


def verify(program: Program) -> Program:
    """Check single assignment, order, types and finite constants; return the program.

    Raises :class:`MalformedProgram`.
    """
    known: dict[str, TensorType] = {}
    for value in (program.input, *(setting.value for setting in program.settings)):
        _define(known, value)
    names: set[str] = set()
    for operation in program.operations:
        if operation.name in names:
            raise MalformedProgram(f"two operations are named {operation.name}")
        names.add(operation.name)
        for name in operation.inputs:
            if name not in known:
                raise MalformedProgram(f"{operation.name} reads {name}, which is not defined before it")
        for key, constant in operation.constants.items():
            if constant.dtype != np.float64 or not np.isfinite(constant).all():
                raise MalformedProgram(f"constant {key} of {operation.name} is not finite float64")
        _check_type(operation, [known[name] for name in operation.inputs])
        for value in operation.outputs:
            _define(known, value)
    for shown, name in program.outputs.items():
        if name not in known:
            raise MalformedProgram(f"output {shown} is {name}, which nothing defines")
    return program


def _define(known: dict[str, TensorType], value: Value) -> None:
    if value.name in known:
        raise MalformedProgram(f"{value.name} is defined twice")
    known[value.name] = value.type


def _check_type(operation: Operation, types: list[TensorType]) -> None:
    if operation.op.name == "opaque":
        return
    try:
        inferred = operation.op.infer(types, operation.constants, operation.attributes)
    except OpError as error:
        raise MalformedProgram(f"{operation.name}: {error}") from error
    if inferred != operation.output.type:
        raise MalformedProgram(f"{operation.name} gives {inferred}, but is typed {operation.output.type}")
