"""Compares what a model computed with what its float64 reference says, output by output. NumPy only.

Export decides with it whether an artifact is kept, `verify` whether it still computes the same elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tolerance:
    """How far an output may be from its reference.

    A number may differ by ``absolute + relative * max(|reference|, rms of the reference)``: relative where the value is
    large, and relative to the output as a whole where it happens to pass through zero. Of values that are counted
    rather than measured (bool, integer) the fraction ``flipped`` may differ.
    """

    relative: float = 1e-4
    absolute: float = 1e-6
    flipped: float = 0.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tolerance:
        """From the mapping in `parity.json`; raises ValueError when it is not one."""
        known = {"relative", "absolute", "flipped"}
        if set(data) - known or not all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
            for value in data.values()
        ):
            raise ValueError(f"a tolerance has {', '.join(sorted(known))}, numbers >= 0; got {dict(data)!r}")
        return cls(**{name: float(value) for name, value in data.items()})

    def to_json(self) -> dict[str, float]:
        """The mapping for `parity.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Measurement:
    """The comparison of one output.

    `error` is the largest difference in units of what is allowed (<= 1 passes); for bool and integer outputs the
    differing fraction in the same sense. `largest` is the largest absolute difference, `differing` the number of values
    beyond the tolerance (or flipped), of `count`. `problem` is empty when the output passes.
    """

    output: str
    count: int
    largest: float
    differing: int
    error: float
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the output is within tolerance."""
        return not self.problem

    def to_json(self) -> dict[str, Any]:
        """The mapping for `parity.json`."""
        return asdict(self)


def compare_outputs(
    expected: Mapping[str, NDArray[Any]], got: Mapping[str, NDArray[Any]], tolerance: Tolerance
) -> list[Measurement]:
    """One :class:`Measurement` for every expected output, in their order, then one for every unexpected output."""
    measured = [
        _compare(name, reference, got[name], tolerance)
        if name in got
        else Measurement(name, reference.size, np.inf, reference.size, np.inf, "is missing")
        for name, reference in expected.items()
    ]
    measured += [
        Measurement(name, value.size, np.inf, value.size, np.inf, "is not in the reference")
        for name, value in got.items()
        if name not in expected
    ]
    return measured


def _compare(name: str, reference: NDArray[Any], value: NDArray[Any], tolerance: Tolerance) -> Measurement:
    if reference.shape != value.shape:
        return Measurement(
            name, reference.size, np.inf, reference.size, np.inf,
            f"has shape {_shape(value)}, the reference {_shape(reference)}",
        )  # fmt: skip
    if value.dtype.kind in "bui":
        return _compare_counted(name, reference, value, tolerance)
    return _compare_measured(name, reference.astype(np.float64), value.astype(np.float64), tolerance)


def _compare_counted(
    name: str, reference: NDArray[Any], value: NDArray[Any], tolerance: Tolerance
) -> Measurement:
    flipped = int(np.count_nonzero(reference.astype(np.float64) != value.astype(np.float64)))
    fraction = flipped / max(reference.size, 1)
    error = fraction / tolerance.flipped if tolerance.flipped else (np.inf if flipped else 0.0)
    problem = ""
    if error > 1:
        allowed = f"; allowed {tolerance.flipped:.3g} of all" if tolerance.flipped else ""
        problem = f"differs in {flipped} of {reference.size} values{allowed}"
    return Measurement(name, reference.size, float(flipped > 0), flipped, float(error), problem)


def _compare_measured(
    name: str, reference: NDArray[np.float64], value: NDArray[np.float64], tolerance: Tolerance
) -> Measurement:
    finite = np.isfinite(reference)
    same = np.where(
        finite, np.isfinite(value), (reference == value) | (np.isnan(reference) & np.isnan(value))
    )
    if not same.all():
        wrong = int(np.count_nonzero(~same))
        problem = (
            f"is finite where the reference is not, or the reverse, in {wrong} of {reference.size} values"
        )
        return Measurement(name, reference.size, np.inf, wrong, np.inf, problem)
    if not finite.any():
        return Measurement(name, reference.size, 0.0, 0, 0.0)
    reference, value = reference[finite], value[finite]
    difference = np.abs(value - reference)
    scale = np.maximum(np.abs(reference), np.sqrt(np.mean(np.square(reference))))
    allowed = tolerance.absolute + tolerance.relative * scale
    ratio = np.divide(difference, allowed, out=np.where(difference > 0, np.inf, 0.0), where=allowed > 0)
    worst = int(np.argmax(ratio))
    differing = int(np.count_nonzero(ratio > 1))
    problem = ""
    if differing:
        problem = (
            f"differs by {difference[worst]:.3g} ({value[worst]:.9g} instead of {reference[worst]:.9g}); "
            f"allowed {allowed[worst]:.3g}; {differing} of {finite.size} values are beyond it"
        )
    return Measurement(name, finite.size, float(difference.max()), differing, float(ratio[worst]), problem)


def _shape(value: NDArray[Any]) -> str:
    return "x".join(map(str, value.shape)) or "scalar"
