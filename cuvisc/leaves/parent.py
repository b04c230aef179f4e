"""A parent node to what leaves read of it: its state and what its output is called. Knows no leaf."""

from __future__ import annotations

import torch
from torch import Tensor

from cuvisc.language.choose import resolve
from cuvisc.language.node import Node


def state(parent: Node, name: str) -> Tensor:
    """A state tensor of the parent, with its gradients; a plain number becomes a tensor."""
    return torch.as_tensor(getattr(parent, name))


def quantity(parent: Node) -> str:
    """What the parent's first output holds, in the singular: ``score``, ``logit``, ``probability``, else ``value``."""
    for port in parent.declaration.outputs.values():
        unit = resolve(port.unit, parent.params())
        return {"scores": "score", "logits": "logit", "probabilities": "probability"}.get(unit or "", "value")
    return "value"
