"""Scoring in memory: the predictor's kernel beside the contenders (a: PCA to three components, b: all bands)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import contenders
from benchmarks.measure import Contender, Work
from benchmarks.scenes import COMPONENTS, FULL, PCA, exported, scene
from cuvisc.runtime.inference import Predictor

SKLEARN_ONNX = "scikit-learn through skl2onnx"


def pca_work(side: int, bands: int, folder: Path, *, compiled: bool) -> Work:
    """MinMax → PCA(3) → RX → decision on one float32 cube."""
    flop = side * side * bands * COMPONENTS * 2
    return _work(
        f"pca-{bands}",
        f"MinMax → PCA(3) → RX → decision, {side}², {bands} bands",
        PCA,
        side,
        bands,
        flop,
        folder,
        compiled,
    )


def full_work(side: int, bands: int, folder: Path, *, compiled: bool) -> Work:
    """MinMax → RX over all bands on one float32 cube."""
    flop = side * side * bands * bands * 2
    return _work(
        f"rx-{bands}", f"MinMax → RX, {side}², {bands} bands", FULL, side, bands, flop, folder, compiled
    )


def _work(
    name: str, title: str, text: str, side: int, bands: int, flop: int, folder: Path, compiled: bool
) -> Work:
    made = exported(text, bands, folder / name)
    cube = scene(side, side, bands)
    work = Work(name, title, side * side, bands, made.scores(cube), cube.nbytes / 1e9, flop / 1e9)
    predictor = Predictor(made.folder, threads=1)
    work.add("cuvisc", lambda: predictor.predict(cube)["rx.scores"])
    counts = scene(side, side, bands, dtype="uint16")
    integer = exported(text, bands, folder / f"{name}-uint16", "uint16")
    other = Predictor(integer.folder, threads=1)
    run = Contender(
        "cuvisc, a cube of uint16", lambda: other.predict(counts)["rx.scores"], integer.scores(counts)
    )
    work.contenders.append(run)
    work.add("numpy, one affine map in strips", contenders.numpy_blocked(made, cube))
    work.add("ONNX Runtime, cuvisc's program before any pass", contenders.runtime_plain(made, cube))
    work.add("ONNX Runtime, as specified", contenders.runtime_as_specified(made, cube))
    work.add("torch eager, as specified", contenders.torch_eager(made, cube))
    if compiled:
        _add_if_possible(work, "torch.compile, as specified", lambda: contenders.torch_compiled(made, cube))
    work.add("scikit-learn", contenders.scikit_learn(made, cube))
    _add_if_possible(work, SKLEARN_ONNX, lambda: contenders.sklearn_onnx(made, cube))
    work.add("Spectral Python", contenders.spectral_python(made, cube))
    return work


def _add_if_possible(work: Work, name: str, make: Callable[[], contenders.Scores]) -> None:
    """Let a contender take part that needs what a machine may lack; whatever that is, is what is to be reported."""
    try:
        work.add(name, make())
    except Exception as error:
        work.add(name, None, note=f"absent: {(str(error) or type(error).__name__).splitlines()[0]}")
