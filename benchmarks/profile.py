"""Where the kernel's time goes: ONNX Runtime's own profile of one artifact, summed by operator."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.fitting import gram
from benchmarks.scenes import Cube
from cuvisc.language.statistics import ExtremaAccumulator, MomentsAccumulator
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.sample import PixelSample

_TRIES = 3


def profile(folder: Path, cube: Cube) -> dict[str, float]:
    """The profile of the fastest of a few runs."""
    return min((_profile(folder, cube) for _ in range(_TRIES)), key=lambda found: sum(found.values()))


def fit_profile(cube: Cube, whole: float) -> dict[str, float]:
    """Milliseconds of the parts of phase 1, each made alone; `whole` is what all of it takes, in seconds."""
    images = [image.reshape(-1, cube.shape[-1]) for image in cube]

    def measured(make: Callable[[], Any]) -> float:
        seconds = []
        for _ in range(_TRIES):
            accumulator, started = make(), time.process_time()
            for image in images:
                accumulator.update(image)
            seconds.append(time.process_time() - started)
        return min(seconds) * 1e3

    flat, seconds = cube.reshape(-1, cube.shape[-1]), []
    for _ in range(_TRIES):
        started = time.process_time()
        gram(flat, np.float64)
        seconds.append(time.process_time() - started)
    products = min(seconds) * 1e3
    parts = {
        "products of float64 blocks": products,
        "centring and sums": max(0.0, measured(MomentsAccumulator) - products),
        "extrema": measured(ExtremaAccumulator),
        "a sample for the export": measured(PixelSample),
    }
    return {**parts, "solving and all else": max(0.0, whole * 1e3 - sum(parts.values()))}


def _profile(folder: Path, cube: Cube) -> dict[str, float]:
    """Milliseconds of every operator over the whole cube in the predictor's strips, and outside any operator."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session: Any = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    flat = cube.reshape(-1, cube.shape[-1])
    step = Predictor(folder).strip_pixels(CubeSource.of(cube))
    for start in range(0, len(flat), step):
        session.run(None, {"cube": flat[start : start + step][None, None]})
    written = session.end_profiling()
    events = json.loads(Path(written).read_text())
    os.unlink(written)
    found: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    for event in events:
        if event["name"] == "model_run":
            total += event["dur"] / 1e3
        elif event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            found[event["args"]["op_name"]] += event["dur"] / 1e3
    found["outside"] = total - sum(found.values())
    return dict(sorted(found.items(), key=lambda item: -item[1]))
