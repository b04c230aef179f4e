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
from fitted_graphs import typed
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.module import build_module
from cuvisc.runtime import LentilsAnomaly
from cuvisc.runtime.class_balance import count_stages
from cuvisc.runtime.data.opening import array_names, open_cube, read_array
from cuvisc.runtime.data.splits import split
from cuvisc.schema.catalogue import load
from cuvisc.schema.errors import DataError
from cuvisc.schema.front_end import load_spec

SPECS = Path(__file__).parents[2] / "specs"
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


def test_classes_are_counted_as_the_mask_that_training_reads(folder: Path) -> None:
    """Black lentils are class 1 and normal; nothing has to say again which classes are anomalies."""
    labels = np.ones(SIZE, np.uint8)
    labels[:2], labels[5, 5:] = 0, 3
    frame("a_0.npz", labels=labels)
    text = "nodes: {rx: {type: RXGlobal}, head: {type: RXLogitHead}}\nloss_leaves: {b: {type: AnomalyBCEWithLogits}}"
    balance = count_stages(LentilsAnomaly(data_dir="."), build_module(typed(text)))["train"]
    assert (balance.pixels, balance.anomalies, balance.undeclared) == (48, 3, False)
    assert balance.classes == {0: 16, 1: 29, 3: 3}


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


def test_a_frame_of_a_session_is_a_cube_like_others(folder: Path, sdk: Any) -> None:
    """Every verb that takes a cube takes a frame by its number, as reflectance or as another mode."""
    write_session()
    path = Path("Lentils_000.cu3s")
    facts = open_cube(path, "2").facts
    assert (facts.kind, facts.dataset, facts.shape) == ("cu3s", "Reflectance/2", (*SIZE, 61))
    assert facts.wavelengths == tuple(float(int(center)) for center in CENTERS)
    np.testing.assert_array_equal(read_array(path, "2"), cube(2) * 2)
    assert array_names(path) == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, " holds 5 frames; name one, as in Lentils_000.cu3s::0"),
        ("7", " has no frame 7; it holds 5, numbered from 0"),
        (
            "Blue/1",
            (
                " has no frame `Blue/1`; a frame is a number, or one of Reflectance, Raw, DarkSubtract, "
                "SpectralRadiance, / and it"
            ),
        ),
    ],
)
def test_a_frame_that_is_none(folder: Path, sdk: Any, key: str | None, words: str) -> None:
    write_session()
    with pytest.raises(DataError) as caught:
        open_cube(Path("Lentils_000.cu3s"), key)
    assert str(caught.value) == f"Lentils_000.cu3s{words}"


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


def test_the_spec_to_start_with_is_right() -> None:
    spec, diagnostics = load_spec(SPECS / "lentils.yaml")
    assert spec is not None
    assert check_graph(spec, load(), diagnostics) is not None
    assert list(diagnostics) == []
