"""The state of a compiled graph to a safetensors file and back; nothing that is read can execute."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from cuvisc.compiler.module import CompiledGraph, ShapeError
from cuvisc.language.types import parse_type
from cuvisc.runtime.atomic import write_bytes
from cuvisc.schema.errors import DataError

FORMAT = "cuvisc-weights-1"


def save_weights(module: CompiledGraph, path: Path, spec_sha256: str) -> None:
    """Write every state tensor as `<node>.<state>`, with the number of bands and the spec's hash."""
    write_bytes(path, pack_weights(module, spec_sha256))


def load_weights(module: CompiledGraph, path: Path) -> None:
    """Fill a module's state; raises :class:`DataError` for a file that is not this graph's."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the weights {path}: {error.strerror or error}") from error
    unpack_weights(module, content, str(path))


def pack_weights(module: CompiledGraph, spec_sha256: str) -> bytes:
    """The bytes of a weights file, the same for the same weights."""
    from safetensors.torch import save

    tensors = {
        name: value.detach().cpu().contiguous().clone() for name, value in module.nodes.state_dict().items()
    }
    for typed in module.graph.nodes:
        for name, state in module.node(typed.id).declaration.state.items():
            # Strategies that divide parameters train all in float32; in a file they have the type that was declared.
            held = f"{typed.id}.{name}"
            tensors[held] = tensors[held].to(getattr(torch, parse_type(state.type).dtype))
    facts = {"format": FORMAT, "channels": module.channels, "spec_sha256": spec_sha256}
    # One key: safetensors writes several in an order that changes from run to run.
    return save(tensors, metadata={"cuvisc": json.dumps(facts)})


def unpack_weights(module: CompiledGraph, content: bytes, place: str) -> None:
    """Fill a module's state from the bytes of a weights file, which messages call `place`."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
        facts = json.loads(metadata_of(content).get("cuvisc", "{}"))
    except (ValueError, RecursionError, SafetensorError) as error:
        raise DataError(f"cannot read the weights {place}: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or type(facts.get("channels")) is not int:
        raise DataError(f"{place} does not hold weights of a cuvisc graph")
    try:
        module.nodes.load_state_dict(tensors)
    except RuntimeError as error:
        missing = "; ".join(line.strip() for line in str(error).splitlines()[1:])
        raise DataError(f"{place} holds the weights of another graph: {missing}") from error
    try:
        module.bind(facts["channels"])
    except ShapeError as error:
        raise DataError(f"{place}: {error}") from error
    _check_shapes(module, place)
    module.eval()


def metadata_of(content: bytes) -> dict[str, str]:
    """The texts in the header of a safetensors file; raises ValueError."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    found = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return {str(key): str(value) for key, value in found.items()}


def _check_shapes(module: CompiledGraph, place: str) -> None:
    """Raise :class:`DataError` for state of a shape that its declaration and the number of bands rule out."""
    for typed in module.graph.nodes:
        node = module.node(typed.id)
        for name, state in node.declaration.state.items():
            wanted = parse_type(state.type).substitute(dict(node.dims)).dims
            held = tuple(getattr(node, name).shape)
            known = all(isinstance(dim, int) for dim in wanted)
            if node.requires_initial_fit and known and held != wanted:
                raise DataError(
                    f"{place} holds the weights of another graph: `{typed.id}.{name}` is {list(held)}, "
                    f"{list(wanted)} is wanted"
                )
