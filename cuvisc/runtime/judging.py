"""The ground truth of a cube to what it is measured against: which pixels are anomalies, and of which nothing is said.

A mask is > 0 on anomalies; with `anomaly_classes` it is those classes. NumPy only, never torch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.annotations import COCO, STEM, AnyTruth, CocoTruth, Finder, classes_of
from cuvisc.runtime.data.classes import ids_of
from cuvisc.runtime.data.opening import array_names, split_location
from cuvisc.runtime.data.tiles import Box
from cuvisc.runtime.data.truth import Truth, find_truth, find_unjudged, names_of_truth, read_truth
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

MASK, LABELS = "mask", "labels"
_SHOWN_CLASSES = 6


class Judged(NamedTuple):
    """Where anomalies are, of which pixels nothing is said, both of the cube's size; what is odd about it."""

    positive: NDArray[np.bool_]
    unjudged: NDArray[np.bool_]
    doubt: str | None


class Judge:
    """Finds and reads ground truth.

    `mask` is an array in the cube's file, or a file; a name with `{stem}` is a file for every cube, one that ends with
    `.json` the annotations of all. Where what it names is not there, nothing else is taken. By default a mask in the
    cube's file or beside it is taken, else class labels; with `anomaly_classes` (ids, or names of annotations) labels
    come first. Pixels of `ignore_label` are not judged.
    """

    def __init__(
        self,
        mask: str = MASK,
        anomaly_classes: Sequence[int | str] | None = None,
        ignore_label: int | None = None,
    ) -> None:
        self._mask = mask
        self._classes, self._ignored = anomaly_classes, ignore_label
        by_pattern = STEM in mask or Path(mask).suffix.lower() == COCO
        self._finder = Finder(MASK, mask, Path()) if by_pattern else None

    @property
    def of_one_cube(self) -> bool:
        """Whether the mask is a file that can be of one cube alone."""
        return self._finder is None and split_location(self._mask)[0].is_file()

    def cubes_among(self, paths: Collection[Path]) -> set[Path]:
        """Those of the files that are not the truth of another of them."""
        truths = {self._finder.path_of(path) for path in paths} if self._finder else set()
        return set(paths) - truths

    def read(self, path: Path, size: tuple[int, ...]) -> Judged:
        """The truth of the cube in a file, [H,W] or [N,H,W]; raises :class:`DataError`."""
        truth = self._find(path)
        if isinstance(truth, CocoTruth):
            height, width = size[-2:]
            one = truth.coco.labels(truth.image, height, width, Box(0, height, 0, width))
            values: NDArray[Any] = np.broadcast_to(one, size)
        else:
            values = read_truth(truth, size)
        unjudged = find_unjudged(values, truth.nodata)
        if self._ignored is not None:
            unjudged |= values == self._ignored
        if self._classes is None:
            positive = (values > 0) & ~unjudged
            return Judged(positive, unjudged, _doubt_classes(truth, values[positive]))
        wanted = ids_of(self._classes, classes_of({LABELS: truth}), str(truth.path))
        return Judged(np.isin(values, wanted) & ~unjudged, unjudged, None)

    def _find(self, path: Path) -> AnyTruth:
        if self._finder is not None:
            return self._finder.find(path)
        file, key = split_location(self._mask)
        if file.is_file():
            return Truth.of(file, key)
        if self._mask != MASK:
            if self._mask in array_names(path):
                return Truth.of(path, self._mask)
            raise DataError(_missing(path, self._mask))
        for kind in (MASK, LABELS) if self._classes is None else (LABELS, MASK):
            if (found := find_truth(path, kind, kind)) is not None:
                return found
        raise DataError(_missing(path, self._mask))


def _doubt_classes(truth: AnyTruth, values: NDArray[Any]) -> str | None:
    """A mask of several numbers may be one of classes, of which a user means some."""
    classes = np.unique(values)
    if len(classes) < 2:
        return None
    named = ", ".join(f"{value:g}" for value in classes[:_SHOWN_CLASSES])
    key = truth.key if isinstance(truth, Truth) else None
    return (
        f"{truth.path}{f'::{key}' if key else ''} holds {len(classes)} numbers above 0 "
        f"({named}{', …' if len(classes) > _SHOWN_CLASSES else ''}); every one of them counts as an anomaly, "
        "--anomaly-classes says which are"
    )


def _missing(path: Path, mask: str) -> str:
    """What was looked for, and where."""
    names = array_names(path)
    is_named = mask != MASK
    as_file = is_named and (Path(mask).name != mask or Path(mask).suffix or not names)
    looked = [f"the file `{mask}`"] if as_file else []
    if names:
        looked.append(
            f"the array `{mask}` in it, which holds {', '.join(f'`{name}`' for name in names[:12])}"
        )
    if not is_named:
        looked.append(f"beside it {', '.join(names_of_truth(path, MASK))}")
        looked.append(f"class labels as {'the array `labels` or ' if names else ''}{path.stem}_labels.png")
    hint = did_you_mean(mask, names) or ("" if is_named else "--mask names another array or file")
    return f"{path} has no mask; looked for {'; '.join(looked)}{f'. {hint}' if hint else ''}"
