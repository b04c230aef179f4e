"""`cuvisc evaluate`, `verify` and `data` print what a program can read, and their reasons on stderr."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cli_runs import Cuvisc
from fitted_graphs import fitted, moments, spectra
from sklearn.metrics import confusion_matrix, roc_auc_score
from small_artifacts import THRESHOLD, SmallArtifact, write_artifact

from cuvisc.runtime.export import Source, export


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
    assert lines[:2] == [
        "48 pixels, 6 anomalies, on CPUExecutionProvider", "ranked by rx.scores, decided by decider.decisions"
    ]  # fmt: skip
    lines = lines[1:]
    assert lines[1] == f"auroc              {expected_auroc(small):.6f}"
    assert [line.split()[0] for line in lines[2:7]] == [
        "average_precision",
        "precision",
        "recall",
        "f1",
        "iou",
    ]
    assert lines[8].split() == ["at", "score", ">=", "recall", "fpr", "precision", "f1", "iou"]
    assert [line[:14].rstrip() for line in lines[9:14]] == [
        "decisions", "best F1", "FPR <= 0.1", "recall >= 0.9", "recall >= 0.99"
    ]  # fmt: skip
    assert lines[15].split() == ["pixels", "that", "are", "decided", "anomalous", "decided", "normal"]
    with np.load("scene.npz") as arrays:
        decided = small.scores(arrays["cube"]).ravel() >= THRESHOLD
        (rejections, alarms), (misses, hits) = confusion_matrix(arrays["mask"].ravel() > 0, decided)
    assert [line.split() for line in lines[16:]] == [
        ["anomalous", f"{hits}", f"{misses}"],
        ["normal", f"{alarms}", f"{rejections}"],
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
    assert found.out.splitlines()[2:8] == [
        f"{name:<18} -" for name in ("auroc", "average_precision", "precision", "recall", "f1", "iou")
    ]
    assert found.err == (
        "warning: no auroc, average_precision, recall: the mask has no anomaly\n"
        "warning: no precision: nothing was decided to be an anomaly\n"
        "warning: no f1, iou: there is no anomaly, decided or real\n"
    )


def test_evaluate_without_a_single_score_leaves_with_3(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    np.savez("scene.npz", cube=np.full((6, 8, 5), np.nan, "f4"), mask=np.eye(6, 8))
    assert cuvisc("evaluate", "artifact", "scene.npz", "-o", "folder") == (
        3,
        "",
        (
            "error: scene.npz: there is nothing to measure: "
            "of 48 pixels 0 have no data and 48 a score that is not a number\n"
        ),
    )
    assert not Path("folder").exists()


def test_evaluate_measures_many_files_and_says_which_it_could_not(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    write_scene(np.eye(6, 8))
    Path("scenes").mkdir()
    for name in ("a", "b"):
        Path(f"scenes/{name}.npz").write_bytes(Path("scene.npz").read_bytes())
    Path("scenes/c.npz").write_bytes(b"no archive")
    found = cuvisc("evaluate", "artifact", "scenes", "--csv")
    assert found.code == 3
    reasons = found.err.splitlines()
    assert reasons[0].startswith("error: scenes/c.npz")
    assert reasons[1:] == ["error: 1 of 3 cubes could not be measured"]
    a, b, together = csv.DictReader(found.out.splitlines())
    assert [row["file"] for row in (a, b, together)] == ["scenes/a.npz", "scenes/b.npz", "all"]
    assert (a["pixels"], together["pixels"], together["hits"]) == ("48", "96", str(2 * int(a["hits"])))
    assert float(a["auroc"]) == pytest.approx(float(together["auroc"]))
    result = json.loads(cuvisc("evaluate", "artifact", "scenes", "--json").out)
    assert [each["input"] for each in result["files"]] == ["scenes/a.npz", "scenes/b.npz"]
    assert [each["input"] for each in result["failed"]] == ["scenes/c.npz"]
    assert result["confusion"]["hits"] == int(together["hits"])
    last = cuvisc("evaluate", "artifact", "scenes/a.npz", "scenes/b.npz").out.splitlines()[-3:]
    assert last[0].split()[:3] == ["file", "pixels", "anomalies"]
    assert [line.split()[:3] for line in last[1:]] == [
        ["scenes/a.npz", "48", "6"],
        ["scenes/b.npz", "48", "6"],
    ]


def test_evaluate_says_where_decisions_are_not_of_the_scores_it_ranks_by(
    cuvisc: Cuvisc, tmp_path: Path
) -> None:
    train = spectra(1, 20, 20, 5)
    nodes = "other: {type: RXPerBatch, parent: input}, rx: {type: RXGlobal, parent: input}, head: {type: RXLogitHead}"
    outputs = "graph: {outputs: [other.scores, rx.scores, decider.decisions]}"
    module = fitted(f"nodes: {{{nodes}, decider: {{type: LogitDecider}}}}\n{outputs}", train)
    export(Source(module, "0" * 64, "float32", train.reshape(-1, 5), moments(train)), tmp_path / "artifact")
    np.savez("scene.npz", cube=spectra(20, 20, 5, seed="scene"), mask=np.eye(20))
    found = cuvisc("evaluate", "artifact", "scene.npz")
    assert found.out.splitlines()[1] == "ranked by other.scores, decided by decider.decisions"
    assert found.err == (
        "warning: `decider.decisions` follows from no threshold on `other.scores`: they are of different parts of the "
        "graph; --output ranks by another output\n"
    )
    assert cuvisc("evaluate", "artifact", "scene.npz", "--output", "rx.scores").err == ""


def test_evaluate_writes_a_folder_whole(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    write_scene(np.eye(6, 8))
    found = cuvisc("evaluate", "artifact", "scene.npz", "-o", "evaluation", "--json")
    assert found.code == 0
    folder = Path("evaluation")
    assert sorted(path.name for path in folder.iterdir()) == [
        "curve.csv", "evaluation.json", "files.csv", "precision_recall.svg", "roc.svg", "scores.svg", "thresholds.csv"
    ]  # fmt: skip
    assert json.loads((folder / "evaluation.json").read_text()) == json.loads(found.out)
    rows = list(csv.DictReader((folder / "thresholds.csv").read_text().splitlines()))
    assert [row["at"] for row in rows] == [row["at"] for row in json.loads(found.out)["thresholds"]]
    assert len((folder / "curve.csv").read_text().splitlines()) == 1 + 6
    for figure in folder.glob("*.svg"):
        root = ElementTree.parse(figure).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in figure.read_text()
    again = cuvisc("evaluate", "artifact", "scene.npz", "-o", "evaluation")
    assert again == (2, "", "error: evaluation exists; give --force to replace it\n")
    assert cuvisc("evaluate", "artifact", "scene.npz", "-o", "evaluation", "--force").code == 0


def test_evaluate_takes_one_mask_file_for_one_cube(cuvisc: Cuvisc, tmp_path: Path) -> None:
    write_artifact(tmp_path / "artifact")
    write_scene(np.eye(6, 8))
    np.save("truth.npy", np.eye(6, 8))
    Path("other.npz").write_bytes(Path("scene.npz").read_bytes())
    assert cuvisc("evaluate", "artifact", "scene.npz", "other.npz", "--mask", "truth.npy") == (
        2,
        "",
        (
            "error: --mask truth.npy is the mask of one cube; there are 2; "
            "with {stem} in its name it is one for every cube\n"
        ),
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
