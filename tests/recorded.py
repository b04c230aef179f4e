"""A body written in ops, recorded as a program without a node around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cuvisc.compiler.ir import Operation, Program, Setting, Value, verify
from cuvisc.language.ops.op import Op
from cuvisc.language.symbol import Symbol
from cuvisc.language.types import TensorType, parse_type


class Tape:
    """The plainest :class:`cuvisc.language.symbol.Recorder`."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.settings: list[Setting] = []

    def record(
        self, op: Op, values: Sequence[Symbol], constants: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> Symbol:
        exact = {key: np.asarray(value, dtype=np.float64) for key, value in constants.items()}
        type_ = op.infer([value.type for value in values], exact, attributes)
        value = Value(f"test/{op.name}_{len(self.operations)}", type_)
        inputs = tuple(symbol.value for symbol in values)
        self.operations.append(Operation(value.name, op, inputs, (value,), exact, attributes, ("test",)))
        return Symbol(self, type_, value.name)

    def setting(self, name: str, default: float) -> Symbol:
        value = Value(f"test.{name}", parse_type("float32[1]"))
        self.settings.append(Setting(value, default))
        return Symbol(self, value.type, value.name)


def record(body: Callable[[Any], Any], bands: int) -> Program:
    """The program of ``body(cube)``; its results are named `test.y`, or by the keys of a mapping."""
    tape = Tape()
    type_ = TensorType("float32", ("B", "H", "W", bands))
    result = body(Symbol(tape, type_, "cube"))
    results = result if isinstance(result, Mapping) else {"y": result}
    outputs = {f"test.{name}": symbol.value for name, symbol in results.items()}
    return verify(
        Program("recorded", Value("cube", type_), tuple(tape.settings), tuple(tape.operations), outputs)
    )
