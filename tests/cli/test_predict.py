"""`cuvisc predict` writes a whole file or none, and answers every mistake with one message and its exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from cli_runs import Cuvisc
from format_files import write_tiff
from small_artifacts import THRESHOLD, SmallArtifact


def write_scene(dtype: str = "u2", **changes: Any) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(1)
    cube = random.integers(0, 120, (6, 8, 5)).astype(dtype)
    arrays = {"cube": cube, "mask": np.eye(6, 8)} | changes
    np.savez_compressed("scene.npz", **arrays)
    return arrays["cube"]


def test_outputs_are_written_with_their_names_and_a_summary(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = write_scene()
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "out/scores.npz", "--device", "cpu", "--json")
    assert (found.code, found.err) == (0, "")
    summary = json.loads(found.out)
    speed = summary.pop("mpixels_per_second")
    assert speed == pytest.approx(48 / 1e6 / summary.pop("seconds"))
    assert summary == {
        "input": "scene.npz",
        "output": "out/scores.npz",
        "pixels": 48,
        "bands": 5,
        "dtype": "uint16",
        "non_finite_pixels": 0,
        "nodata_pixels": 0,
        "partly_nodata_pixels": 0,
        "unscored_pixels": 0,
        "decided_pixels": {"decider.decisions": int((small.scores(cube) >= THRESHOLD).sum())},
        "resampled": False,
        "warnings": [],
        "provider": "CPUExecutionProvider",
        "outputs": {"rx.scores": [6, 8, 1], "decider.decisions": [6, 8, 1]},
        "files": {"rx.scores": "out/scores.npz", "decider.decisions": "out/scores.npz"},
    }
    with np.load("out/scores.npz") as written:
        assert written.files == ["rx.scores", "decider.decisions"]
        np.testing.assert_allclose(written["rx.scores"], small.scores(cube), rtol=2e-5)
        np.testing.assert_array_equal(written["decider.decisions"], written["rx.scores"] >= THRESHOLD)
    assert os.listdir("out") == ["scores.npz"]


def test_the_summary_for_people_names_provider_outputs_and_file(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene()
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz")
    first, *rest = found.out.splitlines()
    assert first.startswith("48 pixels of 5 bands in ")
    assert first.endswith(" Mpixel/s on CPUExecutionProvider")
    assert rest == ["rx.scores  6x8x1", "decider.decisions  6x8x1", "scores.npz"]


def test_equal_inputs_make_equal_files(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene()
    for name in ("a.npz", "b.npz"):
        assert cuvisc("predict", "artifact", "scene.npz", "-o", name).code == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()


def test_a_npy_of_several_images_is_read(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = np.random.default_rng(2).integers(0, 120, (2, 3, 4, 5)).astype(">i4")
    np.save("cube.npy", cube)
    assert cuvisc("predict", "artifact", "cube.npy", "-o", "scores.npz").code == 0
    with np.load("scores.npz") as written:
        np.testing.assert_allclose(written["rx.scores"], small.scores(cube), rtol=2e-5)


def test_pixels_that_are_not_finite_are_warned_of(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    cube = np.full((6, 8, 5), 100, "f4")
    cube[2, 3, 4], cube[5, 0, 0] = np.nan, np.inf
    write_scene(cube=cube)
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz", "--json")
    assert json.loads(found.out)["non_finite_pixels"] == 2
    assert found.err == (
        "warning: 2 of 48 pixels have a band that is NaN or infinite; "
        "they have no score and are never decided for\n"
    )


@pytest.mark.parametrize("form", ["npy", "tif"])
def test_decisions_for_most_pixels_are_doubted(cuvisc: Cuvisc, small: SmallArtifact, form: str) -> None:
    """Most of those that have a score, whatever the model makes of the others, block by block."""
    cube = np.full((60, 80, 5), 100, "f4")
    cube[:, :41] /= 32
    cube[:, -1] = np.nan if form == "npy" else -9999
    if form == "npy":
        np.save("scene.npy", cube)
    else:
        write_tiff(Path("scene.tif"), cube, nodata=-9999)
    options = ("predict", "artifact", f"scene.{form}", "--json")
    found = cuvisc(*options, "-o", "most.npz")
    doubt = "warning: `decider.decisions` decides for 2460 of 4740 pixels; are the cube's values those of the training?"
    assert [line for line in found.err.splitlines() if "decides for" in line] == [doubt]
    assert json.loads(found.out)["decided_pixels"] == {"decider.decisions": 2460}
    found = cuvisc(*options, "-o", "few.npz", "--threshold", "decider=1e9")
    assert "decides for" not in found.err
    cube[:, 39:41] *= 32
    np.save("fewer.npy", cube)
    assert "decides for" not in cuvisc("predict", "artifact", "fewer.npy", "-o", "fewer.npz").err


def test_a_threshold_moves_the_decisions(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene()
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz", "--threshold", "decider=1.5")
    assert found.code == 0
    with np.load("scores.npz") as written:
        np.testing.assert_array_equal(written["decider.decisions"], written["rx.scores"] >= 1.5)


@pytest.mark.parametrize("text", ["decider", "=1", "decider=", "decider=x", "decider=nan", "decider=inf"])
def test_a_threshold_that_is_no_number_is_refused(cuvisc: Cuvisc, small: SmallArtifact, text: str) -> None:
    write_scene()
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz", "--threshold", text)
    assert found == (2, "", f"error: --threshold wants node=value, such as decider=0.5; got {text!r}\n")


def test_an_existing_file_is_kept_unless_forced(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene()
    Path("scores.npz").write_text("precious")
    args = ("predict", "artifact", "scene.npz", "-o", "scores.npz")
    assert cuvisc(*args) == (2, "", "error: scores.npz exists; give --force to replace it\n")
    assert Path("scores.npz").read_text() == "precious"
    assert cuvisc(*args, "--force").code == 0
    assert Path("scores.npz").read_bytes().startswith(b"PK")


def test_outputs_have_a_format_that_can_be_written(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene()
    assert cuvisc("predict", "artifact", "scene.npz", "-o", "scores.h5") == (
        2,
        "",
        "error: scores.h5: outputs are written as .npz, .tif or .hdr; give a name that ends in one of them\n",
    )


def test_a_damaged_input_leaves_nothing_half_written(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene(cube=np.random.default_rng(0).integers(0, 99, (300, 300, 5)).astype("u2"))
    content = bytearray(Path("scene.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    Path("scene.npz").write_bytes(content)
    before = sorted(os.listdir("."))
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz")
    assert (found.code, found.out) == (3, "")
    assert found.err.startswith("error: scene.npz: `cube` is damaged: ")
    assert found.err.count("\n") == 1
    assert sorted(os.listdir(".")) == before


def test_an_interrupted_prediction_leaves_nothing_half_written(
    cuvisc: Cuvisc, small: SmallArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    write_scene()
    monkeypatch.setattr("cuvisc.runtime.data.writers.npz.NpzWriter.save", interrupt)
    before = sorted(os.listdir("."))
    assert cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz") == (130, "", "interrupted\n")
    assert sorted(os.listdir(".")) == before


def test_other_bands_are_a_data_error_with_both_numbers(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene(cube=np.zeros((6, 8, 7)))
    assert cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz") == (
        3,
        "",
        "error: scene.npz has 7 bands, its shape is (6, 8, 7); `small` was trained on 5\n",
    )


def test_another_key_can_be_named(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    np.savez("scene.npz", hsi=np.zeros((2, 3, 5)))
    assert cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz") == (
        3,
        "",
        "error: scene.npz has no array `cube`; it holds `hsi`\n",
    )
    assert cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz", "--key", "hsi").code == 0


def test_a_tampered_model_is_a_verification_error(cuvisc: Cuvisc, small: SmallArtifact) -> None:
    write_scene()
    (small.folder / "model.onnx").write_bytes(b"")
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz")
    assert (found.code, found.out) == (4, "")
    assert found.err.splitlines()[0] == "error: artifact/model.onnx is not the file that was exported"


def test_a_device_that_is_not_there_is_a_device_error(
    cuvisc: Cuvisc, small: SmallArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scene()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz", "--device", "cuda")
    assert (found.code, found.out) == (5, "")
    assert found.err.startswith("error: --device cuda: the installed onnxruntime ")
    found = cuvisc("predict", "artifact", "scene.npz", "-o", "scores.npz", "--device", "gpu")
    assert found == (2, "", "error: --device is one of auto, cpu, cuda, tensorrt, got 'gpu'\n")


def test_what_is_no_artifact_is_a_data_error(cuvisc: Cuvisc) -> None:
    assert cuvisc("predict", "nothing", "scene.npz", "-o", "scores.npz") == (
        3,
        "",
        "error: nothing does not exist; an artifact is the folder that `cuvisc export` writes\n",
    )
