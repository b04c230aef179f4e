"""Quality is what scikit-learn says it is; what the data does not define is None and has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference
from small_artifacts import THRESHOLD, SmallArtifact, write_artifact

from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.data.truth import names_of_truth
from cuvisc.runtime.evaluation import Evaluator, Measurement
from cuvisc.runtime.findings import Findings, findings, operating_points
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.judging import Judge
from cuvisc.runtime.ranking import Ranking
from cuvisc.schema.errors import DataError, SpecError


def evaluate_file(predictor: Predictor, path: Path, **options: Any) -> Findings:
    """The numbers of one file."""
    return findings(Evaluator(predictor, **options).run(path).measurement)


def measured(scores: NDArray[Any], decided: NDArray[Any] | None, positive: NDArray[Any]) -> Measurement:
    """What is kept of pixels that are all known."""
    confusion = Confusion.of(decided, positive) if decided is not None else None
    anomalies = int(positive.sum())
    return Measurement(Ranking.of(scores, positive), confusion, positive.size, anomalies, 0)


def test_what_an_empty_mask_leaves_undefined_has_a_reason() -> None:
    result = findings(measured(np.arange(4.0), np.zeros(4, bool), np.zeros(4, bool)))
    assert set(result.metrics().values()) == {None}
    assert result.reasons == {
        "auroc": "the mask has no anomaly",
        "average_precision": "the mask has no anomaly",
        "precision": "nothing was decided to be an anomaly",
        "recall": "the mask has no anomaly",
        "f1": "there is no anomaly, decided or real",
        "iou": "there is no anomaly, decided or real",
    }


def test_what_a_full_mask_leaves_undefined_has_a_reason() -> None:
    part = measured(np.arange(4.0), np.arange(4) > 1, np.ones(4, bool))
    result = findings(part)
    reason = "the mask has nothing but anomalies"
    assert result.reasons == {"auroc": reason, "average_precision": reason}
    assert (result.auroc, result.average_precision) == (None, None)
    assert (result.precision, result.recall) == (1.0, 0.5)
    assert [point.name for point in operating_points(part)] == ["decisions"]


def test_thresholds_worth_knowing_decide_what_scikit_learn_says() -> None:
    random = np.random.default_rng(5)
    positive = random.random(30_000) < 0.01
    scores = (random.normal(size=positive.size) + 2 * positive).astype("f4")
    points = operating_points(measured(scores, scores >= 2, positive), [1.5])
    fallout, recall, _ = reference.roc_curve(positive, scores, drop_intermediate=False)
    assert [point.name for point in points] == [
        "decisions",
        "score >= 1.5",
        "best F1",
        *(f"FPR <= {rate:g}" for rate in (1e-4, 1e-3, 1e-2, 1e-1)),
        "recall >= 0.9",
        "recall >= 0.99",
    ]
    for point in points[1:]:
        row = point.to_json()
        decided = scores >= row["threshold"]
        assert row["precision"] == pytest.approx(reference.precision_score(positive, decided))
        assert row["recall"] == pytest.approx(reference.recall_score(positive, decided))
        assert row["f1"] == pytest.approx(reference.f1_score(positive, decided))
        assert row["iou"] == pytest.approx(reference.jaccard_score(positive, decided))
        assert row["fpr"] == pytest.approx(decided[~positive].mean())
        if point.name.startswith("FPR"):
            allowed = float(point.name.split()[-1])
            assert row["recall"] == pytest.approx(recall[fallout <= allowed].max())


def test_shares_of_alarms_that_allow_not_one_are_not_told() -> None:
    part = measured(np.arange(50.0), None, np.arange(50) > 40)
    assert [point.name for point in operating_points(part) if "FPR" in point.name] == ["FPR <= 0.1"]


def test_a_threshold_that_nothing_reaches_decides_nothing() -> None:
    """All normal pixels score above all anomalous ones."""
    points = operating_points(measured(-np.arange(50.0), None, np.arange(50) > 40))
    row = next(point.to_json() for point in points if point.name == "FPR <= 0.1")
    assert (row["threshold"], row["recall"], row["fpr"], row["precision"]) == (None, 0.0, 0.0, None)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    np.savez(
        tmp_path / "scene.npz",
        cube=random.integers(0, 200, (20, 30, 5)).astype("u2"),
        mask=(random.random((20, 30)) < 0.2).astype("u1") * 7,
    )
    return tmp_path / "scene.npz"


def expected_quality(small: SmallArtifact, scene: Path, threshold: float) -> dict[str, float]:
    with np.load(scene) as arrays:
        scores, positive = small.scores(arrays["cube"]).ravel(), arrays["mask"].ravel() > 0
    decided = scores >= threshold
    return {
        "auroc": reference.roc_auc_score(positive, scores),
        "average_precision": reference.average_precision_score(positive, scores),
        "precision": reference.precision_score(positive, decided),
        "recall": reference.recall_score(positive, decided),
        "f1": reference.f1_score(positive, decided),
        "iou": reference.jaccard_score(positive, decided),
    }


@pytest.mark.parametrize("thresholds", [{}, {"decider": 9.0}])
def test_an_artifact_is_measured_end_to_end(
    tmp_path: Path, scene: Path, thresholds: dict[str, float]
) -> None:
    small = write_artifact(tmp_path / "artifact")
    result = evaluate_file(Predictor(small.folder), scene, thresholds=thresholds)
    expected = expected_quality(small, scene, thresholds.get("decider", THRESHOLD))
    assert result.metrics() == pytest.approx(expected)
    assert result.reasons == {}


def test_the_threshold_of_the_decisions_is_the_lowest_score_decided_for(tmp_path: Path, scene: Path) -> None:
    small = write_artifact(tmp_path / "artifact")
    with np.load(scene) as arrays:
        scores = small.scores(arrays["cube"])
    threshold = evaluate_file(Predictor(small.folder), scene).threshold
    assert threshold == pytest.approx(scores[scores >= THRESHOLD].min(), rel=1e-5)


def test_files_together_are_measured_as_if_they_were_one(tmp_path: Path) -> None:
    small = write_artifact(tmp_path / "artifact")
    evaluator = Evaluator(Predictor(small.folder))
    random = np.random.default_rng(8)
    parts, scores, masks = [], [], []
    for name, rows in (("a.npz", 9), ("b.npz", 30)):
        cube = random.integers(0, 200, (rows, 12, 5)).astype("u2")
        mask = random.random((rows, 12)) < 0.3
        np.savez(tmp_path / name, cube=cube, mask=mask)
        parts.append(evaluator.run(tmp_path / name).measurement)
        scores.append(small.scores(cube).ravel())
        masks.append(mask.ravel())
    together, positive = np.concatenate(scores), np.concatenate(masks)
    result = findings(Measurement.merge(parts))
    assert (result.pixels, result.anomalies) == (positive.size, positive.sum())
    assert result.auroc == pytest.approx(reference.roc_auc_score(positive, together), abs=1e-9)
    expected = reference.average_precision_score(positive, together)
    assert result.average_precision == pytest.approx(expected, abs=1e-9)
    assert result.f1 == pytest.approx(reference.f1_score(positive, together >= THRESHOLD))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_cube_without_a_single_score_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "scene.npz"
    np.savez(path, cube=np.full((6, 8, 5), value, "f4"), mask=np.eye(6, 8))
    with pytest.raises(DataError) as caught:
        evaluate_file(Predictor(write_artifact(tmp_path / "artifact").folder), path)
    assert str(caught.value) == (
        f"{path}: there is nothing to measure: of 48 pixels 0 have no data and 48 a score that is not a number"
    )


def test_without_decisions_a_threshold_makes_them(tmp_path: Path, scene: Path) -> None:
    small = write_artifact(tmp_path / "artifact", decide=False)
    predictor = Predictor(small.folder)
    without = evaluate_file(predictor, scene)
    reason = "the artifact has no output of decisions; --threshold decides from the scores"
    assert without.reasons == dict.fromkeys(("precision", "recall", "f1", "iou"), reason)
    result = evaluate_file(predictor, scene, threshold=9.0)
    assert result.metrics() == pytest.approx(expected_quality(small, scene, 9.0))


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scene.npz"
    np.savez(path, cube=np.zeros((4, 6, 5), "u2"), mask=np.zeros((6, 4)))
    with pytest.raises(DataError) as caught:
        evaluate_file(Predictor(write_artifact(tmp_path / "artifact").folder), path)
    assert str(caught.value) == f"{path}: `mask` has the shape (6, 4); (4, 6) goes with the cube"


def test_a_missing_mask_is_answered_with_the_arrays_there_are(tmp_path: Path) -> None:
    path = tmp_path / "scene.npz"
    np.savez(path, cube=np.zeros((4, 6, 5), "u2"), masks=np.zeros((4, 6)))
    with pytest.raises(DataError) as caught:
        evaluate_file(Predictor(write_artifact(tmp_path / "artifact").folder), path)
    beside = names_of_truth(path, "mask")
    assert {"scene_mask.png", "scene_mask.npy", "scene_mask.tif", "scene.png"} <= set(beside)
    assert str(caught.value) == (
        f"{path} has no mask; looked for the array `mask` in it, which holds `cube`, `masks`; "
        f"beside it {', '.join(beside)}; class labels as the array `labels` or scene_labels.png. did you mean `masks`?"
    )


def test_a_mask_named_as_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "scene.npy"
    np.save(path, np.zeros((4, 6, 5), "u2"))
    np.save(tmp_path / "scene_mask.npy", np.eye(4, 6))
    predictor = Predictor(write_artifact(tmp_path / "artifact").folder)
    for mask in ("truth/scene.png", "truth"):
        with pytest.raises(DataError) as caught:
            evaluate_file(predictor, path, judge=Judge(mask))
        assert str(caught.value) == f"{path} has no mask; looked for the file `{mask}`"


def test_a_mask_named_as_an_array_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    path = tmp_path / "scene.npz"
    np.savez(path, cube=np.zeros((4, 6, 5), "u2"), mask=np.eye(4, 6))
    np.save(tmp_path / "scene_mask.npy", np.eye(4, 6))
    with pytest.raises(DataError) as caught:
        evaluate_file(Predictor(write_artifact(tmp_path / "artifact").folder), path, judge=Judge("masks"))
    assert str(caught.value) == (
        f"{path} has no mask; looked for the array `masks` in it, which holds `cube`, `mask`. did you mean `mask`?"
    )


def test_an_unknown_output_is_answered_with_the_known_ones(tmp_path: Path, scene: Path) -> None:
    with pytest.raises(SpecError) as caught:
        evaluate_file(Predictor(write_artifact(tmp_path / "a").folder), scene, score_output="rx.score")
    assert str(caught.value) == (
        "`small` has no output `rx.score`; it has `rx.scores`, `decider.decisions`. did you mean `rx.scores`?"
    )
