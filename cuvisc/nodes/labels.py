"""Nodes that change what losses and metrics see as truth; the cube passes through them."""

from typing import Any

import torch
from torch import Tensor

from cuvisc.language.declare import In, Out, Param, ParameterError
from cuvisc.language.node import Node


class BinaryAnomalyLabelMapper(Node):
    """Map class ids to normal (0) and anomalous (1) for every loss and metric; the cube passes unchanged.

    mask = 1 where the label is one of ``anomaly_class_ids``, or, without them, where it is none of ``normal_class_ids``

    Class ids are the ``labels`` of a batch, or its ``mask`` where it has no labels; what is mapped stands as its
    ``mask``, in the place of one that came with labels. A mask of true and false is left as it is. Losses, metrics,
    figures and the report see the mapped mask. Export leaves nothing of this node: ``cuvisc evaluate`` takes what
    a mask holds above 0 for anomalies.
    """

    aliases = ("cuvis_ai.node.label_mapper.BinaryAnomalyLabelMapper",)
    cube = In("float32[B,H,W,C]", "spectra, any unit")
    passed = Out("float32[B,H,W,C]", "the same spectra")
    normal_class_ids: list[int] = Param(doc="class ids that are normal")
    anomaly_class_ids: list[int] | None = Param(
        None, "class ids that are anomalies; null: all that are not normal"
    )
    mapping = "diagonal"
    constraints = (("normal_class_ids", "disjoint", "anomaly_class_ids"),)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        both = sorted(set(self.normal_class_ids) & set(self.anomaly_class_ids or ()))
        if both:
            raise ParameterError(f"{type(self).__name__}: class {both[0]} is both normal and anomalous")

    def map_labels(self, labels: Tensor) -> Tensor:
        if self.anomaly_class_ids is None:
            normal = torch.as_tensor(self.normal_class_ids, device=labels.device)
            return (~torch.isin(labels, normal)).to(torch.uint8)
        return torch.isin(labels, torch.as_tensor(self.anomaly_class_ids, device=labels.device)).to(
            torch.uint8
        )

    def forward(self, cube: Any) -> Any:
        return cube
