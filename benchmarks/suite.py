"""What is measured, in which order and at which sizes; results as plain data."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import peers, scaling
from benchmarks.epochs import epoch_times
from benchmarks.files import predict_file
from benchmarks.fitting import fit_work
from benchmarks.machine import ceilings, describe
from benchmarks.measure import Work, measure
from benchmarks.profile import fit_profile, profile
from benchmarks.scenes import scene
from benchmarks.scoring import full_work, pca_work
from benchmarks.startup import start_up

_WORKS = ("pca-61", "pca-200", "rx-61", "rx-200", "fit-61", "fit-200")
NAMES = (*_WORKS, "peers", "epochs", "files", "startup", "scaling")
TOO_WRONG = 1e-2
"""A contender whose result is further from float64 than this does other work, and stops the run."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    quick: bool
    only: tuple[str, ...]
    rounds: int | None = None
    megabytes: float = 1000

    @property
    def turns(self) -> int:
        return self.rounds or (2 if self.quick else 9)


def run(options: Options) -> dict[str, Any]:
    """Everything asked for, in one process."""
    torch.set_num_threads(1)
    logging.getLogger("cuvisc").setLevel(logging.WARNING)
    quick, turns = options.quick, options.turns
    results: dict[str, Any] = {"machine": describe(), "quick": quick}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [work for work in _WORKS if work in options.only]
        if chosen:
            results["ceilings"] = ceilings(turns, 256 if quick else 1024, 8 if quick else 200)
            results["works"] = {name: _timed(_make(name, folder, quick), turns, folder) for name in chosen}
        if "peers" in options.only:
            sizes = ((2, 32, 9),) if quick else peers.SIZES
            side, bands = (48, 9) if quick else (512, 200)
            results["peers"] = _said("peers", lambda: peers.compare(folder, turns, sizes))
            results["scene"] = _said("one scene", lambda: peers.one_scene(folder, turns, side, bands))
        if "epochs" in options.only:
            size = (1, 2, 16, 24) if quick else (8, 8, 128, 61)
            results["epochs"] = _said("epochs", lambda: epoch_times(folder, *size))
        if "files" in options.only:
            size = 8 if quick else options.megabytes
            cases = (("pca", 61, "uint16"), ("rx", 61, "uint16"), ("pca", 200, "float32"))
            repeats = 1 if quick else 9
            results["files"] = [
                _said(case[0], lambda c=case: predict_file(*c, size, folder, repeats)) for case in cases
            ]
        if "startup" in options.only:
            results["startup"] = _said("startup", lambda: start_up(folder, 1 if quick else 5))
        if "scaling" in options.only:
            results["scaling"] = _said("scaling", lambda: _scaling(folder, quick))
    return results


def _make(name: str, folder: Path, quick: bool) -> Work:
    kind, _, number = name.partition("-")
    bands = int(number)
    if kind == "fit":
        images, side = (2, 32) if quick else (8, 128) if bands == 61 else (4, 145)
        return fit_work(images, side, bands)
    if kind == "pca":
        return pca_work(48 if quick else 512, bands, folder, compiled=not quick)
    return full_work(48 if quick else 1024 if bands == 61 else 512, bands, folder, compiled=not quick)


def _timed(work: Work, rounds: int, folder: Path) -> dict[str, Any]:
    timings = _said(work.name, lambda: measure(work, rounds))
    for timing in timings:
        if timing.error is not None and timing.error > TOO_WRONG:
            raise ValueError(f"{timing.name} is {timing.error:.1e} from the float64 result of {work.title}")
    found = {
        "title": work.title,
        "pixels": work.pixels,
        "bands": work.bands,
        "gigabytes": work.gigabytes,
        "gflop": work.gflop,
        "timings": [{**vars(timing), "median": timing.median, "spread": timing.spread} for timing in timings],
    }
    artifact = folder / work.name
    if artifact.is_dir():
        side = round(work.pixels**0.5)
        found["profile"] = profile(artifact, scene(side, side, work.bands))
    if work.name.startswith("fit"):
        own = next(timing.median for timing in timings if timing.name.startswith("cuvisc"))
        found["profile"] = fit_profile(work.cube, own)
    return found


def _scaling(folder: Path, quick: bool) -> dict[str, Any]:
    factors = (1, 4) if quick else (1, 2, 4, 8, 16, 32, 64)
    bands = (8, 16) if quick else (16, 32, 61, 100, 150, 200, 256)
    nodes = (1, 2) if quick else (1, 2, 4, 8, 16, 32)
    rounds = 1 if quick else 3
    return {
        "pixels": scaling.by_pixels(folder, rounds, factors, 0.5 if quick else 16),
        "bands": scaling.by_bands(folder, rounds, bands, 32 if quick else 256),
        "nodes": scaling.by_nodes(rounds, nodes),
    }


def _said(name: str, step: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = step()
    print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return result
