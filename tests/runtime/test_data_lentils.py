"""Frames of lentils keep cubes, masks and ids, from `.npz` files and from sessions, or one error says what is wrong."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from cuvisc.runtime import LentilsAnomaly
from cuvisc.runtime.data.coco import Coco
from cuvisc.runtime.data.raster import fill_polygon, fill_runs, read_runs
from cuvisc.runtime.data.splits import split
from cuvisc.schema.errors import DataError

SIZE = (6, 8)
CENTERS = np.linspace(450, 850, 61)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cube(number: int, bands: int = 61) -> NDArray[np.uint16]:
    return np.random.default_rng(number).integers(0, 10_000, (*SIZE, bands)).astype(np.uint16)


def frame(name: str, number: int = 0, bands: int = 61, **more: Any) -> None:
    np.savez(name, cube=cube(number, bands), **more)


def refusal(**params: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(LentilsAnomaly(data_dir=".", **params).train_dataloader())
    return str(caught.value)


def names(loader: Any) -> list[str]:
    return sorted(name for batch in loader for name in batch["name"])


def test_frames_are_found_by_the_number_of_their_file(folder: Path) -> None:
    for number in (0, 1, 2, 7):
        frame(f"Lentils_{number:03}.npz", number, mask=np.eye(*SIZE))
    frame("README.npz")
    module = LentilsAnomaly(data_dir=".", val_ids=[1], test_ids=[7], batch_size=2)
    assert names(module.train_dataloader()) == ["Lentils_000", "Lentils_002"]
    assert names(module.val_dataloader()) == ["Lentils_001"]
    assert names(module.test_dataloader()) == ["Lentils_007"]
    assert refusal(train_ids=[0, 3, 9]) == "LentilsAnomaly: . has no frame 3, 9; it has 0-2, 7"
    assert refusal(train_ids=[]) == "LentilsAnomaly: . has no frame to train on; it has 0-2, 7"


def test_a_frame_keeps_its_values_its_mask_and_its_wavelengths(folder: Path) -> None:
    mask = np.eye(*SIZE, dtype=np.uint8)
    frame("a_0.npz", 3, mask=mask, wavelengths=CENTERS)
    module = LentilsAnomaly(data_dir=".")
    (batch,) = module.train_dataloader()
    module.check_batch(batch)
    np.testing.assert_array_equal(batch["cube"][0].numpy(), cube(3))
    np.testing.assert_array_equal(batch["mask"][0].numpy(), mask)
    assert module.wavelengths == tuple(CENTERS)


def test_labels_without_a_mask_make_one_of_what_is_not_normal(folder: Path) -> None:
    labels = np.arange(48).reshape(SIZE) % 5
    frame("a_0.npz", labels=labels)
    for normal in ([0, 1], [0, 1, 2, 4]):
        (batch,) = LentilsAnomaly(data_dir=".", normal_ids=normal).train_dataloader()
        np.testing.assert_array_equal(batch["labels"][0].numpy(), labels)
        np.testing.assert_array_equal(batch["mask"][0].numpy(), ~np.isin(labels, normal))


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({"a_0": {"bands": 60}}, "a_0.npz has 60 bands; the frames of this data set have 61"),
        (
            {"a_0": {"masks": np.eye(*SIZE)}},
            "a_0.npz has neither `mask` nor `labels`, but `masks`; did you mean `mask`?",
        ),
        (
            {"a_0": {"mask": np.eye(8, 6)}},
            "a_0.npz: `mask` has the shape (8, 6); (6, 8) goes with the cube",
        ),
        (
            {"a_0": {"wavelengths": CENTERS[1:]}},
            "a_0.npz has 60 wavelengths; its cube has 61 bands",
        ),
        ({"a_1": {}, "b_01": {}}, "a_1.npz and b_01.npz in . are both frame 1"),
        (
            {"a_0": {"mask": np.eye(*SIZE)}, "a_1": {}},
            "a_0.npz has `mask`, a_1.npz has none; all files or none need it",
        ),
    ],
)
def test_files_that_are_not_such_frames_are_answered(
    files: dict[str, Any], answer: str, folder: Path
) -> None:
    for name, content in files.items():
        frame(f"{name}.npz", **content)
    assert refusal(train_ids=sorted({int(name[-1]) for name in files})) == answer


def test_a_file_without_a_cube_is_answered(folder: Path) -> None:
    np.savez("a_0.npz", Cube=cube(0))
    assert refusal() == "a_0.npz has no array `cube`; it holds `Cube`. did you mean `Cube`?"


def test_a_folder_that_is_not_there_or_empty_is_answered_with_what_is_wanted(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        LentilsAnomaly().train_dataloader()
    assert (
        str(caught.value) == f"LentilsAnomaly: the folder data/Lentils does not exist (relative to {folder})"
    )
    assert refusal() == (
        "LentilsAnomaly: . holds neither frames such as Lentils_000.npz nor a session Lentils*.cu3s"
    )
    Path("Lentils_000.cu3s").touch()
    assert refusal() == ("LentilsAnomaly: . holds a session, but no annotations Lentils*.json (COCO) for it")
    Path("Lentils_001.cu3s").touch()
    assert refusal() == ("LentilsAnomaly: . holds several: Lentils_000, Lentils_001; name one as `session`")


def test_without_ids_groups_of_four_stay_together() -> None:
    stages = split(range(40))
    assert {name: (ids[0], ids[-1], len(ids)) for name, ids in stages.items()} == {
        "train": (0, 23, 24),
        "val": (24, 31, 8),
        "test": (32, 39, 8),
    }


@given(st.integers(1, 60))
def test_a_split_is_a_partition_and_trains_on_something(count: int) -> None:
    stages = split(range(count))
    assert stages["train"] + stages["val"] + stages["test"] == tuple(range(count))
    assert stages["train"]
    assert bool(stages["val"]) == (count > 1)
    assert bool(stages["test"]) == (count > 2)


# What follows stands in for the vendor's package `cuvis`, which needs a proprietary SDK: the part of its documented
# surface that is used, over a dict of frames.


class SDKException(Exception):
    """The vendor's error."""


