"""One run of a typed graph in its folder: phase 1, phase 2 under Lightning, and what is left behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.logged import logged_names
from cuvisc.compiler.module import CompiledGraph, ShapeError, build_module
from cuvisc.compiler.plan import Share, plan_statistics
from cuvisc.language.leaf import LeafNode, MonitoringNode
from cuvisc.language.node import Node
from cuvisc.runtime import launching
from cuvisc.runtime.attached import attach_leaves
from cuvisc.runtime.batch_limits import refuse_limits
from cuvisc.runtime.batches import phase_one_batches
from cuvisc.runtime.callbacks.averaging import AveragedWeights, averaged_by
from cuvisc.runtime.callbacks.expected import ExpectedValues, expected_of, refuse_never_logged
from cuvisc.runtime.class_balance import log_balance
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.divergence import refuse_diverged_weights, warn_of_divergence
from cuvisc.runtime.environment import environment_of, written
from cuvisc.runtime.epoch_state import STATE, EpochState
from cuvisc.runtime.first_batch import looked_at, readers_of_training
from cuvisc.runtime.lightning_module import CuvisLightningModule
from cuvisc.runtime.lightning_trainer import (
    EpochLines,
    KeepBest,
    make_trainer,
    metrics_of,
    quiet_lightning,
    summary,
)
from cuvisc.runtime.progress import bars_wanted, log
from cuvisc.runtime.ranks import rank_and_world
from cuvisc.runtime.report.write import leave_report
from cuvisc.runtime.reporting import MonitorLogger, Reporters
from cuvisc.runtime.resuming import Resumption
from cuvisc.runtime.run_folder import CHECKPOINTS, WEIGHTS, RunFolder
from cuvisc.runtime.statistics import Fit, fit_statistics
from cuvisc.runtime.training_spectrum import describe_bands, input_wavelengths
from cuvisc.runtime.weights import save_weights
from cuvisc.schema.errors import DataError


@dataclass
class Run:
    """A finished run: its folder, the fitted and trained module, Lightning's trainer, and the facts of run.json."""

    folder: Path
    module: CompiledGraph
    trainer: Trainer
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        from cuvisc.runtime.notebook.run_view import run_text

        return run_text(self.folder, self.facts)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from cuvisc.runtime.notebook.run_view import run_html

        return run_html(self.folder)


@dataclass
class Session:
    """What a run is made of."""

    graph: TypedGraph
    datamodule: LightningDataModule
    config: TrainingConfig
    monitors: Sequence[MonitoringNode] = ()
    nodes: Mapping[str, Node] = field(default_factory=dict)
    leaves: Mapping[str, LeafNode] = field(default_factory=dict)
    overrides: Sequence[str] = ()

    @property
    def made_of(self) -> list[object]:
        """Everything that may have been given values from the environment."""
        made = [self.graph.spec, self.datamodule, self.config, *self.monitors]
        return [*made, *self.nodes.values(), *self.leaves.values()]


