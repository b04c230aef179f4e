"""What was aimed for, and what a run reached of it; where it was missed, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNFUSED = "ONNX Runtime, as specified"
EAGER = "torch eager, as specified"
INCREMENTAL = "scikit-learn IncrementalPCA alone"
FLOAT32 = "numpy float32 X^T X alone"

_READ = (
    "Fusion leaves one reading of the cube, but the dot products that read it wait for memory (Gemm in the profile), "
    "one a component, the later ones from the cache. A float32 cube is read once more before, to find pixels that are "
    "not finite; a cube of uint16 needs no such look, and its row shows what that costs."
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
    "Reading the file, looking for pixels without data or not finite, and writing take their turns with the kernel on "
    "one thread; the faster the kernel, the larger their share."
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
    return found


def _medians(work: Mapping[str, Any]) -> dict[str, float]:
    return {timing["name"]: timing["median"] for timing in work["timings"]}


def _ratio(
    work: Mapping[str, Any], seconds: Mapping[str, float], other: str, wanted: float, reason: str
) -> Outcome:
    own = next(name for name in seconds if name.startswith("cuvisc"))
    return Outcome(
        work["title"], f"faster than {other}", wanted, seconds[other] / seconds[own], reason=reason
    )
