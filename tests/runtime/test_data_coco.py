"""COCO annotations become the pixels they mean, and a file that is wrong or hostile is answered with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from cuvisc.runtime.data.coco import Coco
from cuvisc.runtime.data.raster import fill_polygon, fill_runs, read_runs
from cuvisc.schema.errors import DataError

SIZE = (6, 8)
SQUARE = [[2, 1, 6, 1, 6, 4, 2, 4]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def coco(**data: Any) -> Coco:
    Path("c.json").write_text(
        json.dumps({"images": [{"id": 0}], "annotations": [], **data}), encoding="utf-8"
    )
    return Coco.read(Path("c.json"))


def labels_of(*annotations: Any) -> NDArray[np.int32]:
    return coco(annotations=[{"image_id": 0, "category_id": 2, **a} for a in annotations]).labels(0, *SIZE)


def test_polygons_run_lengths_and_the_vendors_masks_mean_the_same(folder: Path) -> None:
    wanted = np.zeros(SIZE, bool)
    wanted[1:4, 2:6] = True
    column_runs = [13, 3, 3, 3, 3, 3, 3, 3, 14]
    for annotation in (
        {"segmentation": SQUARE},
        {"segmentation": {"size": [6, 8], "counts": column_runs}},
        {"segmentation": [], "mask": {"size": [8, 6], "counts": column_runs}},
    ):
        np.testing.assert_array_equal(labels_of(annotation) == 2, wanted)


def test_later_annotations_lie_on_top_and_unlisted_images_have_none(folder: Path) -> None:
    whole, half = [0, 0, 8, 0, 8, 6, 0, 6], [0, 0, 8, 0, 8, 3, 0, 3]
    found = labels_of({"segmentation": [whole]}, {"segmentation": [half], "category_id": 3})
    np.testing.assert_array_equal(found, np.repeat([3, 2], 24).reshape(SIZE))
    assert not coco().labels(5, *SIZE).any()


def test_categories_are_named(folder: Path) -> None:
    assert coco(categories=[{"id": 3, "name": "Stone"}, {"id": 4}]).classes == {3: "Stone", 4: ""}


TEXT_OF_A_NOTCHED_BOX = (
    "e<i0?000000000000000000^OC9=GC9=GC9=GC9=GC9=900000000000000000000000000000000000000S6"
)


def test_compressed_run_lengths_are_read_as_pycocotools_writes_them() -> None:
    small = np.zeros((6, 5), bool)
    small[1:4, 2] = small[:, 3] = True
    np.testing.assert_array_equal(fill_runs(read_runs("=3234"), 6, 5), small)
    box = np.zeros((40, 50), bool)
    box[5:30, 10:45] = True
    box[12:14, 20:25] = False
    np.testing.assert_array_equal(fill_runs(read_runs(TEXT_OF_A_NOTCHED_BOX), 40, 50), box)


@given(st.lists(st.tuples(st.floats(0, 6.28), st.floats(3, 40)), min_size=3, max_size=12, unique=True))
def test_polygons_cover_the_pixels_whose_centers_matplotlib_finds_inside(
    rays: list[tuple[float, float]],
) -> None:
    angles, radii = np.array(sorted(rays)).T
    points = np.stack([25.3 + radii * np.cos(angles), 19.7 + radii * np.sin(angles)], axis=1)
    covered = np.zeros((40, 50), bool)
    fill_polygon(covered, points.ravel().tolist())
    y, x = np.mgrid[:40, :50] + 0.5
    centers = np.stack([x.ravel(), y.ravel()], axis=1)
    # Beside the outline both must agree; on it rounding decides.
    outline = Outline([*points, points[0]])
    inside, outside = (outline.contains_points(centers, radius=r).reshape(40, 50) for r in (-1e-6, 1e-6))
    certain = inside == outside
    np.testing.assert_array_equal(covered[certain], inside[certain])


def test_polygons_that_share_an_edge_share_no_pixel() -> None:
    first, second = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    fill_polygon(first, [0, 0, 8, 0, 0, 6])
    fill_polygon(second, [8, 0, 8, 6, 0, 6])
    assert not (first & second).any()
    assert (first | second).all()


def test_what_a_polygon_encloses_twice_is_outside() -> None:
    twice = np.zeros((12, 12), bool)
    fill_polygon(twice, [0, 0, 9, 0, 9, 9, 3, 9, 3, 3, 12, 3, 12, 12, 0, 12])
    assert not twice[4:8, 4:8].any()
    assert twice[0:2, 0:8].all()


@pytest.mark.parametrize(
    ("annotation", "fact"),
    [
        (
            {"segmentation": [[1, 2, 3, 4]]},
            "a polygon is a list of at least three points: x0, y0, x1, y1, x2, y2",
        ),
        ({"segmentation": ["x"]}, "a polygon is a list of at least three points: x0, y0, x1, y1, x2, y2"),
        (
            {"segmentation": [[0, 0, 1, 1, 1e300, 0]]},
            "a polygon has a coordinate that is not finite or beyond 2^31",
        ),
        ({"segmentation": [[0, 0, 1, 1, 10**400, 0]]}, "a polygon has a coordinate that is not finite"),
        ({"segmentation": 7}, "`segmentation` is 7; polygons or {counts, size} are wanted"),
        (
            {"segmentation": {"size": [8, 6], "counts": [48]}},
            "the size of `segmentation` is [8, 6]; the cube's is [6, 8]",
        ),
        ({"segmentation": {"size": [6, 8]}}, "`counts` is no list of run lengths"),
        (
            {"mask": {"size": [8, 6], "counts": [49]}},
            "the run lengths add up to 49; 6x8 pixels are wanted",
        ),
        (
            {"mask": {"size": [8, 6], "counts": [50, -2]}},
            "`counts` holds a run length that is not a whole number from 0",
        ),
        ({"mask": {"size": [8, 6], "counts": "~~"}}, "`counts` is no run lengths in COCO's text form"),
        ({"mask": {"size": [8, 6], "counts": "o"}}, "`counts` is cut short"),
    ],
)
def test_annotations_that_cannot_be_drawn_say_where_they_stand(
    annotation: Any, fact: str, folder: Path
) -> None:
    with pytest.raises(DataError) as caught:
        labels_of(annotation)
    assert str(caught.value) == f"c.json holds no usable COCO annotations: annotations[0]: {fact}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[]", "c.json holds no usable COCO annotations: it holds no object"),
        (
            "{",
            "c.json is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ('{"a": NaN}', "c.json is no JSON: NaN is no number"),
        ("[" * 100_000, "c.json holds no usable COCO annotations: it is nested too deeply"),
        (
            '{"imags": []}',
            "c.json holds no usable COCO annotations: `images` is missing; did you mean `imags`?",
        ),
        ('{"images": {}}', "c.json holds no usable COCO annotations: `images` is no list"),
        (
            '{"images": [{"id": true}], "annotations": []}',
            "c.json holds no usable COCO annotations: images[0] has no `id` that is a whole number from 0",
        ),
        (
            '{"images": [], "annotations": [{"image_id": 1, "category_id": 1}]}',
            "c.json holds no usable COCO annotations: annotations[0] is of image 1, which `images` does not list",
        ),
        (
            '{"images": [], "annotations": [], "categories": [null]}',
            "c.json holds no usable COCO annotations: categories[0] has no `id` that is a whole number from 0",
        ),
    ],
)
def test_files_that_are_no_annotations_are_answered(text: str, answer: str, folder: Path) -> None:
    Path("c.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Coco.read(Path("c.json"))
    assert str(caught.value) == answer


def test_annotations_of_images_of_another_size_are_answered(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        coco(images=[{"id": 0, "height": 8, "width": 6}]).labels(0, *SIZE)
    assert str(caught.value) == (
        "c.json holds no usable COCO annotations: image 0 is 8x6 pixels, its cube is 6x8"
    )
