"""Compute at compile time what does not depend on the cube, and drop what changes nothing."""

from __future__ import annotations

from dataclasses import replace

from cuvisc.compiler.ir import Operation, Program, substitute


def fold_constants(program: Program) -> Program:
    """Remove affine maps that are the identity, and operations whose result nothing reads.

    Arithmetic among fitted constants happens while a body is traced, in float64, so none of it reaches the program.
    """
    for index in range(len(program.operations)):
        operation = program.operations[index]
        if _is_identity(operation):
            program = substitute(program, operation.output.name, operation.inputs[0])
    return drop_unread(program)


def drop_unread(program: Program) -> Program:
    """Remove operations and settings that no output depends on."""
    read = set(program.outputs.values())
    kept: list[Operation] = []
    for operation in reversed(program.operations):
        if any(value.name in read for value in operation.outputs):
            kept.append(operation)
            read.update(operation.inputs)
    settings = tuple(setting for setting in program.settings if setting.value.name in read)
    return replace(program, operations=tuple(reversed(kept)), settings=settings)


def _is_identity(operation: Operation) -> bool:
    affine = operation.affine
    if affine is None or not affine.elementwise:
        return False
    return bool((affine.matrix == 1).all() and (affine.offset == affine.center).all())
