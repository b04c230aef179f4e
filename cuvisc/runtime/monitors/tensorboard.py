"""Losses, metrics, figures, histograms, the graph and hyper-parameters to TensorBoard's event files.

The package `tensorboard` is imported when a run starts; without it there is one warning, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuvisc.compiler.graph import TypedGraph
from cuvisc.language.declare import Param
from cuvisc.language.leaf import MonitoringNode
from cuvisc.runtime.monitors.hyper_parameters import flat, hyper_parameters
from cuvisc.runtime.monitors.pictures import figure_pixels
from cuvisc.runtime.progress import log
from cuvisc.schema.writing import dump_yaml

if TYPE_CHECKING:
    from torch import Tensor

_COMPARED = ("train/loss/total", "val/loss/total")


class TensorBoardMonitor(MonitoringNode):
    """Write event files for TensorBoard: scalars, figures as images, histograms of weights and gradients, the graph.

    Hyper-parameters are those of the spec and of training, under names like nodes/pca/n_components. A `log_dir` that
    holds a run already gets a folder for the next one, named like its run folder. A resumed run goes on where it was.
    Show all: tensorboard --logdir runs
    """

    aliases = ("cuvis_ai.training.monitors.TensorBoardMonitor",)
    log_dir: str | None = Param(None, "folder of the event files; null: `tensorboard` in the run folder")
    flush_secs: int = Param(30, "seconds after which what was reported is on disk", ge=1)

    _writer: Any = None

    def setup(self, run_info: dict[str, Any]) -> None:
        self._writer = None
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            log.warning(
                "TensorBoardMonitor: the package tensorboard is not installed (pip install 'cuvisc[monitors]'); "
                "the run goes on without it"
            )
            return
        run, step = Path(run_info["folder"]), run_info.get("step")
        folder = _free_folder(self.log_dir, run) if step is None else _own_folder(self.log_dir, run)
        # Steps after the last whole epoch are made again; those of an interrupted one are not to be drawn.
        purge = None if step is None else step + 1
        self._writer = SummaryWriter(str(folder), flush_secs=self.flush_secs, purge_step=purge)
        if step is not None:
            return
        graph = run_info.get("graph")
        if isinstance(graph, TypedGraph):
            self._write_graph(graph)
        parameters = flat(hyper_parameters(run_info))
        if parameters:
            self._write_parameters(parameters)
        if run_info.get("spec"):
            self._writer.add_text("spec", _fenced("yaml", dump_yaml(run_info["spec"])))
        self._writer.flush()

    def log_metrics(self, metrics: dict[str, float], step: int, stage: str) -> None:
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(name, value, step)

    def log_artifact(self, artifact: dict[str, Any], name: str, step: int, stage: str) -> None:
        if self._writer is not None and artifact.get("figure") is not None:
            pixels = figure_pixels(artifact["figure"])
            self._writer.add_image(f"{stage}/figure/{name}", pixels, step, dataformats="HWC")

    def log_tensors(self, tensors: dict[str, Tensor], step: int, stage: str) -> None:
        if self._writer is None:
            return
        for name, values in tensors.items():
            finite = values[values.isfinite()]
            if finite.numel():
                self._writer.add_histogram(name, finite.float().numpy(force=True), step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_graph(self, graph: TypedGraph) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        from cuvisc.compiler.views.mermaid import draw_mermaid
        from cuvisc.compiler.views.summary import Summary
        from cuvisc.runtime.monitors.graph_def import graph_def

        self._writer.file_writer.add_event(Event(graph_def=graph_def(graph).SerializeToString()))
        self._writer.add_text("graph", _fenced("mermaid", draw_mermaid(Summary(graph))))

    def _write_parameters(self, parameters: Mapping[str, bool | int | float | str]) -> None:
        summaries: Any = import_module("torch.utils.tensorboard.summary")
        for summary in summaries.hparams(parameters, dict.fromkeys(_COMPARED, 0.0)):
            self._writer.file_writer.add_summary(summary)


def _free_folder(log_dir: str | None, run: Path) -> Path:
    """Two runs in one folder would be drawn as one line."""
    if log_dir is None:
        return run / "tensorboard"
    folder = Path(log_dir)
    return folder / run.name if _holds_run(folder) else folder


def _own_folder(log_dir: str | None, run: Path) -> Path:
    """The folder that a run which goes on has been given when it began."""
    if log_dir is None:
        return run / "tensorboard"
    folder = Path(log_dir)
    return folder / run.name if _holds_run(folder / run.name) else folder


def _holds_run(folder: Path) -> bool:
    return any(folder.glob("events.out.tfevents.*"))


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