class StandInMeasurement:
    def __init__(self, values: NDArray[Any], mode: str) -> None:
        self.raw, self.processing_mode, self.data = values, mode, dict[str, Any]()

    def show(self, mode: str, factor: int) -> None:
        self.processing_mode = mode
        centers = [int(center) for center in CENTERS]
        self.data["cube"] = SimpleNamespace(array=self.raw * factor, wavelength=centers)


class StandInSession:
    references = True
    stored: str | None = None
    frames = [cube(number) for number in range(5)]

    def __init__(self, path: str) -> None:
        if not isinstance(path, str) or Path(path).read_bytes() != b"session":
            raise SDKException("not a session file")

    def __len__(self) -> int:
        return len(self.frames)

    def get_measurement(self, index: int) -> StandInMeasurement | None:
        measurement = StandInMeasurement(self.frames[index], self.stored or "raw")
        if self.stored is not None:
            measurement.show(self.stored, 1)
        return measurement

    def get_reference(self, index: int, kind: str) -> StandInMeasurement | None:
        return StandInMeasurement(cube(0), "raw") if self.references else None


class StandInContext:
    def __init__(self, session: StandInSession) -> None:
        self.processing_mode = "raw"

    def apply(self, measurement: StandInMeasurement) -> StandInMeasurement:
        measurement.show(self.processing_mode, 2)
        return measurement


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> type[StandInSession]:
    module = ModuleType("cuvis")
    session = type("Session", (StandInSession,), {})
    members = {
        "SessionFile": session,
        "ProcessingContext": StandInContext,
        "ProcessingMode": SimpleNamespace(Reflectance="reflectance", Raw="raw"),
        "ReferenceType": SimpleNamespace(White="white", Dark="dark"),
        "cuvis_aux": SimpleNamespace(SDKException=SDKException),
    }
    for name, value in members.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "cuvis", module)
    return session


