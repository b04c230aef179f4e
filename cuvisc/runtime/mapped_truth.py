"""Ground truth as losses and metrics see it: class ids mapped by the graph, under whichever name they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cuvisc.compiler.module import CompiledGraph
from cuvisc.language.node import Node
from cuvisc.schema.catalogue import load

_MASK = "mask"


def with_mapped_truth(module: CompiledGraph, batch: Mapping[str, Any]) -> dict[str, Any]:
    """The batch with what the last node of the graph that maps class ids makes of them as its `mask`."""
    seen = dict(batch)
    ids = class_ids(batch)
    if ids is None:
        return seen
    for name in mappers_of(module):
        mapped = module.node(name).map_labels(ids)
        if mapped is not None:
            seen["mask"] = mapped
    return seen


def anomalies_in(module: CompiledGraph, batch: Mapping[str, Any]) -> Tensor | None:
    """Where the anomalies are: mapped class ids, else the mask; None where nothing says which classes are anomalies.

    Of labels alone every class above 0 is one where a leaf of the graph reads a mask, for that is how it reads them.
    """
    seen = with_mapped_truth(module, batch)
    truth = seen.get("mask")
    if truth is None and reads_mask(module):
        truth = seen.get("labels")
    return None if truth is None else torch.as_tensor(truth) > 0


def reads_mask(module: CompiledGraph) -> bool:
    """Whether a leaf of the graph, or one inside another, reads a mask."""
    catalogue = load()
    for leaf in module.graph.leaves:
        inner = (
            catalogue.entry(
                kind, catalogue.resolve_target(kind, item.get("type") or item.get("_target_")) or ""
            )
            for parameter, kind in leaf.entry.get("entries", {}).items()
            for item in leaf.params.get(parameter) or ()
        )
        if any(_MASK in (entry or {}).get("needs", ()) for entry in (leaf.entry, *inner)):
            return True
    return False


def class_ids(batch: Mapping[str, Any]) -> Tensor | None:
    """The class ids of a batch: its `labels`, or without them its `mask`; None where that is true and false already."""
    values = batch["labels"] if batch.get("labels") is not None else batch.get("mask")
    if values is None:
        return None
    found = torch.as_tensor(values)
    if found.dtype == torch.bool:
        return None
    return found if found.is_floating_point() else found.to(torch.int64)


def mappers_of(module: CompiledGraph) -> tuple[str, ...]:
    """Ids of the nodes that map class ids, in the order of the graph."""
    ids = (node.id for node in module.graph.nodes)
    return tuple(name for name in ids if type(module.node(name)).map_labels is not Node.map_labels)
