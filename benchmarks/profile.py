"""Where the kernel's time goes: ONNX Runtime's own profile of one artifact, summed by operator."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.scenes import Cube

_STRIP_VALUES = 2**19
_TRIES = 3


def profile(folder: Path, cube: Cube) -> dict[str, float]:
    """The profile of the fastest of a few runs."""
    return min((_profile(folder, cube) for _ in range(_TRIES)), key=lambda found: sum(found.values()))


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
    step = _STRIP_VALUES // cube.shape[-1] // 16 * 16
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
