"""Rotate what only a squared norm reads until its matrix is triangular: half of a whitening need not be multiplied.

With A = L Q, Q orthogonal and L lower triangular, (x - c) A + b has the norm of (x - c) L + b Q^T. Exact algebra, done
in float64 while compiling; it holds for a whitening that gradients have moved as for one that was fitted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cuvisc.compiler.ir import Operation, Program
from cuvisc.language.affine import AffineMap, Array

_NARROWEST = 48
"""Fewer bands than this are multiplied as fast with their zeros."""


def rotate_norms(program: Program) -> Program:
    """Make every wide enough matrix triangular that is read by a squared norm alone."""
    return program.with_operations([_rotated(program, operation) for operation in program.operations])


def only_squared(program: Program, operation: Operation) -> bool:
    """Whether nothing but one squared norm reads what the operation gives."""
    if any(value.name in program.outputs.values() for value in operation.outputs):
        return False
    return [reader.op.name for reader in program.consumers(operation.outputs[0].name)] == ["squared_norm"]


def _rotated(program: Program, operation: Operation) -> Operation:
    affine = operation.affine
    if affine is None or affine.elementwise or not only_squared(program, operation):
        return operation
    bands, width = affine.matrix.shape
    if not _NARROWEST <= width <= bands:
        return operation
    rotation, upper = np.linalg.qr(affine.matrix.T)
    offset: Array = np.broadcast_to(affine.offset, (width,)) @ rotation
    return replace(operation, constants=vars(AffineMap(upper.T.copy(), affine.center, offset)))
