"""Quality is what scikit-learn says it is; what the data does not define is None and has a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from small_artifacts import SmallArtifact, write_artifact

from cuvisc.runtime.evaluation import (
    auroc,
    average_precision,
    decision_quality,
    evaluate_file,
    measure,
)
from cuvisc.runtime.inference import Predictor
from cuvisc.schema.errors import DataError, SpecError

# Few distinct values make many ties; both classes occur.
LABELLED = st.lists(
    st.tuples(st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6), st.booleans()), min_size=2, max_size=60
).filter(lambda rows: len({positive for _, positive in rows}) == 2)


def split(rows: list[tuple[float, bool]]) -> tuple[Any, Any]:
    return np.array([score for score, _ in rows]), np.array([positive for _, positive in rows])


@given(LABELLED)
def test_auroc_and_average_precision_are_those_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, positive = split(rows)
    assert auroc(scores, positive) == pytest.approx(reference.roc_auc_score(positive, scores), abs=1e-12)
    expected = reference.average_precision_score(positive, scores)
    assert average_precision(scores, positive) == pytest.approx(expected, abs=1e-12)


@given(LABELLED)
def test_decision_quality_is_that_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    scores, positive = split(rows)
    decided = scores > 0
    quality = decision_quality(decided, positive)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        positive, decided, average="binary", zero_division=np.nan
    )
    assert quality["recall"] == pytest.approx(recall)
    assert quality["f1"] == pytest.approx(f1)
    assert quality["iou"] == pytest.approx(reference.jaccard_score(positive, decided))
    if decided.any():
        assert quality["precision"] == pytest.approx(precision)
    else:
        assert quality["precision"] is None


def test_millions_of_tied_scores_rank_exactly() -> None:
    positive = np.arange(1_000_000) < 500_000
    assert auroc(np.zeros(1_000_000), positive) == 0.5


def test_what_an_empty_mask_leaves_undefined_has_a_reason() -> None:
    result = measure(np.arange(4.0), np.zeros(4, bool), np.zeros(4, bool))
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
    result = measure(np.arange(4.0), np.arange(4) > 1, np.ones(4, bool))
    assert result.reasons == {"auroc": "the mask has nothing but anomalies"}
    assert (result.average_precision, result.precision, result.recall) == (1.0, 1.0, 0.5)


def test_pixels_without_a_score_are_left_out_and_counted() -> None:
    scores = np.array([0.0, np.nan, 2.0, 3.0, np.nan])
    positive = np.array([False, True, False, True, False])
    result = measure(scores, np.nan_to_num(scores) >= 2, positive)
    assert (result.pixels, result.excluded_pixels, result.anomalies) == (3, 2, 1)
    assert (result.auroc, result.recall, result.precision) == (1.0, 1.0, 0.5)


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
    expected = expected_quality(small, scene, thresholds.get("decider", 4.0))
    assert result.metrics() == pytest.approx(expected)
    assert (result.score_output, result.decision_output) == ("rx.scores", "decider.decisions")
    assert result.reasons == {}


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
    assert str(caught.value) == (
        f"{path} has no mask, neither an array `mask` nor a file beside it, such as {path.stem}_mask.png; "
        "it holds `cube`, `masks`. did you mean `masks`?"
    )


def test_an_unknown_output_is_answered_with_the_known_ones(tmp_path: Path, scene: Path) -> None:
    with pytest.raises(SpecError) as caught:
        evaluate_file(Predictor(write_artifact(tmp_path / "a").folder), scene, score_output="rx.score")
    assert str(caught.value) == (
        "`small` has no output `rx.score`; it has `rx.scores`, `decider.decisions`. did you mean `rx.scores`?"
    )
