"""What phase 2 computes, through torch.compile: node by node, so that what a node of one's own does stays its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from cuvisc.compiler.module import CompiledGraph
from cuvisc.schema.errors import SpecError

BACKEND = "inductor"


@contextmanager
def compiled_nodes(module: CompiledGraph, names: Iterable[str], device: torch.device) -> Iterator[None]:
    """Nodes by id compute compiled while the context lasts: what traces them afterwards needs them as they are.

    Raises :class:`SpecError` where torch.compile does not work on this machine.
    """
    _try(device)
    nodes = [module.node(name) for name in names]
    for node in nodes:
        node.compile(backend=BACKEND)
    try:
        yield
    finally:
        for node in nodes:
            node._compiled_call_impl = None


def _try(device: torch.device) -> None:
    try:
        torch.compile(lambda x: x * 2 + 1, backend=BACKEND)(torch.ones(2, device=device))
    except RuntimeError as error:
        needed = "Triton" if device.type == "cuda" else "a C++ compiler"
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise SpecError(
            f"training.compile is true, but torch.compile does not work on this machine: {reason}; "
            f"install {needed}, or leave it out"
        ) from error
