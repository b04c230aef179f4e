"""Leaves: losses, metrics and figures attached to a node, and the monitors they report to.

A leaf reads its parent's output and the batch; it never changes what the graph computes, and export strips it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, distributed, nn

from .choose import Choose
from .declare import Declared, In, Param, Unit
from .node import Node

Batch = dict[str, Any]
Figures = dict[str, Any]
Averages = dict[str, tuple[float, int]]


class IncompatibleParent(ValueError):
    """A leaf attached to a node that lacks what the leaf reads."""


class BatchError(ValueError):
    """A batch without what a leaf reads, or with it in another shape; the message says which."""


class LeafNode(Declared, nn.Module):
    """Base of losses, metrics and visualisations.

    ``compatible_parent_types``    node classes (or their names) the leaf accepts; empty accepts any;
    ``required_parent_attributes`` state the parent must hold, such as ``("components",)``;
    ``needs``                      batch keys the leaf reads, such as ``("mask",)``; ``labels`` stands in for ``mask``;
    ``compared``                   parameters compared with the output as it is, and the units for which they are;
    ``excludes``                   ``(("reads", "decisions", "k"),)``: where ``reads`` is that, ``k`` has no meaning;
    ``entries``                    parameters that are lists of other entries, and the kind of those;
    ``constraints``                between parameters, as on nodes; ``as many as`` and ``disjoint`` hold between lists;
    ``rebuilds_input``             whether the output is compared with the graph's input cube, band by band;
    ``reads_parent_input``         whether the batch must also hold ``parent_input``, what the parent was given;
    ``reads_output``               whether the leaf looks at the parent's output; one that reads the parent's state
                                   alone is handed an empty tensor, and no pixel is computed for it.
    The single input port, if declared, says what type and unit the parent's output must have.
    """

    compatible_parent_types: ClassVar[tuple[type[Node] | str, ...]] = ()
    required_parent_attributes: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    compared: ClassVar[Mapping[str, Unit | Choose[Unit]]] = {}
    excludes: ClassVar[tuple[tuple[str, Any, str], ...]] = ()
    entries: ClassVar[Mapping[str, str]] = {}
    constraints: ClassVar[tuple[tuple[Any, ...], ...]] = ()
    rebuilds_input: ClassVar[bool | Choose[bool]] = False
    reads_parent_input: ClassVar[bool] = False
    reads_output: bool = True
    output: ClassVar[In] = In("float32[B,H,W,K]", "output of the parent")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._parent: list[Node] = []

    @property
    def parent(self) -> Node:
        """The node this leaf reads."""
        if not self._parent:
            raise IncompatibleParent(f"{type(self).__name__} is not attached to a node")
        return self._parent[0]

    def attach(self, parent: Node) -> None:
        """Attach to a node; raises :class:`IncompatibleParent`."""
        self.validate_parent(parent)
        self._parent = [parent]

    @classmethod
    def validate_parent(cls, parent: Node) -> None:
        """Raise :class:`IncompatibleParent` when ``parent`` lacks what this leaf reads."""
        names = [entry if isinstance(entry, str) else entry.__name__ for entry in cls.compatible_parent_types]
        lineage = {base.__name__ for base in type(parent).__mro__}
        if names and not lineage.intersection(names):
            raise IncompatibleParent(
                f"{cls.__name__} attaches to {' or '.join(names)}, not to {type(parent).__name__}"
            )
        missing = [name for name in cls.required_parent_attributes if not hasattr(parent, name)]
        if missing:
            raise IncompatibleParent(
                f"{cls.__name__} reads {', '.join(f'`{m}`' for m in missing)} of its parent; "
                f"{type(parent).__name__} has none"
            )


class LossNode(LeafNode):
    """A term of the training loss; ``compute_loss`` returns it with its weight applied."""

    kind: ClassVar[str] = "loss"
    weight: float = Param(1.0, "factor of this loss in the total", ge=0)

    @property
    def of_moments(self) -> bool:
        """Whether the loss is a mean over pixels of a function of second degree in what it reads and the cube.

        Where that is affine in the cube, such a loss and its gradient follow from mean and covariance of every image.
        """
        return False

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        """The weighted loss of one batch, a scalar."""
        raise TypeError(f"{type(self).__name__} does not define compute_loss(parent_output, batch)")


class MetricNode(LeafNode):
    """A measurement accumulated over an epoch: ``reset``, ``update`` with every batch, ``compute`` once.

    A metric that overrides ``compute_metric`` alone is averaged over the samples of the epoch. ``logs`` are the names
    of the values: ``{k}`` in one stands for 1, 2, … up to the bands of the parent's output; None says nothing of them.
    """

    kind: ClassVar[str] = "metric"
    logs: ClassVar[tuple[str, ...] | Choose[tuple[str, ...]] | None] = None

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._averages: Averages = {}

    def update(self, parent_output: Tensor, batch: Batch) -> None:
        """Take in one batch."""
        values = self.compute_metric(parent_output, batch)
        samples = len(parent_output)
        for name, value in values.items():
            total, count = self._averages.get(name, (0.0, 0))
            self._averages[name] = (total + float(value) * samples, count + samples)

    def compute(self) -> dict[str, float]:
        """Values over everything since the last reset, on every process of a training."""
        sums: dict[str, tuple[float, int]] = {}
        for averages in _of_all_processes(self._averages):
            for name, (total, count) in averages.items():
                before, samples = sums.get(name, (0.0, 0))
                sums[name] = before + total, samples + count
        return {name: total / count for name, (total, count) in sums.items()}

    def reset(self) -> None:
        """Forget everything."""
        self._averages = {}

    def left_out(self) -> str:
        """What ``compute`` last left out of what it logs otherwise, and why, in words; "" where that is nothing."""
        return ""

    def compute_metric(self, parent_output: Tensor, batch: Batch) -> dict[str, float]:
        """The metric of this one batch."""
        if type(self).update is MetricNode.update:
            raise TypeError(f"{type(self).__name__} defines neither update and compute nor compute_metric")
        self.reset()
        self.update(parent_output, batch)
        return self.compute()


def _of_all_processes(own: Averages) -> list[Averages]:
    if not (distributed.is_available() and distributed.is_initialized()):
        return [own]
    found: list[Averages] = [{}] * distributed.get_world_size()
    distributed.all_gather_object(found, own)
    return found


class VisualizationNode(LeafNode):
    """Figures of a validation batch, drawn every ``log_frequency`` epochs."""

    kind: ClassVar[str] = "visualization"
    log_frequency: int = Param(1, "draw every this many epochs", ge=1)

    @torch.no_grad()
    def draw(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        """``visualize`` without gradients."""
        return self.visualize(parent_output.detach(), batch, step, stage)

    def visualize(self, parent_output: Tensor, batch: Batch, step: int, stage: str) -> Figures:
        """``{"figure": matplotlib Figure, "data": {name: array}}``."""
        raise TypeError(f"{type(self).__name__} does not define visualize(parent_output, batch, step, stage)")


class MonitoringNode(Declared):
    """A place that losses, metrics and figures are reported to. A monitor may fail; the run goes on.

    ``epoch`` is that of what is being reported, None outside of epochs.
    """

    kind: ClassVar[str] = "monitor"
    epoch: int | None = None

    def setup(self, run_info: dict[str, Any]) -> None:
        """Start: ``run_info`` holds name, id, folder, spec (plain data), training (every option), graph (typed).

        Of a run that goes on it holds also what is over: ``resumed`` epochs and the ``step`` they ended with. The id is
        the same as before.
        """

    def log_metrics(self, metrics: dict[str, float], step: int, stage: str) -> None:
        """Report named values."""

    def log_artifact(self, artifact: Figures, name: str, step: int, stage: str) -> None:
        """Report a figure and its data."""

    def log_tensors(self, tensors: dict[str, Tensor], step: int, stage: str) -> None:
        """Report how values are distributed: weights/<node>.<state>, gradients/<node>.<state>, once an epoch."""

    def close(self) -> None:
        """Finish: flush and let go."""
