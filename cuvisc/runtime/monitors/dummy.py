"""Metrics and figures to files; needs no service and no package. Matplotlib is imported when a figure arrives."""

import json
import math
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from cuvisc.language.declare import Param
from cuvisc.language.leaf import MonitoringNode
from cuvisc.runtime.atomic import write_text


class DummyMonitor(MonitoringNode):
    """Write metrics.jsonl, and figures as PNG with their data as .npz, into a folder.

    A line of metrics.jsonl is {"step", "epoch", "stage", "name", "value", "time"}; a value that is not finite is null.
    Every run starts the file anew; a resumed one goes on after its last whole epoch. Figures are
    figures/<leaf>-<stage>-<step>.png.
    """

    aliases = ("cuvis_ai.training.monitors.DummyMonitor",)
    output_dir: str | None = Param(None, "folder; null: the run folder")
    write_pickle: bool = Param(False, "write the data of figures as .pkl too; cuvisc never reads such files")

    def setup(self, run_info: dict[str, Any]) -> None:
        self._folder = Path(self.output_dir or run_info["folder"])
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "metrics.jsonl"
        resumed = run_info.get("resumed")
        if resumed is not None and file.is_file():
            write_text(file, "".join(_lines_before(file, resumed)))
        self._lines: TextIO = file.open("w" if resumed is None else "a", encoding="utf-8")

    def log_metrics(self, metrics: dict[str, float], step: int, stage: str) -> None:
        now = round(time.time(), 3)
        for name, value in metrics.items():
            line = {
                "step": step,
                "epoch": self.epoch,
                "stage": stage,
                "name": name,
                "value": value if math.isfinite(value) else None,
                "time": now,
            }
            self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()

    def log_artifact(self, artifact: dict[str, Any], name: str, step: int, stage: str) -> None:
        folder = self._folder / "figures"
        folder.mkdir(exist_ok=True)
        stem = folder / f"{name}-{stage}-{step:06d}"
        figure, data = artifact.get("figure"), artifact.get("data") or {}
        if figure is not None:
            from matplotlib.backends.backend_agg import FigureCanvasAgg

            FigureCanvasAgg(figure).print_figure(f"{stem}.png")
        arrays = {key: np.asarray(value) for key, value in data.items()}
        plain = {key: array for key, array in arrays.items() if array.dtype != object}
        if plain:
            np.savez_compressed(f"{stem}.npz", allow_pickle=False, **plain)
        if self.write_pickle:
            with Path(f"{stem}.pkl").open("wb") as stream:
                pickle.dump(arrays, stream)

    def close(self) -> None:
        self._lines.flush()
        os.fsync(self._lines.fileno())
        self._lines.close()


def _lines_before(file: Path, epoch: int) -> Iterator[str]:
    """The whole lines of a file that were written in earlier epochs."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                written = json.loads(line)["epoch"]
            except (ValueError, KeyError, TypeError):
                continue
            if line.endswith("\n") and (written is None or written < epoch):
                yield line
