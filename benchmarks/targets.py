"""What was aimed for, and what a run reached of it; where it was missed, why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import BEST, OWN
from benchmarks.startup import EXPORT, PREDICT, TRAIN

UNFUSED = "ONNX Runtime, as specified"
EAGER = "torch eager, as specified"
INCREMENTAL = "scikit-learn IncrementalPCA alone"
FLOAT32 = "numpy float32 X^T X alone"
_BESIDE_CUVIS_AI = {
    ("fit", 61): 10.0,
    ("fit", 200): 10.0,
    ("pca", 61): 4.0,
    ("pca", 200): 11.0,
    ("rx", 61): 2.8,
    ("rx", 200): 1.9,
}

_READ = (
    "Fusion leaves one reading of the cube, but the dot products that read it wait for memory (Gemm in the profile), "
    "one a component, the later ones from the cache. A float32 cube is read once more before, to find pixels that are "
    "not finite; a cube of uint16 needs no such look, and its row shows what that costs. At 200 bands looking at the "
    "scores instead was slower: the look reads memory in order, and the product then finds the strip in the cache."
)
_FLOAT64 = (
    "A float64 product has half the speed of a float32 one, and float32 does not do: on four real scenes of 175 to 205 "
    "bands with covariance conditions of 4e6 to 2e8, float32 products miss RX scores by 3e-3 to 5e-2 or are not "
    "positive definite. What repairs them takes longer than float64: leading components taken out first 1.4 times as "
    "long, with errors up to 4e-5; whitening by a first block 1.5 times, up to 5e-6; integers in two parts with exact "
    "products 2.1 times, 2e-10. How near phase 1 comes to the float64 products alone stands in its table."
)
_PRODUCT = (
    "What is left is the product of matrices itself (Gemm in the profile), narrower and so slower than the square one "
    "of the ceiling, and the copies and squares beside it; the others spend the same product, undivided."
)
_FILE = (
    "Reading and writing go on beside the kernel, on threads of their own, and need a second core that is free. The "
    "system copies a file hardly faster than a fused kernel computes, both want the same memory, and what is done for "
    "every block in Python holds up the others. The slower the kernel, the less of this shows."
)
_SIMPLE = (
    "The best simple version fits in float32, at twice the speed of float64, and takes neither the extrema nor the "
    "sample that an export needs. What float32 loses is said above; the profile of phase 1 shows what each part takes."
)
_STRIPS = (
    "The same product in other hands, which looks for no pixel that is not finite: that reads the cube once more. In "
    "the profiles, what is not Gemm is what ONNX Runtime does around it for every strip."
)
_DERIVED = (
    "No measurement of cuvis-ai: derived through the best simple version, so within the ±30 % of that comparison, and "
    "behind where cuvisc is behind the best simple version."
)
_COLD_CUVIS_AI = 8.8
_COLD = (
    f"Set beside {_COLD_CUVIS_AI} s of CPU time measured before on another machine. Most of a cold training is the "
    "import of Lightning and torch; `train` reads, fits, validates and writes a whole run folder with "
    "its report besides. What needs no training needs neither: `validate`, `predict`, `evaluate`."
)
_CACHE = (
    "Before the first node that phase 4 trains there is the normaliser alone, and to recognise an image by all its "
    "pixels reads as much memory as to normalise it. The other rows show what is saved where more is frozen."
)


@dataclass(frozen=True)
class Outcome:
    """One target: what is compared, the least that was wanted, what was found."""

    work: str
    what: str
    wanted: float
    found: float
    unit: str = "×"
    at_most: bool = False
    reason: str = ""

    @property
    def met(self) -> bool:
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    def value(self, number: float) -> str:
        """A number of this target as text."""
        return (
            f"{number:.0%}"
            if self.unit == "%"
            else f"{number:.0f} MB"
            if self.unit == "MB"
            else f"{number:.2f} s"
            if self.unit == "s"
            else f"{number:.1f}×"
        )


def outcomes(results: Mapping[str, Any]) -> list[Outcome]:
    """The targets that the run measured."""
    found: list[Outcome] = []
    works, ceilings = results.get("works", {}), results.get("ceilings", {})
    for name, unfused, eager, share in (
        ("pca-61", 8, 20, 0.5),
        ("pca-200", 5, 25, 0.5),
        ("rx-61", 4, 9, 0.65),
        ("rx-200", 2.5, 6, 0.85),
    ):
        if name not in works:
            continue
        work = works[name]
        seconds = _medians(work)
        bound = _READ if name.startswith("pca") else _PRODUCT
        found.append(_ratio(work, seconds, UNFUSED, unfused, bound))
        found.append(_ratio(work, seconds, EAGER, eager, bound))
        if "read" in ceilings and name.startswith("pca"):
            rate = work["gigabytes"] / seconds["cuvisc"] / ceilings["read"]["rate"]
            found.append(Outcome(work["title"], "of the read bandwidth", share, rate, "%", reason=_READ))
        elif ceilings:
            best = max(ceilings[key]["rate"] for key in ("sgemm numpy", "sgemm onnxruntime"))
            rate = work["gflop"] / seconds["cuvisc"] / best
            found.append(
                Outcome(work["title"], "of sgemm, zeros counted as work", share, rate, "%", reason=_PRODUCT)
            )
    for name in ("fit-61", "fit-200"):
        if name in works:
            work = works[name]
            seconds = _medians(work)
            found.append(_ratio(work, seconds, INCREMENTAL, 18, _FLOAT64))
            rate = seconds[FLOAT32] / seconds["cuvisc, one pass"]
            found.append(Outcome(work["title"], "of a bare float32 X^T X", 0.85, rate, "%", reason=_FLOAT64))
    for file in results.get("files", []):
        size, kind, bands = file["megabytes"], file["kind"], file["bands"]
        title = f"predict on a file of {size:.0f} MB, {kind}, {bands} bands, {file['dtype']}"
        found.append(Outcome(title, "of the kernel's throughput", 0.7, file["share"], "%", reason=_FILE))
        peak = file["peak_megabytes"]
        found.append(Outcome(title, "peak memory", 600, peak, "MB", at_most=True, reason=_FILE))
    return [*found, *_beside_peers(results), *_of_epochs(results), *_of_start_up(results)]


def _beside_peers(results: Mapping[str, Any]) -> Iterator[Outcome]:
    for row in results.get("peers", []):
        key, work = (row["kind"], row["bands"]), f"{row['title']}, {row['size']}, {row['bands']} bands"
        ratio = row["seconds"][BEST] / row["seconds"][OWN]
        yield Outcome(
            work, f"faster than the {BEST}", 1.0, ratio, reason=_SIMPLE if key[0] == "fit" else _STRIPS
        )
        if key in _BESIDE_CUVIS_AI:
            yield _derived(work, _BESIDE_CUVIS_AI[key], row["beside cuvis-ai"])
    for row in results.get("scene", []):
        if row["kind"] == "pca":
            yield _derived(f"{row['title']}, one scene of {row['size']}", 25, row["beside cuvis-ai"])


def _derived(work: str, wanted: float, found: float) -> Outcome:
    return Outcome(work, "faster than cuvis-ai 0.19.3, derived", wanted, found, reason=_DERIVED)


def _of_epochs(results: Mapping[str, Any]) -> Iterator[Outcome]:
    for row in results.get("epochs", []):
        if row["graph"].startswith("phase 4"):
            yield Outcome("an epoch of phase 4", "faster with the cache", 2.0, row["ratio"], reason=_CACHE)


def _of_start_up(results: Mapping[str, Any]) -> Iterator[Outcome]:
    seconds = {name: facts["cpu"] for name, facts in results.get("startup", {}).items()}
    if seconds:
        yield Outcome("start-up", PREDICT, 0.6, seconds[PREDICT], "s", at_most=True)
        yield Outcome("after imports", EXPORT, 1.0, seconds[EXPORT], "s", at_most=True)
        both = _COLD_CUVIS_AI / (seconds[TRAIN] + seconds[PREDICT])
        work = "cold processes that train and score, CPU time"
        yield Outcome(work, "faster than cuvis-ai 0.19.3, derived", 2.0, both, reason=_COLD)


def _medians(work: Mapping[str, Any]) -> dict[str, float]:
    return {timing["name"]: timing["median"] for timing in work["timings"]}


def _ratio(
    work: Mapping[str, Any], seconds: Mapping[str, float], other: str, wanted: float, reason: str
) -> Outcome:
    own = next(name for name in seconds if name.startswith("cuvisc"))
    return Outcome(
        work["title"], f"faster than {other}", wanted, seconds[other] / seconds[own], reason=reason
    )
