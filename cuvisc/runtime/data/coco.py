"""COCO annotations, a JSON file, to class ids per pixel. Nothing in the file is believed before it is checked.

Read are `images` (id, file_name, height, width), `categories` (id, name) and `annotations` (image_id, category_id,
with a `segmentation`: polygons or run lengths, or with a `mask` {counts, size: [width, height]}, as the vendor's tools
write it). https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.raster import fill_polygon, fill_runs, read_runs
from cuvisc.runtime.data.tiles import Box
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError

_LISTS = ("images", "annotations")
_LARGEST_FILE = 2**28
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class Coco:
    """The annotations of a file by image; `classes` names the categories, `names` the files of images."""

    path: Path
    sizes: Mapping[int, tuple[int, int] | None]
    names: Mapping[int, str]
    classes: Mapping[int, str]
    _annotations: Mapping[int, list[tuple[str, dict[str, Any]]]] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Coco:
        """Read a file; raises :class:`DataError`."""
        data = _load(path)
        for key in _LISTS:
            if not isinstance(data.get(key), list):
                hint = "" if key in data else did_you_mean(key, [str(name) for name in data])
                _refuse(path, f"`{key}` is {'no list' if key in data else 'missing'}", hint)
        sizes, names = {}, {}
        for index, image in enumerate(data["images"]):
            where = f"images[{index}]"
            image_id = _id(path, image, "id", where)
            sizes[image_id] = _size(path, image, where)
            if isinstance(image.get("file_name"), str):
                names[image_id] = image["file_name"]
        annotations: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        for index, annotation in enumerate(data["annotations"]):
            where = f"annotations[{index}]"
            image_id = _id(path, annotation, "image_id", where)
            _id(path, annotation, "category_id", where)
            if image_id not in sizes:
                _refuse(path, f"{where} is of image {image_id}, which `images` does not list")
            annotations.setdefault(image_id, []).append((where, annotation))
        return cls(path, sizes, names, _classes(path, data.get("categories")), annotations)

    @property
    def annotated(self) -> tuple[int, ...]:
        """Images that have annotations."""
        return tuple(sorted(self._annotations))

    def check_size(self, image_id: int, height: int, width: int) -> None:
        """Raise :class:`DataError` when the file says that the image has another size than its cube."""
        size = self.sizes.get(image_id)
        if size is not None and size != (height, width):
            _refuse(
                self.path, f"image {image_id} is {size[0]}x{size[1]} pixels, its cube is {height}x{width}"
            )

    def labels(self, image_id: int, height: int, width: int, box: Box | None = None) -> NDArray[np.int32]:
        """Category of every pixel [H,W] or of a box, 0 where there is none; what comes later in the file lies on top.

        An image that the file does not list has no annotations. Raises :class:`DataError`.
        """
        self.check_size(image_id, height, width)
        box = box or Box(0, height, 0, width)
        labels = np.zeros((box.height, box.width), np.int32)
        for where, annotation in self._annotations.get(image_id, ()):
            try:
                covered = _covered(annotation, height, width, box)
            except ValueError as error:
                _refuse(self.path, f"{where}: {error}")
            labels[covered] = annotation["category_id"]
        return labels


def _covered(annotation: Mapping[str, Any], height: int, width: int, box: Box) -> NDArray[np.bool_]:
    """The pixels of a box that one annotation covers; raises ValueError saying what is wrong with it."""
    covered = np.zeros((box.height, box.width), bool)
    part = slice(box.top, box.bottom), slice(box.left, box.right)
    segmentation, mask = annotation.get("segmentation"), annotation.get("mask")
    if isinstance(segmentation, list):
        for polygon in segmentation:
            fill_polygon(covered, polygon, (box.left, box.top))
    elif segmentation is not None:
        covered |= _runs(segmentation, "segmentation", (height, width), height, width)[part]
    if mask is not None:
        covered |= _runs(mask, "mask", (width, height), height, width)[part]
    return covered


def _runs(found: Any, name: str, size: tuple[int, int], height: int, width: int) -> NDArray[np.bool_]:
    if not isinstance(found, Mapping):
        raise ValueError(f"`{name}` is {_shown(found)}; polygons or {{counts, size}} are wanted")
    if found.get("size") != list(size):
        raise ValueError(f"the size of `{name}` is {_shown(found.get('size'))}; the cube's is {list(size)}")
    return fill_runs(read_runs(found.get("counts")), height, width)


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            _refuse(path, f"the file is larger than {_LARGEST_FILE // 2**20} MiB")
        data = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_not_finite)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except RecursionError:
        _refuse(path, "it is nested too deeply")
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(data, dict):
        _refuse(path, "it holds no object")
    return data


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _id(path: Path, entry: Any, key: str, where: str) -> int:
    value = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_ID:
        _refuse(path, f"{where} has no `{key}` that is a whole number from 0")
    return value


def _size(path: Path, image: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    if image.get("height") is None and image.get("width") is None:
        return None
    return _id(path, image, "height", where), _id(path, image, "width", where)


def _classes(path: Path, categories: Any) -> dict[int, str]:
    if not isinstance(categories, list):
        return {}
    return {_id(path, c, "id", f"categories[{i}]"): str(c.get("name", "")) for i, c in enumerate(categories)}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _refuse(path: Path, fact: str, hint: str = "") -> NoReturn:
    raise DataError(f"{path} holds no usable COCO annotations: {fact}{f'; {hint}' if hint else ''}")
