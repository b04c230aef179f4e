"""What was fitted and trained in a graph to the parts of its file, and back into a graph made from the same spec."""

from __future__ import annotations

from collections.abc import Mapping

from cuvisc.compiler.module import CompiledGraph
from cuvisc.language.leaf import LeafNode
from cuvisc.runtime.graph_file import LEAVES, SAMPLE, WEIGHTS, GraphFile
from cuvisc.runtime.plain_state import DamagedError, pack, unpack
from cuvisc.runtime.seen import Seen
from cuvisc.runtime.weights import pack_weights, unpack_weights
from cuvisc.schema.errors import DataError


def pack_state(
    module: CompiledGraph, leaves: Mapping[str, LeafNode], spec_sha256: str, seen: Seen | None
) -> dict[str, bytes]:
    """The members of the file that hold state; none for a graph that was never fitted."""
    parts: dict[str, bytes] = {}
    if module.channels is not None and module.fitted:
        parts[WEIGHTS] = pack_weights(module, spec_sha256)
    held = {name: dict(leaf.state_dict()) for name, leaf in leaves.items() if leaf.state_dict()}
    if held:
        parts[LEAVES] = pack(held)
    if seen is not None:
        parts[SAMPLE] = seen.content
    return parts


def load_state(file: GraphFile, module: CompiledGraph, leaves: Mapping[str, LeafNode]) -> None:
    """Fill nodes and leaves; raises :class:`DataError` for the state of another graph."""
    if WEIGHTS in file.parts:
        unpack_weights(module, file.parts[WEIGHTS], f"{file.place}/{WEIGHTS}")
    if LEAVES not in file.parts:
        return
    try:
        held = unpack(file.parts[LEAVES])
        for name, state in held.items():
            leaves[name].load_state_dict(state)
    except (DamagedError, KeyError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{file.place}/{LEAVES} holds the state of other leaves") from error


def seen_in(file: GraphFile) -> Seen | None:
    """What the training has seen of its data, None for a graph that was not trained."""
    if SAMPLE not in file.parts:
        return None
    return Seen(file.input or {}, file.parts[SAMPLE], f"{file.place}/{SAMPLE}")
