"""Both phases of a typed graph in one run folder: statistics, then gradients under Lightning.

The weights a run ends with are those of the last epoch, or with `keep: best` those of the smallest val/loss/total;
`checkpoints/` holds both, with optimizer and scheduler, unless a ModelCheckpoint of the spec takes their place.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from lightning.pytorch import LightningDataModule, seed_everything

from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import build_module
from cuvisc.language.leaf import LeafNode, MonitoringNode
from cuvisc.language.node import Node
from cuvisc.runtime import launching
from cuvisc.runtime.components import make_config
from cuvisc.runtime.config import TrainingConfig
from cuvisc.runtime.environment import without_secrets
from cuvisc.runtime.epoch_state import STATE
from cuvisc.runtime.epochs import epochs_of
from cuvisc.runtime.faults import data_fault, memory_fault, option_fault, process_fault
from cuvisc.runtime.lightning_trainer import make_trainer, quiet_lightning
from cuvisc.runtime.lock import locked
from cuvisc.runtime.progress import log
from cuvisc.runtime.report.write import leave_report
from cuvisc.runtime.resuming import resume_run
from cuvisc.runtime.run_folder import CHECKPOINTS, WEIGHTS, RunFolder
from cuvisc.runtime.running import Run, Running, Session
from cuvisc.runtime.weights import load_weights
from cuvisc.schema.errors import DataError, SpecError

__all__ = ["Run", "train"]

_LESS = "; lower datamodule.batch_size, or train on tiles of the images (CubeFolder)"


def train(
    graph: TypedGraph,
    datamodule: LightningDataModule,
    config: TrainingConfig | None = None,
    *,
    run_dir: Path | None = None,
    force: bool = False,
    resume: Path | None = None,
    monitors: Sequence[MonitoringNode] = (),
    nodes: Mapping[str, Node] | None = None,
    leaves: Mapping[str, LeafNode] | None = None,
    overrides: Sequence[str] = (),
) -> Run:
    """Fit and train a graph; `config` stands for the spec's own, `nodes` and `leaves` for instances to use by id.

    `resume` is the folder of a run of this graph that was interrupted: it goes on after its last whole epoch, as if
    nothing had happened.

    Raises :class:`SpecError`, :class:`DataError` or :class:`DeviceError`, and KeyboardInterrupt when it is
    interrupted; the run folder says how the run ended in every case.
    """
    if not isinstance(datamodule, LightningDataModule):
        raise DataError(f"training reads a LightningDataModule, got a {type(datamodule).__name__}")
    config = config or make_config(graph.spec)
    session = Session(
        graph, datamodule, config, [*monitors, *config.monitor_plugins], nodes or {}, leaves or {}, overrides
    )
    epochs = epochs_of(graph, config)
    if resume is not None and run_dir is not None:
        raise SpecError("a run is resumed in its own folder; leave out `run_dir`")
    seed_everything(config.seed, workers=True, verbose=False)
    launching.refuse_other_launch(config.trainer)
    writes = launching.writes(config.trainer)
    if resume is not None:
        folder = RunFolder.reopen(resume, writes=writes)
    else:
        folder = RunFolder.create(graph.spec, run_dir, force=force, writes=writes)
    with locked(folder.path) if folder.writes else nullcontext():
        found = resume_run(folder, graph.spec, epochs) if resume is not None else None
        if resume is not None and found is None:
            return _finished_run(session, folder, epochs)
        try:
            return Running(session, folder, epochs, found).run()
        except BaseException as error:
            fault = (
                memory_fault(error, _LESS) or data_fault(error) or process_fault(error) or option_fault(error)
            )
            _record_end(folder, fault or error, session)
            leave_report(folder)
            if fault is not None:
                raise fault from error
            raise


def _record_end(folder: RunFolder, error: BaseException, session: Session) -> None:
    """Say in run.json how a run ended before its time; where even that cannot be written, say that."""
    if folder.facts.get("status") == "finished":
        return
    interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
    reason = without_secrets(str(error), *session.made_of)
    facts = {} if interrupted else {"error": {"type": type(error).__name__, "message": reason}}
    try:
        folder.finish("interrupted" if interrupted else "failed", **facts)
    except DataError as second:
        log.warning("%s", second)
    if folder.writes and (folder.path / CHECKPOINTS / STATE).is_file():
        log.info(
            "To go on after the last whole epoch: cuvisc train --resume %s", shlex.quote(str(folder.path))
        )


def _finished_run(session: Session, folder: RunFolder, epochs: int) -> Run:
    """A run with nothing left to do, as it was left."""
    module = build_module(session.graph, session.nodes)
    load_weights(module, folder.path / WEIGHTS)
    with quiet_lightning():
        trainer = make_trainer(session.config, epochs, folder.path / CHECKPOINTS, True, False, [])
    return Run(folder.path, module, trainer, folder.facts)
