"""One output of a graph as a raster: the numbers it is written as, and what they mean. NumPy only, never torch.

Scores are float32, and where there are none the number that the input has for none, or NaN; decisions are class ids
in uint8 with 255 where there are none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.artifact import OutputFacts
from cuvisc.schema.errors import DataError

NO_DECISION = 255
_COLORS = (
    (224, 224, 224),
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (230, 159, 0),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
)
"""Grey for the first class, then Okabe & Ito 2008."""


@dataclass
class Plane:
    """`bands` numbers a pixel of `dtype`; `nodata` means none; `classes` names the ids of a decision.

    `notes` are texts that a file carries about itself.
    """

    name: str
    unit: str | None
    dtype: np.dtype[Any]
    bands: int
    nodata: float
    classes: list[str] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, output: OutputFacts, values: NDArray[Any], notes: Mapping[str, str], nodata: float | None
    ) -> Plane:
        """How to write an output, from its first values [rows,columns,bands]; `nodata` is the input's."""
        bands = values.shape[-1]
        if values.dtype.kind == "f":
            return cls(output.name, output.unit, np.dtype("f4"), bands, _no_score(nodata), None, notes)
        classes = ["normal", "anomaly"] if values.dtype.kind == "b" else []
        return cls(output.name, output.unit, np.dtype("u1"), bands, NO_DECISION, classes, notes)

    def encode(self, values: NDArray[Any], without: NDArray[np.bool_]) -> NDArray[Any]:
        """Values [rows,columns,bands] as they are written; `without` [rows,columns] have none.

        Raises :class:`DataError` for class ids that a byte cannot hold.
        """
        if self.classes is not None and values.dtype.kind != "b":
            highest = int(values.max(initial=0))
            if int(values.min(initial=0)) < 0 or highest >= NO_DECISION:
                raise DataError(
                    f"`{self.name}` has the class {highest}; a raster holds 0-254, write .npz instead"
                )
            self.classes += [f"class {number}" for number in range(len(self.classes), highest + 1)]
        encoded = values.astype(self.dtype)
        encoded[without] = self.nodata
        return encoded

    @property
    def colors(self) -> list[tuple[int, int, int]]:
        """A colour for every class."""
        return [_COLORS[number % len(_COLORS)] for number in range(len(self.classes or ()))]


def _no_score(nodata: float | None) -> float:
    """The input's number for none; NaN where it has none, where float32 rounds it, and for 0, which is a score."""
    exact = nodata is not None and nodata != 0 and abs(nodata) <= np.finfo("f4").max
    return nodata if exact and float(np.float32(nodata)) == nodata else math.nan
