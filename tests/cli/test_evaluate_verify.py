"""`cuvisc evaluate`, `verify` and `data` print what a program can read, and their reasons on stderr."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import cli_runs
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from small_artifacts import SmallArtifact, write_artifact

Cuvisc = Callable[..., cli_runs.Run]


@pytest.fixture
def cuvisc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cuvisc:
    monkeypatch.chdir(tmp_path)
    return lambda *args: cli_runs.run(capsys, monkeypatch, *args)


def write_scene(mask: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    cube = np.random.default_rng(1).integers(0, 120, (*mask.shape, 5)).astype("u2")
    np.savez("scene.npz", cube=cube, mask=mask)


def expected_auroc(small: SmallArtifact) -> float:
    with np.load("scene.npz") as arrays:
        return float(roc_auc_score(arrays["mask"].ravel() > 0, small.scores(arrays["cube"]).ravel()))


def test_evaluate_prints_six_numbers(cuvisc: Cuvisc, tmp_path: Path) -> None:
    small = write_artifact(tmp_path / "artifact")
    write_scene(np.eye(6, 8))
    found = cuvisc("evaluate", "artifact", "scene.npz")
    lines = found.out.splitlines()
    assert (found.code, found.err) == (0, "")
    assert lines[0] == "48 pixels, 6 anomalies, on CPUExecutionProvider"
    assert lines[1] == f"auroc              {expected_auroc(small):.6f}"
    assert [line.split()[0] for line in lines[2:]] == [
        "average_precision",
        "precision",
        "recall",
        "f1",
        "iou",
    ]


def test_evaluate_as_json_has_null_for_what_is_undefined_and_reasons_on_stderr(
    cuvisc: Cuvisc, tmp_path: Path
) -> None:
    small = write_artifact(tmp_path / "artifact", decide=False)
    write_scene(np.eye(6, 8))
    found = cuvisc("evaluate", "artifact", "scene.npz", "--json")
    result = json.loads(found.out)
    assert result["auroc"] == pytest.approx(expected_auroc(small))
    assert [result[name] for name in ("precision", "recall", "f1", "iou")] == [None] * 4
    assert found.err == (
        "warning: no precision, recall, f1, iou: "
        "the artifact has no output of decisions; --threshold decides from the scores\n"
    )
    found = cuvisc("evaluate", "artifact", "scene.npz", "--json", "--threshold", "0")
    assert (json.loads(found.out)["recall"], found.err) == (1.0, "")


def test_evaluate_moves_a_named_threshold(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    write_scene(np.eye(6, 8))
    found = cuvisc("evaluate", "artifact", "scene.npz", "--json", "--threshold", "decider=-1")
    assert json.loads(found.out)["precision"] == pytest.approx(6 / 48)


def test_evaluate_against_an_empty_mask_says_why_there_is_no_auroc(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    write_scene(np.zeros((6, 8)))
    found = cuvisc("evaluate", "artifact", "scene.npz", "--threshold", "decider=1e9")
    assert found.code == 0
    assert found.out.splitlines()[1:] == [
        f"{name:<18} -" for name in ("auroc", "average_precision", "precision", "recall", "f1", "iou")
    ]
    assert found.err == (
        "warning: no auroc, average_precision, recall: the mask has no anomaly\n"
        "warning: no precision: nothing was decided to be an anomaly\n"
        "warning: no f1, iou: there is no anomaly, decided or real\n"
    )


def test_verify_says_what_it_verified(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    found = cuvisc("verify", "artifact")
    assert (found.code, found.err) == (0, "")
    lines = found.out.splitlines()
    assert lines[:2] == ["3 files have their checksums", "model: valid ONNX"]
    assert lines[2].startswith("parity: 2 outputs of 1 cases on CPUExecutionProvider, largest error ")
    result = json.loads(cuvisc("verify", "artifact", "--json").out)
    assert (result["files"], result["cases"], result["outputs"]) == (3, 1, 2)


def test_verify_leaves_with_4_at_a_changed_file(cuvisc: Cuvisc, tmp_path: Path) -> None:
    small = write_artifact(tmp_path / "artifact")
    (small.folder / "model.onnx").write_bytes(b"other")
    found = cuvisc("verify", "artifact")
    assert (found.code, found.out) == (4, "")
    assert found.err == (
        "error: artifact/model.onnx is not the file that was exported\n"
        f"  expected sha256 {small.manifest['files']['model.onnx']}\n"
        f"  found    sha256 {hashlib.sha256(b'other').hexdigest()}\n"
    )


def test_data_writes_a_scene_that_other_verbs_read(cuvisc: Cuvisc) -> None:
    found = cuvisc("data", "indian-pines", "-o", "pines.npz")
    assert found == (0, "indian-pines: 145x145x200 uint16, 93 anomalous pixels\npines.npz\n", "")
    with np.load("pines.npz") as arrays:
        assert arrays["cube"].dtype == np.uint16
        assert int(arrays["mask"].sum()) == 93
        assert (arrays["labels"].shape, arrays["wavelengths"].shape) == ((145, 145), (200,))
    found = cuvisc("data", "indian-pines", "-o", "pines.npz")
    assert found == (2, "", "error: pines.npz exists; give --force to replace it\n")
    found = cuvisc("data", "indian-pines", "-o", "pines.npz", "--force", "--anomaly-class", "1")
    assert found.out.splitlines()[0] == "indian-pines: 145x145x200 uint16, 46 anomalous pixels"


def test_data_answers_an_unknown_scene_or_class(cuvisc: Cuvisc) -> None:
    assert cuvisc("data", "indian-pine", "-o", "x.npz") == (
        2,
        "",
        "error: there is no scene `indian-pine`; there is indian-pines. did you mean `indian-pines`?\n",
    )
    assert cuvisc("data", "indian-pines", "-o", "x.npz", "--anomaly-class", "17") == (
        3,
        "",
        "error: no pixel has the class 17; the classes are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16\n",
    )
