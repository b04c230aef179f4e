"""`cuvisc predict` on a large file, in a process of its own (d): its share of the kernel's throughput, its memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import relative_error
from benchmarks.scenes import FULL, PCA, exported, scene
from cuvisc.runtime.inference import Predictor

_ROWS = 256
_CHILD = """
import atexit, runpy, sys
def say():
    lines = open("/proc/self/status").read().splitlines()
    print(next(line for line in lines if line.startswith("VmHWM")), file=sys.stderr, flush=True)
atexit.register(say)
runpy.run_module("cuvisc", run_name="__main__", alter_sys=True)
"""
"""The command in a process that says its own peak of memory last: what its parent is told counts the parent's too."""


@dataclass(frozen=True)
class Ended:
    """What a process printed and took."""

    output: str
    wall: float
    cpu: float
    peak_megabytes: float


def run_cuvisc(*words: str, threads: int = 1) -> Ended:
    """Run the command, with its own peak of memory and CPU time; raises RuntimeError when it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[str] = []
    reader = threading.Thread(target=lambda stream: errors.append(stream.read()), args=(process.stderr,))
    reader.start()
    output = process.stdout.read()
    reader.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    process.stdout.close()
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"cuvisc {' '.join(words[:1])} failed: {''.join(errors)}")
    kilobytes = float("".join(errors).rpartition("VmHWM:")[2].split()[0])
    return Ended(output, wall, usage.ru_utime + usage.ru_stime, kilobytes / 1024)


def write_cube(path: Path, megabytes: float, bands: int, dtype: str) -> tuple[int, int]:
    """A `.npy` cube of about that size, written in strips; returns rows and columns."""
    columns = 512
    rows = max(_ROWS, round(megabytes * 1e6 / (columns * bands * np.dtype(dtype).itemsize)))
    strip = scene(_ROWS, columns, bands, dtype=dtype)[0]
    cube = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, columns, bands))
    for top in range(0, rows, _ROWS):
        cube[top : top + _ROWS] = strip[: rows - top]
    cube.flush()
    return rows, columns


def predict_file(
    kind: str, bands: int, dtype: str, megabytes: float, folder: Path, rounds: int
) -> dict[str, Any]:
    """The command on a file, in turn with itself on a few pixels and with the kernel in memory; medians of CPU time."""
    made = exported({"pca": PCA, "rx": FULL}[kind], bands, folder / f"file-{kind}-{bands}-{dtype}", dtype)
    path, tiny, output = folder / "cube.npy", folder / "tiny.npy", folder / "scores.npz"
    rows, columns = write_cube(path, megabytes, bands, dtype)
    small = scene(min(rows, 512), columns, bands, dtype=dtype)
    np.save(tiny, small[0, :8, :8])
    predictor = Predictor(made.folder, threads=1)
    predictor.predict(small)
    kernel, walls, cold, ends = [], [], [], []
    options = ("-o", str(output), "--threads", "1", "--force")
    for _ in range(rounds):
        began, started = time.perf_counter(), time.process_time()
        predictor.predict(small)
        kernel.append((time.process_time() - started) / (small.size // bands))
        walls.append((time.perf_counter() - began) / (small.size // bands))
        cold.append(run_cuvisc("predict", str(made.folder), str(tiny), *options))
        ends.append(run_cuvisc("predict", str(made.folder), str(path), *options))
    with np.load(output) as written:
        found = written["rx.scores"][:_ROWS]
    error = relative_error(found, made.scores(scene(_ROWS, columns, bands, dtype=dtype))[: found.size])
    path.unlink()
    output.unlink()
    cpu, wall = (
        (np.median([getattr(e, key) for e in ends]) - np.median([getattr(c, key) for c in cold]))
        / (rows * columns)
        for key in ("cpu", "wall")
    )
    return {
        "kind": kind,
        "bands": bands,
        "dtype": dtype,
        "megabytes": megabytes,
        "pixels": rows * columns,
        "kernel_mpixels_per_second": float(1e-6 / np.median(walls)),
        "mpixels_per_second": float(1e-6 / wall),
        "share": float(np.median(walls) / wall),
        "cpu_share": float(np.median(kernel) / cpu),
        "error": error,
        "cpu": statistics.median(ended.cpu for ended in ends),
        "wall": statistics.median(ended.wall for ended in ends),
        "peak_megabytes": max(ended.peak_megabytes for ended in ends),
    }
