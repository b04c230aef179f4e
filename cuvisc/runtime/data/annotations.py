"""Which ground truth is of which cube where the user says so by a pattern; rasters and COCO alike. Never torch.

A pattern such as `{stem}_mask.png` is looked for in the cube's folder, then in the data's; `.json` is COCO, whose
`file_name` says which image is which cube.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from numpy.typing import NDArray

from cuvisc.runtime.data.coco import Coco
from cuvisc.runtime.data.tiles import Box
from cuvisc.runtime.data.truth import Truth, check_shape, one_plane
from cuvisc.runtime.data.window import read_window
from cuvisc.schema.errors import DataError

STEM = "{stem}"
COCO = ".json"


@dataclass(frozen=True)
class CocoTruth:
    """The annotations of one image of a COCO file: category of every pixel, 0 where there is none."""

    coco: Coco
    image: int
    nodata: ClassVar[None] = None

    @property
    def path(self) -> Path:
        """The file of the annotations."""
        return self.coco.path


AnyTruth = Truth | CocoTruth


@dataclass
class Finder:
    """Finds the ground truth of cubes by one pattern; a COCO file is parsed once."""

    kind: str
    pattern: str
    folder: Path
    _read: dict[Path, Coco] = field(default_factory=dict)

    def path_of(self, cube: Path) -> Path:
        """Where the ground truth of a cube is, or would be."""
        name = self.pattern.replace(STEM, cube.stem)
        places = [cube.parent / name, self.folder / name]
        return next((path for path in places if path.is_file()), places[0])

    def find(self, cube: Path) -> AnyTruth:
        """The ground truth of a cube; raises :class:`DataError` when it is missing."""
        path = self.path_of(cube)
        if not path.is_file():
            raise DataError(f"{cube} has no {self.kind}: `{self.pattern}` means {path}, which does not exist")
        if path.suffix.lower() != COCO:
            return Truth.of(path)
        if path not in self._read:
            self._read[path] = Coco.read(path)
        return CocoTruth(self._read[path], _image_of(self._read[path], cube, STEM in self.pattern))


def check_size(truth: AnyTruth, size: tuple[int, int]) -> None:
    """Raise :class:`DataError` unless ground truth says that it has the size [H,W] of the cube."""
    if isinstance(truth, CocoTruth):
        truth.coco.check_size(truth.image, *size)
        return
    check_shape(truth, size)


def read_truth_window(truth: AnyTruth, size: tuple[int, int], box: Box) -> NDArray[Any]:
    """Ground truth [rows,columns] of a box of a cube of this size; raises :class:`DataError`."""
    check_size(truth, size)
    if isinstance(truth, CocoTruth):
        return truth.coco.labels(truth.image, *size, box)
    return one_plane(read_window(truth.path, truth.key, box), 2, truth.path)


def classes_of(truths: Mapping[str, AnyTruth]) -> Mapping[int, str]:
    """Names of the classes, where the ground truth says them."""
    labels = truths.get("labels")
    return labels.coco.classes if isinstance(labels, CocoTruth) else {}


def _image_of(coco: Coco, cube: Path, own: bool) -> int:
    """The image whose file name a cube has; in a file of its own the only image may have any name."""
    named = [
        image
        for image, name in coco.names.items()
        if PurePosixPath(name.replace("\\", "/")).stem == cube.stem
    ]
    if len(named) > 1:
        exact = [image for image in named if cube.as_posix().endswith(coco.names[image].replace("\\", "/"))]
        named = exact or named
    if len(named) == 1:
        return named[0]
    if named:
        raise DataError(f"{coco.path} lists {len(named)} images called {cube.stem}; one is wanted for {cube}")
    if own and len(coco.sizes) == 1:
        return next(iter(coco.sizes))
    listed = ", ".join(sorted(coco.names.values())[:4]) or "none by name"
    raise DataError(f"{coco.path} lists no image whose `file_name` is {cube.stem}; it lists {listed}")
