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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Timing, relative_error
from benchmarks.scenes import FULL, PCA, exported, scene
from cuvisc.runtime.inference import Predictor

_ROWS = 256
_KERNEL_RUNS = 8
_PART = 2**23
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


def read_once(path: Path) -> None:
    """Have the system hold a file in memory: what a disk takes says nothing about a command."""
    with path.open("rb", buffering=0) as file:
        part = bytearray(_PART)
        while file.readinto(part):
            pass


class _Clocks(NamedTuple):
    """Seconds by the clock and of the processor."""

    wall: float
    cpu: float


def _kernel(predictor: Predictor, cube: NDArray[Any]) -> _Clocks:
    """Of one pixel in memory, over several runs."""
    began, started = time.perf_counter(), time.process_time()
    for _ in range(_KERNEL_RUNS):
        predictor.predict(cube)
    pixels = _KERNEL_RUNS * (cube.size // cube.shape[-1])
    return _Clocks((time.perf_counter() - began) / pixels, (time.process_time() - started) / pixels)


def predict_file(
    kind: str, bands: int, dtype: str, megabytes: float, folder: Path, rounds: int
) -> dict[str, Any]:
    """The command on a file, in turn with itself on a few pixels and with the kernel in memory.

    Shares are of what the kernel took in the same round; the start of the command is the median of all rounds.
    """
    made = exported({"pca": PCA, "rx": FULL}[kind], bands, folder / f"file-{kind}-{bands}-{dtype}", dtype)
    path, tiny, output = folder / "cube.npy", folder / "tiny.npy", folder / "scores.npz"
    rows, columns = write_cube(path, megabytes, bands, dtype)
    small = scene(min(rows, 512), columns, bands, dtype=dtype)
    np.save(tiny, small[0, :8, :8])
    predictor = Predictor(made.folder, threads=1)
    predictor.predict(small)
    kernel: list[_Clocks] = []
    cold, ends = [], []
    options = ("-o", str(output), "--threads", "1", "--force")
    for _ in range(rounds):
        cold.append(run_cuvisc("predict", str(made.folder), str(tiny), *options))
        kernel.append(_kernel(predictor, small))
        read_once(path)
        ends.append(run_cuvisc("predict", str(made.folder), str(path), *options))
    with np.load(output) as written:
        found = written["rx.scores"][:_ROWS]
    error = relative_error(found, made.scores(scene(_ROWS, columns, bands, dtype=dtype))[: found.size])
    path.unlink()
    output.unlink()
    start = _Clocks(statistics.median(c.wall for c in cold), statistics.median(c.cpu for c in cold))
    pixels = rows * columns
    shares = [k.wall * pixels / (ended.wall - start.wall) for k, ended in zip(kernel, ends, strict=True)]
    cpu_shares = [k.cpu * pixels / (ended.cpu - start.cpu) for k, ended in zip(kernel, ends, strict=True)]
    share = Timing("share", shares)
    return {
        "kind": kind,
        "bands": bands,
        "dtype": dtype,
        "megabytes": megabytes,
        "pixels": pixels,
        "kernel_mpixels_per_second": 1e-6 / statistics.median(k.wall for k in kernel),
        "mpixels_per_second": 1e-6 * pixels / (statistics.median(e.wall for e in ends) - start.wall),
        "share": share.median,
        "spread": share.spread,
        "cpu_share": statistics.median(cpu_shares),
        "error": error,
        "cpu": statistics.median(ended.cpu for ended in ends),
        "wall": statistics.median(ended.wall for ended in ends),
        "peak_megabytes": max(ended.peak_megabytes for ended in ends),
    }
