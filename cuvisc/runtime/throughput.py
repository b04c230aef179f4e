"""How fast an artifact runs on this machine, beside how fast the machine reads memory. Never torch, lightning or onnx.

Every number is the median of rounds in which all devices and the reading take their turns, in seconds of the clock.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.spectral_contract import match_bands

ROUNDS = 9
_BYTES = 2**27
_IMAGE = 512


@dataclass(frozen=True)
class DeviceSpeed:
    """One device: the provider that ran, and what it did; `spread` is half the distance of the quartiles.

    `share_of_reading` is the rate at which the cube was taken in, over that at which one thread reads memory.
    """

    device: str
    provider: str
    mpixels_per_second: float
    ms_per_strip: float
    strip_pixels: int
    gigabytes_per_second: float
    share_of_reading: float
    spread: float


@dataclass(frozen=True)
class Throughput:
    """What was measured: the cube, this machine's reading of memory in GB/s, and every device."""

    cube: str
    shape: tuple[int, ...]
    dtype: str
    threads: int | None
    rounds: int
    reading: float
    peak_megabytes: float | None
    devices: tuple[DeviceSpeed, ...]


def measure_throughput(
    artifact: Artifact,
    path: Path | None = None,
    *,
    devices: Sequence[str] = ("cpu",),
    threads: int | None = None,
    rounds: int = ROUNDS,
) -> Throughput:
    """Run the artifact on the first rows of a cube, or on random numbers of the dtype it was trained on.

    At most 128 MB of it are held in memory, so that no file is waited for. Raises what a prediction raises.
    """
    predictors = [Predictor(artifact, device=device, threads=threads) for device in devices]
    name, cube = ("random numbers", _random(artifact)) if path is None else _first_rows(artifact, path)
    memory = np.ones(_BYTES // 4, np.float32)
    steps: list[Callable[[], Any]] = [lambda: np.dot(memory, memory)]
    steps += [lambda p=predictor: p.predict(cube) for predictor in predictors]  # type: ignore[misc]
    times = _in_turns(steps, rounds)
    reading = memory.nbytes / 1e9 / statistics.median(times[0])
    speeds = (_speed(p, cube, seconds, reading) for p, seconds in zip(predictors, times[1:], strict=True))
    return Throughput(
        cube=name,
        shape=cube.shape,
        dtype=cube.dtype.name,
        threads=threads,
        rounds=rounds,
        reading=reading,
        peak_megabytes=_peak_megabytes(),
        devices=tuple(speeds),
    )


def _speed(predictor: Predictor, cube: NDArray[Any], seconds: Sequence[float], reading: float) -> DeviceSpeed:
    pixels, middle = cube.size // cube.shape[-1], statistics.median(seconds)
    strip = predictor.strip_pixels(CubeSource.of(cube))
    low, high = np.percentile(seconds, [25, 75])
    rate = cube.nbytes / 1e9 / middle
    return DeviceSpeed(
        device=predictor.device,
        provider=predictor.provider,
        mpixels_per_second=pixels / 1e6 / middle,
        ms_per_strip=1e3 * middle * strip / pixels,
        strip_pixels=strip,
        gigabytes_per_second=rate,
        share_of_reading=rate / reading,
        spread=float((high - low) / 2 / middle),
    )


def _in_turns(steps: Sequence[Callable[[], Any]], rounds: int) -> list[list[float]]:
    """Seconds of every round of every step, after one that is not counted."""
    times: list[list[float]] = [[] for _ in steps]
    for turn in range(rounds + 1):
        for step, seconds in zip(steps, times, strict=True):
            started = time.perf_counter()
            step()
            if turn:
                seconds.append(time.perf_counter() - started)
    return times


def _random(artifact: Artifact) -> NDArray[Any]:
    manifest = artifact.manifest
    dtype, bands = np.dtype(manifest.input_dtype), manifest.channels or 1
    rows = max(1, min(_IMAGE, _BYTES // (_IMAGE * bands * dtype.itemsize)))
    random = np.random.default_rng(0)
    if dtype.kind == "f":
        return random.random((rows, _IMAGE, bands), np.float32).astype(dtype, copy=False)
    return random.integers(0, min(4096, np.iinfo(dtype).max), (rows, _IMAGE, bands), dtype, endpoint=True)


def _first_rows(artifact: Artifact, path: Path) -> tuple[str, NDArray[Any]]:
    """As many rows of the first image as are to be held; all of it for a graph that looks at whole images."""
    with CubeSource.open(path) as opened:
        source, _ = match_bands(artifact.manifest, opened)
        _, height, width, bands = source.shape
        row = width * bands * source.dtype.itemsize
        rows = min(height, max(1, _BYTES // row)) if artifact.manifest.pixelwise else height
        cube = np.empty((rows, width, bands), source.dtype)
        for block, spectra in source.blocks(width * rows):
            if block.image or block.top >= rows:
                break
            part = spectra[: rows - block.top]
            cube[block.top : block.top + len(part), block.left : block.right] = part
    return str(path), cube


def _peak_megabytes() -> float | None:
    """The largest memory this process has had, where the system says."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
