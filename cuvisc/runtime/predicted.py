"""What is written of a block of a cube, and blocks that lie one below the other as one. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block


class Predicted(NamedTuple):
    """The outputs [1,rows,columns,K] of a block; of [rows,columns], `holes` have no data, `broken` NaN bands."""

    block: Block
    outputs: Mapping[str, NDArray[Any]]
    holes: NDArray[np.bool_]
    broken: NDArray[np.bool_]


def adjoined(parts: Iterable[Predicted]) -> Iterator[Predicted]:
    """The parts in order, with those that go on below the one before joined to it: fewer, larger writes.

    Images are not joined: what a graph says of an image as a whole stays one of each.
    """
    stack: list[Predicted] = []
    for part in parts:
        if stack and not _below(stack[-1].block, part.block):
            yield _joined(stack)
            stack = []
        stack.append(part)
    if stack:
        yield _joined(stack)


def _below(upper: Block, lower: Block) -> bool:
    return lower._replace(top=upper.top, bottom=upper.bottom) == upper and lower.top == upper.bottom


def _joined(stack: list[Predicted]) -> Predicted:
    first, last = stack[0], stack[-1]
    if first is last:
        return first
    return Predicted(
        first.block._replace(bottom=last.block.bottom),
        {name: np.concatenate([part.outputs[name] for part in stack], axis=1) for name in first.outputs},
        np.concatenate([part.holes for part in stack]),
        np.concatenate([part.broken for part in stack]),
    )
