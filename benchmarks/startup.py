"""Cold processes (e): from the command to its end, when there is next to nothing to do; and what an export takes."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.files import Ended, run_cuvisc
from benchmarks.scenes import PCA, exported, fit, scene, typed
from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.compiler.lowering import lower

_STATISTICS_ALONE = "training: {trainer: {max_epochs: 0, accelerator: cpu}}\n"
PREDICT, TRAIN = "predict, 64 pixels", "train, statistics alone, 128²"
EXPORT = "export with TorchScript and parity"


def start_up(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """CPU and wall seconds of cold commands, and of code generation and a whole export in a warm process."""
    made = exported(PCA, 61, folder / "startup")
    spec, cube, output = folder / "spec.yaml", folder / "tiny.npy", folder / "tiny.npz"
    spec.write_text(
        f"{PCA}datamodule: {{type: CubeFiles, train: {folder / 'scene.npz'}}}\n{_STATISTICS_ALONE}"
    )
    np.save(cube, scene(8, 8, 61)[0])
    np.savez(folder / "scene.npz", cube=scene(128, 128, 61)[0])
    run, artifact = folder / "run", folder / "run-artifact"
    commands = {
        "validate": ("validate", str(spec)),
        PREDICT: ("predict", str(made.folder), str(cube), "-o", str(output), "--force"),
        "--help": ("--help",),
        TRAIN: ("train", str(spec), "--out", str(run), "--force"),
        "export": ("export", str(run), "-o", str(artifact), "--force"),
    }
    ends: dict[str, list[Ended]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, words in commands.items():
            ended = run_cuvisc(*words)
            if turn:
                ends[name].append(ended)
    found = {
        name: {
            key: statistics.median(getattr(ended, key) for ended in times)
            for key in ("cpu", "wall", "peak_megabytes")
        }
        for name, times in ends.items()
    }
    return found | _export_seconds(folder, rounds)


def _export_seconds(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    module, facts = fit(typed(PCA), [scene(96, 96, 61)])
    program = lower(module, facts.profile.moments)
    steps = {
        "passes": lambda: lower(module, facts.profile.moments),
        "ONNX from the program": lambda: generate_onnx(program.fused, "float32", {}),
        EXPORT: lambda: exported(PCA, 61, folder / "startup"),
    }
    found = {}
    for name, step in steps.items():
        seconds = []
        for _ in range(rounds):
            started = time.process_time()
            step()
            seconds.append(time.process_time() - started)
        found[name] = {"cpu": statistics.median(seconds)}
    return found
