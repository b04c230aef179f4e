"""Which bands of its input a program computes anything of. NumPy only."""

from __future__ import annotations

import numpy as np

from cuvisc.compiler.ir import Operation, Program


def bands_read(program: Program) -> tuple[int, ...] | None:
    """Numbers of the bands, ascending, the first is 0; None where that is all of them, or cannot be said.

    A selection reads what it keeps, and an affine map that mixes bands those with a weight other than zero.
    """
    if program.input.name in program.outputs.values():
        return None
    read: set[int] = set()
    for operation in program.consumers(program.input.name):
        found = _read_by(operation)
        if found is None:
            return None
        read.update(found)
    bands = program.input.type.dims[-1]
    return None if len(read) == bands else tuple(sorted(read))


def _read_by(operation: Operation) -> list[int] | None:
    if operation.op.name == "gather_bands":
        return list(operation.attributes["indices"])
    affine = operation.affine
    if affine is None or affine.elementwise:
        return None
    weighted: list[int] = np.flatnonzero(affine.matrix.any(axis=1)).tolist()
    return weighted
