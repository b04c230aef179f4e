"""`CuvisLightningModule`: a compiled graph and its leaves as Lightning trains them. Sums losses, updates metrics, logs.

Logged names: train/loss/<leaf>, train/loss/total, val/loss/<leaf>, val/loss/total, val/metric/<name>, lr. A metric name
that two leaves share is logged as val/metric/<leaf>/<name> for both. A test logs as a validation does, under test/.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from cuvisc.compiler.gradients import trained_nodes
from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.module import CompiledGraph, ShapeError
from cuvisc.language.leaf import BatchError, LossNode, MetricNode, VisualizationNode
from cuvisc.runtime.attached import Attached, of_kind
from cuvisc.runtime.compiling import compiled_nodes
from cuvisc.runtime.condensed import CondensedBatches, of_moments
from cuvisc.runtime.config import MONITORED, TrainingConfig
from cuvisc.runtime.data.contract import check_batch
from cuvisc.runtime.divergence import refuse_divergence
from cuvisc.runtime.frozen import FrozenValues, is_worthwhile, memory_limit
from cuvisc.runtime.gradients import Evaluation, prepare
from cuvisc.runtime.mapped_truth import with_mapped_truth
from cuvisc.runtime.missing import blank, emptied, mark, marked_pixels, marks_of
from cuvisc.runtime.optimizers import Length, is_of_validation, make_optimizer, make_scheduler, planned_length
from cuvisc.runtime.progress import log
from cuvisc.runtime.ranks import gather
from cuvisc.runtime.reporting import Reporters
from cuvisc.runtime.shares import stands_in
from cuvisc.schema.errors import DataError, SpecError

Values = Mapping[ValueRef, Tensor]


class CuvisLightningModule(LightningModule):
    """Phase 2 of a graph; `fit_first` is called once, when Lightning has set up data and ranks, and does phase 1."""

    def __init__(
        self,
        compiled: CompiledGraph,
        leaves: Sequence[Attached],
        config: TrainingConfig,
        reporters: Reporters,
        fit_first: Callable[[], None],
        validates: bool = True,
    ) -> None:
        super().__init__()
        self.compiled = compiled
        self.leaves = nn.ModuleList(attached.leaf for attached in leaves)
        self.config = config
        self.reporters = reporters
        self.monitored = MONITORED if validates else "train/loss/total"
        self._losses = of_kind(leaves, LossNode)
        if any(attached.id == "total" for attached, _ in self._losses):
            raise SpecError(
                "`loss_leaves.total`: train/loss/total is the sum of all losses; name the loss otherwise"
            )
        self._metrics = of_kind(leaves, MetricNode)
        self._figures = of_kind(leaves, VisualizationNode)
        self._fit_first: Callable[[], None] | None = fit_first
        self._interval = 1
        self._validated = False
        self._reported_epoch = -1
        self._first_batch: tuple[dict[str, Any], Values] | None = None
        self._measured: list[tuple[int, Tensor]] = []
        self._summed: dict[str, Tensor] = {}
        self._images = 0
        self._stands_in = False
        self.trained = tuple(node.id for node in trained_nodes(compiled.graph))
        self._evaluate = Evaluation(compiled, self.trained)
        self._condense = CondensedBatches(0)
        self._compiled = ExitStack()

    def setup(self, stage: str) -> None:
        """Phase 1, then parameters of what phase 2 moves."""
        if self._fit_first is not None:
            self._fit_first()
            self._fit_first = None
            # These lay all parameters end to end.
            divided = self.config.trainer.strategy.startswith(("fsdp", "deepspeed"))
            prepare(self.compiled, self.trained, torch.float32 if divided else None)
            # Phase 1 evaluates; Lightning leaves modules in the mode they are in.
            self.compiled.train()

    def forward(self, cube: Tensor) -> dict[str, Tensor]:
        """Every value of the graph, by name."""
        return self.compiled(blank(cube))  # type: ignore[no-any-return]

    def configure_optimizers(self) -> Any:
        options = self.config.trainer
        # Lightning cannot clip the gradients of a fused optimizer under mixed precision.
        fusible = options.precision == "32" or options.gradient_clip_val is None
        moved = [p for p in self.parameters() if p.requires_grad]
        optimizer = make_optimizer(self.config.optimizer, moved, fusible)
        scheduler = make_scheduler(
            self.config.optimizer,
            optimizer,
            length=self.length,
            monitor=self.plateau,
        )
        return optimizer if scheduler is None else {"optimizer": optimizer, "lr_scheduler": scheduler}

    @property
    def plateau(self) -> str | None:
        """The logged value in which the scheduler looks for a plateau, None where it looks for none."""
        scheduler = self.config.optimizer.scheduler
        if scheduler.name != "reduce_on_plateau":
            return None
        return self.monitored if scheduler.monitor == MONITORED else scheduler.monitor

    def length(self) -> Length:
        """Epochs and optimizer steps that phase 2 will take, by `max_epochs` and `max_steps`."""
        trainer = self.trainer
        trainer.fit_loop.setup_data()
        return planned_length(trainer.max_epochs or 1, trainer.max_steps, self._steps_an_epoch())

    def _steps_an_epoch(self) -> float:
        """Optimizer steps in an epoch; infinite where the data does not say how much there is."""
        batches = self.trainer.num_training_batches
        return batches if math.isinf(batches) else math.ceil(batches / self.trainer.accumulate_grad_batches)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """A plateau of what validations log is looked for once after each of them, and not where there was none."""
        if self.plateau is not None and is_of_validation(self.plateau):
            if not self._validated:
                return
            self._validated = False
        super().lr_scheduler_step(scheduler, metric)

    def on_fit_start(self) -> None:
        worthwhile = is_worthwhile(self.compiled, self.trained)
        limit = memory_limit(self.config.cache, self.device, worthwhile)
        frozen = FrozenValues(self.compiled, self.trained, limit)
        log.debug("%s", frozen.describe())
        self._evaluate = Evaluation(self.compiled, self.trained, frozen)
        if of_moments(self.compiled, self._losses):
            self._condense = CondensedBatches(memory_limit(self.config.cache, self.device))
        if self.config.compile:
            self._compiled.enter_context(compiled_nodes(self.compiled, self._evaluate.changing, self.device))

    def teardown(self, stage: str) -> None:
        self._compiled.close()

    def on_train_start(self) -> None:
        # An epoch shorter than the interval would otherwise log no training loss at all.
        asked = self.config.trainer.log_every_n_steps
        self._interval = max(1, int(min(asked, self._steps_an_epoch())))
        setattr(self.trainer, "log_every_n_steps", self._interval)  # noqa: B010 - Lightning does not declare it

    def on_train_epoch_start(self) -> None:
        self._summed, self._images = {}, 0
        self._evaluate.frozen.memory.start_epoch()
        self._condense.memory.start_epoch()
        for node in self.compiled.graph.nodes:
            self.compiled.node(node.id).start_epoch(self.current_epoch)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        wanted = {ref for attached, _ in self._losses for ref in attached.needed}
        batch, values = self._read(self._condense(batch), wanted)
        losses = self._compute_losses(batch, values)
        known = self._of_all_ranks(losses)
        self._log_losses(known, batch)
        self.log("lr", self._rate(), on_step=True, on_epoch=False)
        self._refuse_divergence(known)
        return losses["total"]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Once an epoch, at its first step: gradients are there, and nothing has moved.
        if self._reported_epoch == self.current_epoch or not self.trainer.is_global_zero:
            return
        self._reported_epoch = self.current_epoch
        if self.reporters.wants_tensors:
            tensors = {}
            for name, parameter in self.compiled.nodes.named_parameters():
                if parameter.grad is not None:
                    tensors[f"weights/{name}"] = parameter.detach()
                    tensors[f"gradients/{name}"] = parameter.grad.detach()
            self.reporters.log_tensors(tensors, self.global_step, self.current_epoch)

    def on_validation_epoch_start(self) -> None:
        self._start_measuring(self.trainer.val_dataloaders)

    def on_test_epoch_start(self) -> None:
        self._start_measuring(self.trainer.test_dataloaders)

    def _start_measuring(self, loaders: Any) -> None:
        self._first_batch, self._measured = None, []
        self._stands_in = stands_in(loaders)
        for _, metric in self._metrics:
            metric.reset()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self._measure("val", batch, self._to_draw() if batch_idx == 0 else [])

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self._measure("test", batch, [])

    def _measure(
        self, stage: str, batch: dict[str, Any], drawing: list[tuple[Attached, VisualizationNode]]
    ) -> None:
        """Losses and metrics of one batch; what `drawing` needs of it is kept."""
        if self._stands_in:
            return
        readers = [*(a for a, _ in self._losses), *(a for a, _ in self._metrics), *(a for a, _ in drawing)]
        batch, values = self._read(batch, {ref for attached in readers for ref in attached.needed})
        if self._losses:
            losses = self._compute_losses(batch, values)
            self._measured.append((_size(batch), torch.stack([loss.detach() for loss in losses.values()])))
        for attached, metric in self._metrics:
            try:
                metric.update(attached.output(values), attached.batch(batch, values))
            except BatchError as error:
                raise attached.refused(error) from error
        if drawing:
            self._first_batch = batch, values

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val")
        self._validated = not self.trainer.sanity_checking
        if self._first_batch is not None:
            self._draw(*self._first_batch)
            self._first_batch = None

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def left_out(self) -> Iterator[str]:
        """What metrics last left out of what they log otherwise, and why: a line for each."""
        for attached, metric in self._metrics:
            if words := metric.left_out():
                yield f"`{attached.id}` leaves out {words}"

    def _log_metrics(self, stage: str) -> None:
        self._log_measured(stage)
        found = [
            (attached.id, name, value)
            for attached, metric in self._metrics
            for name, value in metric.compute().items()
        ]
        counts = Counter(name for _, name, _ in found)
        for leaf, name, value in found:
            full = f"{stage}/metric/{name}" if counts[name] == 1 else f"{stage}/metric/{leaf}/{name}"
            self.log(full, float(value), on_epoch=True)

    def _read(self, batch: Any, wanted: set[ValueRef]) -> tuple[dict[str, Any], Values]:
        """The batch as leaves see it, and the values they read."""
        cube = check_batch(batch, "the data")
        try:
            missing = marked_pixels(self.compiled, cube) if wanted else None
            values = self._evaluate(cube, wanted, missing)
        except ShapeError as error:
            raise DataError(str(error)) from error
        if missing is not None:
            values = {ref: mark(value, missing) for ref, value in values.items() if ref in wanted}
            if marks_of(self.compiled):
                batch = emptied(batch, missing)
        return with_mapped_truth(self.compiled, batch), values

    def _compute_losses(self, batch: dict[str, Any], values: Values) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for attached, loss in self._losses:
            try:
                losses[attached.id] = loss.compute_loss(
                    attached.output(values), attached.batch(batch, values)
                )
            except BatchError as error:
                raise attached.refused(error) from error
        return {**losses, "total": torch.stack(tuple(losses.values())).sum()}

    def _of_all_ranks(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Training losses, whose gradients all processes average, averaged likewise."""
        if self.trainer.world_size == 1:
            return losses
        own = torch.stack([loss.detach() for loss in losses.values()])
        mean: Any = self.trainer.strategy.reduce(own, reduce_op="mean")
        return dict(zip(losses, mean, strict=True))

    def _log_losses(self, losses: Mapping[str, Tensor], batch: dict[str, Any]) -> None:
        """Log means over the images of the epoch so far: what one batch loses says little about the others."""
        size = _size(batch)
        self._images += size
        for name, loss in losses.items():
            self._summed[name] = self._summed.get(name, 0) + size * loss.detach()
        named = {f"train/loss/{name}": total / self._images for name, total in self._summed.items()}
        self.log_dict(named, on_step=True, on_epoch=False, batch_size=size)

    def _log_measured(self, stage: str) -> None:
        """Losses of a validation or test: means over the images that all processes have measured."""
        shares = gather(
            [(size, losses.tolist()) for size, losses in self._measured] if self._losses else None
        )
        batches = [batch for share in shares for batch in share]
        total = sum(size for size, _ in batches)
        if not total:
            return
        for position, name in enumerate([*(attached.id for attached, _ in self._losses), "total"]):
            mean = sum(size * losses[position] for size, losses in batches) / total
            self.log(f"{stage}/loss/{name}", mean, on_epoch=True)

    def _rate(self) -> float:
        optimizer = self.trainer.optimizers[0]
        return float(optimizer.param_groups[0]["lr"])

    def _refuse_divergence(self, losses: Mapping[str, Tensor]) -> None:
        """An error for a loss that is not finite; looked at when it is logged, so that a GPU is not waited for."""
        if self.device.type != "cpu" and (self.global_step + 1) % self._interval:
            return
        if bool(torch.isfinite(losses["total"])):
            return
        sizes = {f"train/loss/{name}": float(loss.detach()) for name, loss in losses.items()}
        refuse_divergence(sizes, f"epoch {self.current_epoch}, step {self.global_step}")

    def _to_draw(self) -> list[tuple[Attached, VisualizationNode]]:
        if not self.trainer.is_global_zero or self.trainer.sanity_checking:
            return []
        return [(a, figure) for a, figure in self._figures if self.current_epoch % figure.log_frequency == 0]

    def _draw(self, batch: dict[str, Any], values: Values) -> None:
        for attached, figure in self._to_draw():

            def draw(attached: Attached = attached, figure: VisualizationNode = figure) -> Any:
                seen = attached.batch(batch, values)
                return figure.draw(attached.output(values), seen, self.global_step, "val")

            self.reporters.log_figure(attached.id, draw, self.global_step, "val", self.current_epoch)


def _size(batch: Any) -> int:
    return len(check_batch(batch, "the data"))