SQUARE = {"image_id": 1, "category_id": 3, "segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]]}


def write_session(annotations: Any = (SQUARE,), **more: Any) -> None:
    Path("Lentils_000.cu3s").write_bytes(b"session")
    images = [{"id": number, "height": SIZE[0], "width": SIZE[1]} for number in range(5)]
    data = {"images": images, "annotations": list(annotations), **more}
    Path("Lentils_000.json").write_text(json.dumps(data), encoding="utf-8")


def test_frames_of_a_session_are_processed_and_keep_their_annotations(folder: Path, sdk: Any) -> None:
    write_session()
    module = LentilsAnomaly(data_dir=".", train_ids=[0, 1], batch_size=2)
    (batch,) = module.val_dataloader()
    module.check_batch(batch)
    np.testing.assert_array_equal(batch["cube"].numpy(), np.stack([cube(0) * 2, cube(1) * 2]))
    square = np.zeros(SIZE, int)
    square[1:4, 2:6] = 3
    np.testing.assert_array_equal(batch["labels"].numpy(), np.stack([np.zeros(SIZE, int), square]))
    np.testing.assert_array_equal(batch["mask"].numpy(), batch["labels"].numpy() == 3)
    assert batch["name"] == ["Lentils_000-0", "Lentils_000-1"]
    assert module.wavelengths == tuple(float(int(center)) for center in CENTERS)


def test_frames_that_are_stored_as_asked_are_not_processed_again(folder: Path, sdk: Any) -> None:
    write_session()
    sdk.stored, sdk.references = "reflectance", False
    (batch,) = LentilsAnomaly(data_dir=".", train_ids=[4]).train_dataloader()
    np.testing.assert_array_equal(batch["cube"][0].numpy(), cube(4))


def test_a_session_travels_to_the_processes_that_read(folder: Path, sdk: Any) -> None:
    write_session()
    samples = LentilsAnomaly(data_dir=".", train_ids=[2]).samples("train")
    assert samples is not None
    copy = pickle.loads(pickle.dumps(samples))  # noqa: S301 - our own
    np.testing.assert_array_equal(copy[0]["cube"].numpy(), samples[0]["cube"].numpy())


def test_files_are_read_before_a_session_is_and_without_the_sdk(folder: Path) -> None:
    write_session()
    frame("Lentils_000.npz")
    assert names(LentilsAnomaly(data_dir=".").train_dataloader()) == ["Lentils_000"]


def test_reflectance_needs_references(folder: Path, sdk: Any) -> None:
    write_session()
    sdk.references = False
    assert refusal(train_ids=[0]) == (
        "Lentils_000.cu3s has no white and dark reference, which reflectance is computed from; "
        "`processing_mode: Raw` reads counts"
    )


def test_other_cameras_damaged_sessions_and_foreign_annotations_are_answered(folder: Path, sdk: Any) -> None:
    write_session([{**SQUARE, "image_id": 9}], images=[{"id": 9}])
    assert refusal() == "Lentils_000.json annotates image 9; the frames of Lentils_000.cu3s are 0 to 4"
    write_session()
    sdk.frames = [cube(0, bands=106)] * 5
    assert refusal(train_ids=[0]) == (
        "Lentils_000.cu3s: frame 0 has 106 bands; the frames of this data set have 61"
    )
    Path("Lentils_000.cu3s").write_bytes(b"damaged")
    assert refusal() == "Lentils_000.cu3s cannot be opened: not a session file"


def test_without_the_sdk_the_answer_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_session()
    monkeypatch.setitem(sys.modules, "cuvis", None)
    assert refusal() == (
        "Lentils_000.cu3s is read by the Cuvis SDK of Cubert GmbH, which does not load (import of cuvis halted; None "
        "in sys.modules): install the SDK, set CUVIS to its folder, and pip install cuvis; frames that are saved as "
        ".npz are read without it"
    )
    monkeypatch.delitem(sys.modules, "cuvis")
    Path("cuvis.py").write_text("import sys\nprint('no CUVIS')\nsys.exit(1)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    assert "(the variable CUVIS is not set)" in refusal()


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
        {"segmentation": SQUARE["segmentation"]},
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
