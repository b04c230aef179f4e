"""Turn sigmoid, scale and bias before a comparison into a change of its threshold.

sigmoid(x) >= t      is  x >= log(t / (1 - t))
s (x - b) + o >= t   is  x >= (t - o) / s + b  for s > 0, and x <= ... for s < 0

The threshold stays a value of the program, in the unit the user knows: the rewriting acts on one scalar at run time.
NaN compares as false either way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cuvisc.compiler.ir import Operation, Program, Value
from cuvisc.compiler.passes.fold_constants import drop_unread
from cuvisc.language.affine import Array
from cuvisc.language.ops.affine import AFFINE
from cuvisc.language.ops.elementwise import AT_LEAST, AT_MOST, LOGIT
from cuvisc.language.ops.op import Op
from cuvisc.language.types import TensorType

_MIRROR: dict[str, Op] = {"at_least": AT_MOST, "at_most": AT_LEAST}


def fold_decisions(program: Program) -> Program:
    """Fold until no comparison reads a sigmoid or a scalar affine map that could move into its threshold."""
    while (found := _next(program)) is not None:
        comparison, source = found
        operations: list[Operation] = []
        for operation in program.operations:
            if operation is comparison:
                operations.extend(_fold(comparison, source))
            else:
                operations.append(operation)
        program = drop_unread(program.with_operations(operations))
    return program


def _next(program: Program) -> tuple[Operation, Operation] | None:
    producers = program.producers()
    for comparison in program.operations:
        if comparison.op.name not in _MIRROR:
            continue
        source = producers.get(comparison.inputs[0])
        if source is not None and (source.op.name == "sigmoid" or _single_slope(source) is not None):
            return comparison, source
    return None


def _single_slope(operation: Operation) -> float | None:
    """The gain of an affine map that treats every band alike with one gain other than zero."""
    affine = operation.affine
    if affine is None or not affine.elementwise:
        return None
    parts = [np.unique(part) for part in (affine.matrix, affine.center, affine.offset)]
    if any(len(part) != 1 for part in parts) or not parts[0][0]:
        return None
    return float(parts[0][0])


def _fold(comparison: Operation, source: Operation) -> tuple[Operation, Operation]:
    _, threshold = comparison.inputs
    op: Op
    slope = _single_slope(source)
    if slope is None:
        op, compare = LOGIT, comparison.op
        constants: dict[str, Array] = {}
    else:
        affine = source.affine
        assert affine is not None
        flat = [np.asarray(part).reshape(-1)[0] for part in (affine.matrix, affine.center, affine.offset)]
        gain, center, offset = (np.float64(part) for part in flat)
        constants = {
            "matrix": np.asarray(1 / gain),
            "center": np.asarray(offset),
            "offset": np.asarray(center),
        }
        op = AFFINE
        compare = comparison.op if slope > 0 else _MIRROR[comparison.op.name]
    moved = Value(f"{threshold}/{op.name}", TensorType("float32", (1,)))
    adjust = Operation(moved.name, op, (threshold,), (moved,), constants, {}, comparison.origin)
    origin = source.origin + tuple(node for node in comparison.origin if node not in source.origin)
    folded = replace(comparison, op=compare, inputs=(source.inputs[0], moved.name), origin=origin)
    return adjust, folded
