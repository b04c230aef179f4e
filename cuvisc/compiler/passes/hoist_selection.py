"""Move a selection of bands to the front, so that what is not selected is not computed."""

from __future__ import annotations

from dataclasses import replace

from cuvisc.compiler.ir import Operation, Program, Value
from cuvisc.compiler.passes.fold_constants import drop_unread
from cuvisc.language.affine import AffineMap


def hoist_selection(program: Program) -> Program:
    """Swap ``gather(affine(x))`` to ``affine(gather(x))`` while the map is elementwise; join selections."""
    while (found := _next(program)) is not None:
        source, gather = found
        moved = _swap(source, gather) if source.affine is not None else _join(source, gather)
        operations: list[Operation] = []
        for operation in program.operations:
            operations.extend(moved if operation is gather else (operation,))
        program = drop_unread(program.with_operations(operations))
    return program


def _next(program: Program) -> tuple[Operation, Operation] | None:
    producers = program.producers()
    for gather in program.operations:
        source = producers.get(gather.inputs[0]) if gather.op.name == "gather_bands" else None
        if source is None:
            continue
        affine = source.affine
        if source.op.name == "gather_bands" or (affine is not None and affine.elementwise):
            return source, gather
    return None


def _swap(source: Operation, gather: Operation) -> tuple[Operation, ...]:
    affine = source.affine
    assert affine is not None
    indices = list(gather.attributes["indices"])
    narrow = AffineMap(*(part[indices] if part.size > 1 else part for part in vars(affine).values()))
    selected = Value(f"{gather.name}.of.{source.inputs[0]}", gather.output.type)
    first = replace(gather, inputs=source.inputs, outputs=(selected,))
    origin = source.origin + tuple(node for node in gather.origin if node not in source.origin)
    words = (operation.name.rpartition("/")[2] for operation in (source, gather))
    name = f"{'+'.join(origin)}/{'.'.join(words)}"
    second = replace(
        source,
        name=name,
        inputs=(selected.name,),
        outputs=gather.outputs,
        constants=vars(narrow),
        origin=origin,
    )
    return first, second


def _join(source: Operation, gather: Operation) -> tuple[Operation, ...]:
    outer = source.attributes["indices"]
    indices = tuple(outer[index] for index in gather.attributes["indices"])
    return (replace(gather, inputs=source.inputs, attributes={"indices": indices}),)
