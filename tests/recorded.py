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

    def record(body: Callable[[Any], Any], bands: int) -> Program:
    """The program of ``body(cube)``, its result named `test.y`."""
    tape = Tape()
    type_ = TensorType("float32", ("B", "H", "W", bands))
    outputs = {"test.y": body(Symbol(tape, type_, "cube")).value}
    return verify(
        Program("recorded", Value("cube", type_), tuple(tape.settings), tuple(tape.operations), outputs)
    )
