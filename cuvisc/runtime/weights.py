"""The state of a compiled graph to a safetensors file and back; nothing that is read can execute."""

from __future__ import annotations

import json
from pathlib import Path

from cuvisc.compiler.module import CompiledGraph, ShapeError
from cuvisc.runtime.atomic import write_bytes
from cuvisc.schema.errors import DataError

FORMAT = "cuvisc-weights-1"


def save_weights(module: CompiledGraph, path: Path, spec_sha256: str) -> None:
    """Write every state tensor as `<node>.<state>`, with the number of bands and the spec's hash."""
    from safetensors.torch import save

    tensors = {
        name: value.detach().cpu().contiguous().clone() for name, value in module.nodes.state_dict().items()
    }
    facts = {"format": FORMAT, "channels": module.channels, "spec_sha256": spec_sha256}
    # One key: safetensors writes several in an order that changes from run to run.
    write_bytes(path, save(tensors, metadata={"cuvisc": json.dumps(facts)}))


def load_weights(module: CompiledGraph, path: Path) -> None:
    """Fill a module's state; raises :class:`DataError` for a file that is not this graph's."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("cuvisc", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"cannot read the weights {path}: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or not isinstance(facts["channels"], int):
        raise DataError(f"{path} does not hold weights of a cuvisc graph")
    try:
        module.bind(facts["channels"])
    except ShapeError as error:
        raise DataError(f"{path}: {error}") from error
    try:
        module.nodes.load_state_dict(tensors)
    except RuntimeError as error:
        missing = "; ".join(line.strip() for line in str(error).splitlines()[1:])
        raise DataError(f"{path} holds the weights of another graph: {missing}") from error
    module.eval()