class Running:
    """One run, from an empty folder to its last file."""

    def __init__(
        self, session: Session, folder: RunFolder, epochs: int, resumption: Resumption | None
    ) -> None:
        self.session = session
        self.folder = folder
        self.epochs = epochs
        self.resumption = resumption
        self.resumed = resumption if resumption is not None and resumption.state is not None else None
        self.started = time.perf_counter() - (self.resumed.own["seconds"] if self.resumed else 0.0)
        self.module = build_module(session.graph, session.nodes)
        self.leaves = attach_leaves(self.module, session.leaves)
        self.validates = _validates(session.datamodule, session.config)
        self.reporters = Reporters(session.monitors, folder.path, folder.writes)
        self.best = KeepBest(session.config.keep == "best")
        self.lightning = CuvisLightningModule(
            self.module,
            self.leaves,
            session.config,
            self.reporters,
            self._fit_statistics if self.resumed is None else self._restore_statistics,
            self.validates,
        )

    def run(self) -> Run:
        config, spec = self.session.config, self.session.graph.spec
        if self.folder.writes and self.resumed is None:
            self.folder.write_spec(spec, self.session.overrides)
        trial = {"trial": True} if config.trainer.fast_dev_run else {}
        self.folder.record(seed=config.seed, **trial)
        with quiet_lightning():
            trainer = make_trainer(
                config,
                self.epochs,
                self.folder.path / CHECKPOINTS,
                self.validates,
                MonitorLogger(self.reporters, self.session.graph.name),
                [*self._epoch_state(), self.best, EpochLines(), ExpectedValues(self.lightning.plateau)],
                environment_of(*self.session.made_of),
            )
            launching.refuse_lone_copies(trainer, self.folder.writes)
            self._refuse_waiting_in_vain(trainer)
            self.folder.record(device=str(trainer.strategy.root_device), epochs=self.epochs)
            facts = self.folder.facts
            named = {"name": facts.get("name", ""), "id": facts.get("id"), "spec": spec.to_dict()}
            if self.resumed is not None:
                named |= {"resumed": self.resumed.epochs, "step": self.resumed.steps}
            named["training"] = written(config, config.to_dict())
            self.reporters.setup({**named, "graph": self.session.graph})
            try:
                with launching.together(trainer):
                    metrics = self._run_phases(trainer)
            finally:
                self.reporters.close()
        launching.part_at_exit()
        with launching.together(trainer):
            return self._finish(trainer, metrics, averaged_by(trainer))

    def _refuse_waiting_in_vain(self, trainer: Trainer) -> None:
        """Before phase 1, what would end phase 2 at its first epoch."""
        callbacks: list[Callback] = getattr(trainer, "callbacks")  # noqa: B009 - Lightning does not declare it
        if self.epochs != 0 and not self.session.config.trainer.fast_dev_run:
            logged = logged_names(self.session.graph, self.validates)
            refuse_never_logged(list(expected_of(callbacks, self.lightning.plateau)), callbacks, logged)

    def _epoch_state(self) -> list[Callback]:
        """What makes the run one that can be resumed."""
        options = self.session.config.trainer
        if self.epochs == 0 or not options.enable_checkpointing or options.fast_dev_run:
            return []
        path = self.folder.path / CHECKPOINTS / STATE
        return [EpochState(path, self._own_state, self.resumed.state if self.resumed else None)]

    def _own_state(self) -> dict[str, Any]:
        return {
            "run": self.folder.facts.get("id", ""),
            "channels": self.module.channels,
            "seconds": time.perf_counter() - self.started,
        }

    def _run_phases(self, trainer: Trainer) -> dict[str, float]:
        """What was logged last, of the mean of weights where they were averaged."""
        handler = signal.getsignal(signal.SIGINT)
        data = self.session.datamodule
        try:
            if self.resumed is not None:
                trainer.fit(
                    self.lightning, datamodule=data, ckpt_path=str(self.resumed.path), weights_only=True
                )
            elif self.epochs != 0:
                trainer.fit(self.lightning, datamodule=data)
            elif self.validates:
                trainer.validate(self.lightning, datamodule=data, verbose=False)
            else:
                launching.meet(trainer)
                data.prepare_data()
                self.lightning.setup("validate")
            metrics, averaged = metrics_of(trainer), averaged_by(trainer)
            if averaged is not None:
                metrics |= averaged.measure(trainer, self.lightning, data if self.validates else None)
            return metrics
        except SystemExit:
            # Lightning leaves with 1 after Ctrl-C; who called decides what an interrupt means.
            raise KeyboardInterrupt from None
        finally:
            if current_thread() is main_thread():
                signal.signal(signal.SIGINT, handler)

    def _fit_statistics(self) -> None:
        """Phase 1, once data and ranks are there."""
        data, trial = self.session.datamodule, self.session.config.trainer.fast_dev_run
        self._agree()
        if self.epochs == 0:
            data.setup("fit")
        rank, world = rank_and_world()
        loader = data.train_dataloader()
        if self.epochs != 0:
            refuse_limits(self.session.config.trainer, loader, world, self.validates)
        if rank == 0:
            log_balance(data, self.session.graph, self.module)
        config = self.session.config
        share = Share(config.fit_fraction, config.fit_stride)
        batches = phase_one_batches(loader, rank, world, int(trial) or None, share.takes)
        readers = readers_of_training(self.leaves, data, self.epochs != 0, self.validates)
        batches = looked_at(batches, readers)
        log.info("Phase 1: fitting statistics")
        plan = plan_statistics(self.session.graph, share)
        describe_bands(self.module, data, batches)
        fit = fit_statistics(self.module, plan, lambda: batches, bars_wanted())
        log.info("Phase 1 complete in %.1f seconds", fit.seconds)
        self._record_fit(fit, input_wavelengths(self.module, data, batches, self.module.channels or 0))
        if self.epochs != 0:
            moved = ", ".join(f"`{name}`" for name in self.lightning.trained)
            log.info("Phase 2: training %s", moved)

    def _agree(self) -> None:
        """Once the processes have met and each has read what is there: what they write to, and that they go on."""
        self.folder.agree()
        if self.resumption is not None:
            self.resumption.begin(self.session.graph.spec)

    def _restore_statistics(self) -> None:
        """What phase 1 fitted, as the state of the run has it."""
        assert self.resumed is not None
        assert self.resumed.state is not None
        self._agree()
        prefix = "compiled.nodes."
        saved = self.resumed.state["state_dict"]
        nodes = {name.removeprefix(prefix): value for name, value in saved.items() if name.startswith(prefix)}
        try:
            self.module.nodes.load_state_dict(nodes)
            self.module.bind(self.resumed.own["channels"])
        except (ShapeError, RuntimeError) as error:
            raise DataError(f"{self.resumed.path} is the state of another graph: {error}") from error

    def _record_fit(self, fit: Fit, wavelengths: tuple[float, ...] | None) -> None:
        profile = fit.profile
        if self.folder.writes:
            self.folder.write_sample(profile)
        self.folder.record(
            input={
                "dtype": profile.dtype,
                "channels": self.module.channels,
                "pixels": profile.moments.count,
                "excluded_pixels": profile.excluded,
                "minimum": profile.extrema.minimum.min(),
                "maximum": profile.extrema.maximum.max(),
                "wavelengths": wavelengths,
            },
            phase1={"seconds": fit.seconds, "passes": fit.passes, "nodes": fit.nodes},
        )

    def _finish(self, trainer: Trainer, metrics: dict[str, float], averaged: AveragedWeights | None) -> Run:
        if self.best.weights is not None:
            self.module.nodes.load_state_dict(self.best.weights)
            metrics = self.best.metrics
        self.module.to("cpu").eval()
        ended = f"after epoch {trainer.current_epoch}"
        refuse_diverged_weights(self.module, self.lightning.trained if self.epochs else (), ended)
        if self.folder.writes:
            save_weights(self.module, self.folder.path / WEIGHTS, self.folder.facts["spec_sha256"])
        seconds = time.perf_counter() - self.started
        best = (
            {"epoch": self.best.epoch + 1, "val/loss/total": self.best.value}
            if self.best.epoch >= 0
            else None
        )
        self.folder.finish(
            "finished",
            epochs=trainer.current_epoch if self.epochs else 0,
            steps=trainer.global_step,
            trained=list(self.lightning.trained) if self.epochs else [],
            **(averaged.facts if averaged is not None else {"kept": self.session.config.keep}),
            best=best,
            metrics=metrics,
            seconds={"phase1": self.folder.facts["phase1"]["seconds"], "total": round(seconds, 3)},
        )
        self.folder.agree()
        if self.epochs:
            log.info("Training complete in %s: %s", _duration(seconds), summary(metrics))
            if best:
                log.info("Best validation loss: %.4g at epoch %d", self.best.value, best["epoch"])
            warn_of_divergence(metrics, ended)
        elif metrics:
            log.info("Validated: %s", summary(metrics))
        for line in self.lightning.left_out():
            log.warning("%s", line)
        leave_report(self.folder, self.module, self.session.datamodule, self.validates, self.session.config)
        return Run(self.folder.path, self.module, trainer, self.folder.facts)


def _validates(datamodule: LightningDataModule, config: TrainingConfig) -> bool:
    return config.trainer.limit_val_batches != 0 and is_overridden(
        "val_dataloader", datamodule, LightningDataModule
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02d}s" if minutes else f"{seconds:.1f}s"
