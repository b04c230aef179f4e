"""Stored ground truth to what a batch holds: which classes are anomalies, which pixels are not judged. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Classes:
    """`anomalies` are class ids that a mask is 1 on, None where a mask is stored; `ignored` is of no pixel judged."""

    anomalies: tuple[int, ...] | None = None
    ignored: int | None = None

    def judged(
        self, stored: Mapping[str, NDArray[Any]]
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_] | None]:
        """`mask` uint8 (0, 1) and `labels` int32 [rows,columns] of a batch, and the ignored pixels, None without any.

        Raises :class:`DataError` for labels that are not whole numbers.
        """
        truth: dict[str, NDArray[Any]] = {}
        ignored = None
        if self.ignored is not None:
            found = [values == self.ignored for values in stored.values()]
            together = np.logical_or.reduce(found) if found else np.zeros(0, bool)
            ignored = together if together.any() else None
        if "mask" in stored:
            truth["mask"] = (stored["mask"] > 0).astype(np.uint8)
        if "labels" in stored:
            truth["labels"] = _whole(stored["labels"])
            if self.anomalies is not None:
                truth["mask"] = np.isin(truth["labels"], self.anomalies).astype(np.uint8)
        if ignored is not None and "mask" in truth:
            truth["mask"][ignored] = 0
        return truth, ignored


def ids_of(classes: Sequence[int | str], names: Mapping[int, str], owner: str) -> tuple[int, ...]:
    """Class ids, names looked up; raises :class:`DataError` for a name that the annotations do not have."""
    found = []
    for wanted in classes:
        if isinstance(wanted, int):
            found.append(wanted)
            continue
        ids = [number for number, name in names.items() if name == wanted]
        if not ids and not names:
            raise DataError(
                f"{owner}: the ground truth does not name its classes; give class ids instead of `{wanted}`"
            )
        if not ids:
            hint = did_you_mean(wanted, list(names.values()))
            listed = ", ".join(f"`{name}`" for name in names.values())
            raise DataError(
                f"{owner}: there is no class `{wanted}`; there is {listed}{f'. {hint}' if hint else ''}"
            )
        found += ids
    return tuple(dict.fromkeys(found))


def _whole(labels: NDArray[Any]) -> NDArray[np.int32]:
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        odd = labels[~(np.isfinite(labels) & (labels == np.floor(labels)))][0]
        raise DataError(f"class ids are whole numbers; the labels hold {odd:g}")
    if labels.size and (labels.min() < _INT32.min or labels.max() > _INT32.max):
        raise DataError("class ids are numbers of 32 bits; the labels hold larger ones")
    return labels.astype(np.int32)
