"""Compose chains of affine maps into one, in float64: normalise, select, project and whiten become a single matrix."""

from __future__ import annotations

from dataclasses import replace

from cuvisc.compiler.ir import Operation, Program
from cuvisc.compiler.passes.fold_constants import drop_unread
from cuvisc.language.affine import AffineMap


def fuse_affine(program: Program) -> Program:
    """Fold every affine map into the affine maps that read it, where that saves arithmetic.

    A map is folded when nothing but affine maps reads it; a map that mixes bands only into a single reader,
    and only while the composed matrix is not larger than the two it replaces.
    """
    while (pair := _next_pair(program)) is not None:
        inner, outer = pair
        fused = _compose(inner, outer)
        program = program.with_operations([fused if op is outer else op for op in program.operations])
        program = drop_unread(program)
    return program


def _next_pair(program: Program) -> tuple[Operation, Operation] | None:
    producers = program.producers()
    shown = set(program.outputs.values())
    for outer in program.operations:
        if outer.affine is None or outer.inputs[0] in shown:
            continue
        inner = producers.get(outer.inputs[0])
        if inner is not None and inner.affine is not None and _worthwhile(program, inner, outer):
            return inner, outer
    return None


def _worthwhile(program: Program, inner: Operation, outer: Operation) -> bool:
    first, second = inner.affine, outer.affine
    assert first is not None
    assert second is not None
    readers = program.consumers(inner.output.name)
    if first.elementwise:
        return all(reader.affine is not None for reader in readers)
    if len(readers) > 1:
        return False
    return second.elementwise or _size(first.then(second)) <= _size(first) + _size(second)


def _size(affine: AffineMap) -> int:
    return int(affine.matrix.size)


def _compose(inner: Operation, outer: Operation) -> Operation:
    first, second = inner.affine, outer.affine
    assert first is not None
    assert second is not None
    origin = inner.origin + tuple(node for node in outer.origin if node not in inner.origin)
    return replace(
        outer,
        name="+".join(origin) + "/" + outer.name.rpartition("/")[2],
        inputs=inner.inputs,
        constants=vars(first.then(second)),
        origin=origin,
    )
