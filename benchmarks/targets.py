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
    "Memory is not all there is: a dot product for each component reads a strip three times, twice of them from the "
    "cache, and a float32 cube is read once before, to find pixels that are not finite. The table shows what that "
    "costs: a cube of uint16 needs no such look. Against ONNX Runtime and torch, the same share is what is missing."
)
_FLOAT64 = (
    "A float64 product has half the speed of a float32 one, and a float32 Gram matrix is no substitute: on real scenes "
    "with a covariance condition of 2.4e8 it is not positive definite. Splitting float64 into float32 or int8 terms "
    "takes three to four products and so saves nothing; taking leading components out first leaves a condition that "
    "still asks for float64. How near phase 1 comes to the float64 products alone stands in its table."
)
_PRODUCT = "The profile shows what is left: the products of matrices, which the other spends as well."


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
        reason = (
            "Reading, looking for pixels without data and writing take turns with the kernel, on one thread."
        )
        found.append(Outcome(title, "of the kernel's throughput", 0.7, file["share"], "%", reason=reason))
        peak = file["peak_megabytes"]
        reason = "A file mapped into memory counts as far as it was read, though the system may take its pages back."
        found.append(Outcome(title, "peak memory", 600, peak, "MB", at_most=True, reason=reason))
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
