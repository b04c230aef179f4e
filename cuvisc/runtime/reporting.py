"""What Lightning logs to every monitor of a run, its own files first. A monitor may fail, the run may not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from torch import Tensor

from cuvisc.language.leaf import MonitoringNode
from cuvisc.runtime.monitors.dummy import DummyMonitor
from cuvisc.runtime.progress import log

_STAGES = ("train", "val", "test")


class Reporters:
    """The monitors of a run. One that raises is left out from then on, after one warning.

    Of several processes only the first one `reports`.
    """

    def __init__(self, monitors: Sequence[MonitoringNode], folder: Path, reports: bool = True) -> None:
        own = any(isinstance(m, DummyMonitor) and m.output_dir is None for m in monitors)
        self.folder = folder
        wanted = list(monitors) if own else [DummyMonitor(), *monitors]
        self._active = wanted if reports else []
        self._silenced: set[str] = set()

    def setup(self, run_info: dict[str, Any]) -> None:
        """Start every monitor."""
        self._tell(lambda monitor: monitor.setup({**run_info, "folder": str(self.folder)}))

    def log_metrics(self, metrics: dict[str, float], step: int, epoch: int | None) -> None:
        """Report values; the stage is the first part of a name."""
        stages: dict[str, dict[str, float]] = {}
        for name, value in metrics.items():
            first = name.partition("/")[0]
            stages.setdefault(first if first in _STAGES else "train", {})[name] = float(value)
        for stage, named in stages.items():
            self._tell(_metrics_call(named, step, stage), epoch)

    def log_figure(
        self, name: str, draw: Callable[[], dict[str, Any]], step: int, stage: str, epoch: int | None
    ) -> None:
        """Draw a figure and report it; one that cannot be drawn is a warning."""
        try:
            artifact = draw()
        except Exception as error:
            if name not in self._silenced:
                self._silenced.add(name)
                log.warning("`%s` cannot be drawn: %s; the run goes on", name, _fact(error))
            return
        self._tell(lambda monitor: monitor.log_artifact(artifact, name, step, stage), epoch)
        # Only figures made through pyplot are kept by matplotlib.
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None and artifact.get("figure") is not None:
            pyplot.close(artifact["figure"])

    @property
    def wants_tensors(self) -> bool:
        """Whether some monitor reports how values are distributed."""
        return any(type(m).log_tensors is not MonitoringNode.log_tensors for m in self._active)

    def log_tensors(self, tensors: dict[str, Tensor], step: int, epoch: int) -> None:
        """Report how weights and gradients are distributed."""
        self._tell(lambda monitor: monitor.log_tensors(tensors, step, "train"), epoch)

    def close(self) -> None:
        """Finish every monitor."""
        self._tell(lambda monitor: monitor.close())
        self._active = []

    def _tell(self, what: Callable[[MonitoringNode], None], epoch: int | None = None) -> None:
        for monitor in tuple(self._active):
            monitor.epoch = epoch
            try:
                what(monitor)
            except Exception as error:
                self._active.remove(monitor)
                log.warning("%s reports no more: %s; the run goes on", type(monitor).__name__, _fact(error))


def _metrics_call(named: dict[str, float], step: int, stage: str) -> Callable[[MonitoringNode], None]:
    return lambda monitor: monitor.log_metrics(named, step, stage)


def _fact(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class MonitorLogger(Logger):
    """Lightning's view of the monitors."""

    def __init__(self, reporters: Reporters, name: str) -> None:
        super().__init__()
        self._reporters = reporters
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def version(self) -> str:
        # Runs are told apart by their folders; Lightning would show a version on every bar.
        return ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        self._reporters.log_metrics(values, step or 0, None if epoch is None else int(epoch))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Monitors are told of the spec when they are set up."""
