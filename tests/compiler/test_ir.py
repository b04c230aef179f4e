"""Verification finds every way a pass can break a program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from recorded import record

from cuvisc.compiler.ir import MalformedProgram, Operation, Program, Setting, Value, substitute, verify
from cuvisc.language import ops
from cuvisc.language.types import parse_type

PROGRAM = record(
    lambda x: ops.at_least(ops.squared_norm(ops.affine(x, np.ones((4, 2)))), 0.5, setting="threshold"), 4
)
AFFINE, NORM, COMPARE = PROGRAM.operations
MATRIX = AFFINE.constants["matrix"]


def with_operation(index: int, **changes: object) -> Program:
    operations = list(PROGRAM.operations)
    operations[index] = replace(operations[index], **changes)
    return PROGRAM.with_operations(operations)


def with_constant(value: np.ndarray) -> Program:
    return with_operation(0, constants={**AFFINE.constants, "matrix": value})


def retyped(operation: Operation, text: str) -> tuple[Value, ...]:
    return (replace(operation.output, type=parse_type(text)),)


MUTATIONS: dict[str, tuple[Callable[[], Program], str]] = {
    "used before it is made": (
        lambda: PROGRAM.with_operations([NORM, AFFINE, COMPARE]),
        "test/squared_norm_1 reads test/affine_0, which is not defined before it",
    ),
    "never made": (
        lambda: PROGRAM.with_operations([AFFINE, COMPARE]),
        "test/at_least_2 reads test/squared_norm_1, which is not defined before it",
    ),
    "reads nothing known": (
        lambda: with_operation(1, inputs=("elsewhere",)),
        "test/squared_norm_1 reads elsewhere, which is not defined before it",
    ),
    "made twice": (
        lambda: with_operation(1, outputs=AFFINE.outputs, inputs=("cube",)),
        "test/squared_norm_1 gives float32[B,H,W,1], but is typed float32[B,H,W,2]",
    ),
    "made twice, well typed": (
        lambda: PROGRAM.with_operations([AFFINE, replace(AFFINE, name="again"), NORM, COMPARE]),
        "test/affine_0 is defined twice",
    ),
    "takes the input's name": (
        lambda: with_operation(0, outputs=(replace(AFFINE.output, name="cube"),)),
        "cube is defined twice",
    ),
    "setting takes the input's name": (
        lambda: replace(PROGRAM, settings=(Setting(Value("cube", parse_type("float32[1]")), 0.0),)),
        "cube is defined twice",
    ),
    "setting lost": (
        lambda: replace(PROGRAM, settings=()),
        "test/at_least_2 reads test.threshold, which is not defined before it",
    ),
    "same name": (
        lambda: with_operation(1, name=AFFINE.name),
        "two operations are named test/affine_0",
    ),
    "wrong width": (
        lambda: with_operation(0, outputs=retyped(AFFINE, "float32[B,H,W,3]")),
        "test/affine_0 gives float32[B,H,W,2], but is typed float32[B,H,W,3]",
    ),
    "wrong dtype": (
        lambda: with_operation(2, outputs=retyped(COMPARE, "float32[B,H,W,1]")),
        "test/at_least_2 gives bool[B,H,W,1], but is typed float32[B,H,W,1]",
    ),
    "matrix of another cube": (
        lambda: with_constant(np.ones((5, 2))),
        "test/affine_0: the matrix holds 5 bands where the cube has 4",
    ),
    "NaN": (
        lambda: with_constant(np.full((4, 2), np.nan)),
        "constant matrix of test/affine_0 is not finite float64",
    ),
    "infinity": (
        lambda: with_constant(np.full((4, 2), np.inf)),
        "constant matrix of test/affine_0 is not finite float64",
    ),
    "float32 constant": (
        lambda: with_constant(MATRIX.astype(np.float32)),
        "constant matrix of test/affine_0 is not finite float64",
    ),
    "output lost": (
        lambda: replace(PROGRAM, outputs={"test.y": "gone"}),
        "output test.y is gone, which nothing defines",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_program(mutation: str) -> None:
    broken, message = MUTATIONS[mutation]
    with pytest.raises(MalformedProgram) as caught:
        verify(broken())
    assert str(caught.value) == message


def test_a_sound_program() -> None:
    assert verify(PROGRAM) is PROGRAM


def test_reading() -> None:
    """Values, producers and readers, as passes ask for them."""
    assert [value.name for value in PROGRAM.values()] == [
        "cube",
        "test.threshold",
        "test/affine_0",
        "test/squared_norm_1",
        "test/at_least_2",
    ]
    assert PROGRAM.producers()["test/affine_0"] is AFFINE
    assert PROGRAM.consumers("test/affine_0") == [NORM]
    assert PROGRAM.consumers("test/at_least_2") == []
    assert PROGRAM.pixelwise
    assert not record(ops.image_minimum, 4).pixelwise
    assert AFFINE.affine is not None
    assert NORM.affine is None


def test_substitution_reaches_operations_and_outputs() -> None:
    changed = substitute(replace(PROGRAM, outputs={"a": "cube", "b": "test/at_least_2"}), "cube", "other")
    assert changed.operations[0].inputs == ("other",)
    assert changed.outputs == {"a": "other", "b": "test/at_least_2"}
