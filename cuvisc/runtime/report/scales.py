"""Data to positions on paper: linear and logarithmic axes with round ticks. Pure Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cuvisc.runtime.report.markup import MINUS, number


@dataclass(frozen=True)
class Axis:
    """What is measured along one side of a chart, from `low` to `high`."""

    label: str
    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, label: str, low: float, high: float, *, log: bool = False, zero: bool = False) -> Axis:
        """An axis with room for everything between two finite values; `zero` lets it begin there."""
        if log and low > 0:
            pad = (high / low) ** 0.04 if high > low else 2.0
            return cls(label, low / pad, high * pad, log=True)
        if zero and low >= 0:
            return cls(label, 0.0, high * 1.06 if high > 0 else 1.0)
        pad = 0.05 * (high - low) if high > low else max(abs(high) * 0.1, 1e-12)
        return cls(label, low - pad, high + pad)

    def place(self, begin: float, end: float) -> Callable[[float], float]:
        """The function from values to positions between `begin` and `end`."""
        if self.log:
            first, last = math.log(self.low), math.log(self.high)
            return lambda v: begin + (math.log(max(v, 1e-300)) - first) / (last - first) * (end - begin)
        return lambda v: begin + (v - self.low) / (self.high - self.low) * (end - begin)

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Round values inside the axis, and how they are written."""
        return _decades(self.low, self.high, about) if self.log else _steps(self.low, self.high, about)


def _steps(low: float, high: float, about: int) -> list[tuple[float, str]]:
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    values = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    largest = max(abs(low), abs(high))
    if largest >= 1e6 or largest < 1e-3:
        return [(value, _short(value)) for value in values]
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**places - round(step * 10**places)) > 1e-6:
        places += 1
    return [
        (value, f"{value + 0.0:.{places}f}".replace("-", MINUS) if places else number(round(value)))
        for value in values
    ]


def _decades(low: float, high: float, about: int) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = list(range(first, last + 1))
    if len(decades) < 2:
        factors = (1, 2, 5) if math.log10(high / low) > 0.5 else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
        below = math.floor(math.log10(low))
        values = [f * 10.0**p for p in range(below, last + 2) for f in factors]
        return [(value, _short(value)) for value in values if low <= value <= high]
    every = max(1, -(-len(decades) // (about + 1)))
    return [(10.0**power, _short(10.0**power)) for power in decades[::every]]


def _short(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return number(value, 3).rstrip("0").rstrip(".") if "." in number(value, 3) else number(value, 3)
    mantissa, power = f"{value:.1e}".split("e")
    mantissa = mantissa.removesuffix(".0")
    sign = MINUS if int(power) < 0 else ""
    head = "" if mantissa == "1" else f"{mantissa}·".replace("-", MINUS)
    return f"{head}10{_raised(sign + str(abs(int(power))))}"


def _raised(text: str) -> str:
    return text.translate(str.maketrans(f"0123456789{MINUS}", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
