"""Scores and a ground-truth mask to numbers: ranking and decision quality in float64. NumPy only.

A quantity that the data does not define (no anomaly in the mask, nothing decided positive) is None and has a reason,
never a made-up zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.artifact import OutputFacts
from cuvisc.runtime.data.nodata import find_missing, stored_nodata
from cuvisc.runtime.data.opening import array_names, split_location
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.data.truth import Truth, find_truth, read_truth
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.spectral_contract import match_bands
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError, SpecError

SCORE_UNITS = ("scores", "logits", "probabilities")
DECISIONS = "decisions"
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass
class Evaluation:
    """Quality against a mask; None where a quantity is undefined, with the reason in `reasons`."""

    score_output: str | None
    decision_output: str | None
    pixels: int
    anomalies: int
    excluded_pixels: int
    auroc: float | None = None
    average_precision: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    iou: float | None = None
    provider: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, float | None]:
        """The six numbers by name."""
        names = ("auroc", "average_precision", "precision", "recall", "f1", "iou")
        return {name: getattr(self, name) for name in names}


def auroc(scores: Floats, positive: Bools) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative) + P(equal) / 2.

    `scores` [N] are finite or infinite, `positive` [N]; both classes must occur.
    """
    _, tied, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    positives = int(np.count_nonzero(positive))
    negatives = positive.size - positives
    rank_sum = float(ranks[tied[positive]].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(scores: Floats, positive: Bools) -> float:
    """Sum over the distinct thresholds, high to low, of (recall_n - recall_{n-1}) * precision_n; no interpolation."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    true = np.cumsum(positive[order])[last_of_tie].astype(np.float64)
    decided = np.flatnonzero(last_of_tie) + 1
    return float(np.sum(np.diff(true, prepend=0) * (true / decided)) / true[-1])


def decision_quality(decided: Bools, positive: Bools) -> dict[str, float | None]:
    """precision, recall, f1 and iou of decisions [N]; None where the denominator is zero."""
    true = float(np.count_nonzero(decided & positive))
    false = float(np.count_nonzero(decided & ~positive))
    missed = float(np.count_nonzero(~decided & positive))
    return {
        "precision": _ratio(true, true + false),
        "recall": _ratio(true, true + missed),
        "f1": _ratio(2 * true, 2 * true + false + missed),
        "iou": _ratio(true, true + false + missed),
    }


def evaluate_file(
    predictor: Predictor,
    path: Path,
    *,
    cube_key: str | None = None,
    mask: str = "mask",
    score_output: str | None = None,
    threshold: float | None = None,
    thresholds: Mapping[str, float] | None = None,
    ignore_wavelengths: bool = False,
    resample: bool = False,
) -> Evaluation:
    """Run a cube that has a mask (> 0 is an anomaly) and measure the scores and decisions.

    `mask` is a file, or an array in the cube's file; without such an array a file beside the cube is taken.

    Scores are the first output whose unit is scores, logits or probabilities, unless `score_output` names one;
    decisions are the first output with that unit, or `scores >= threshold`. Pixels whose score is NaN, or that have no
    data, are left out and counted.
    """
    chosen = _choose_scores(predictor, score_output)
    decisions = None if threshold is not None else _first(predictor, (DECISIONS,))
    kept = [facts.name for facts in (chosen, decisions) if facts is not None]
    with CubeSource.open(path, cube_key) as opened:
        positive = _read_mask(path, mask, opened)
        source, doubt = match_bands(predictor.manifest, opened, ignore=ignore_wavelengths, resample=resample)
        values = {name: np.full(source.shape[:3], np.nan) for name in kept}
        known = np.ones(source.shape[:3], bool)
        nodata = stored_nodata(source.facts.nodata, source.dtype)
        for block, spectra, outputs in predictor.run(source, thresholds):
            where = (block.image, slice(block.top, block.bottom), slice(block.left, block.right))
            for name in kept:
                values[name][where] = _one_band(name, outputs[name])
            missing = find_missing(spectra, nodata)
            if missing is not None:
                known[where] = ~missing.whole
    counted = known.reshape(-1)
    scores = values[chosen.name].reshape(-1)[counted] if chosen else None
    decided: Bools | None = values[decisions.name].reshape(-1)[counted] > 0 if decisions else None
    if scores is not None and threshold is not None:
        decided = scores >= threshold
    result = measure(scores, decided, positive[counted])
    result.excluded_pixels += int(np.count_nonzero(~counted))
    result.warnings = [*opened.facts.warnings, *([doubt] if doubt else [])]
    result.score_output = chosen.name if chosen else None
    result.decision_output = decisions.name if decisions else None
    result.provider = predictor.provider
    return result


def measure(scores: Floats | None, decided: Bools | None, positive: Bools) -> Evaluation:
    """The evaluation of scores [N] and decisions [N], either of which may be missing."""
    counted = np.ones(positive.shape, bool) if scores is None else ~np.isnan(scores)
    positive = positive[counted]
    anomalies = int(np.count_nonzero(positive))
    result = Evaluation(None, None, positive.size, anomalies, int(np.count_nonzero(~counted)))
    ranking = ("auroc", "average_precision")
    if scores is None:
        _leave_out(result, ranking, "the artifact has no output of scores, logits or probabilities")
    elif anomalies == 0:
        _leave_out(result, ranking, "the mask has no anomaly")
    else:
        result.average_precision = average_precision(scores[counted], positive)
        if anomalies == positive.size:
            _leave_out(result, ("auroc",), "the mask has nothing but anomalies")
        else:
            result.auroc = auroc(scores[counted], positive)
    if decided is None:
        reason = "the artifact has no output of decisions; --threshold decides from the scores"
        _leave_out(result, ("precision", "recall", "f1", "iou"), reason)
        return result
    undefined = {
        "precision": "nothing was decided to be an anomaly",
        "recall": "the mask has no anomaly",
        "f1": "there is no anomaly, decided or real",
        "iou": "there is no anomaly, decided or real",
    }
    for name, value in decision_quality(decided[counted], positive).items():
        if value is None:
            _leave_out(result, (name,), undefined[name])
        else:
            setattr(result, name, value)
    return result


def _leave_out(result: Evaluation, names: tuple[str, ...], reason: str) -> None:
    result.reasons.update(dict.fromkeys(names, reason))


def _choose_scores(predictor: Predictor, name: str | None) -> OutputFacts | None:
    if name is None:
        return _first(predictor, SCORE_UNITS)
    for facts in predictor.manifest.outputs:
        if facts.name == name:
            return facts
    hint = did_you_mean(name, predictor.output_names)
    listed = ", ".join(f"`{known}`" for known in predictor.output_names)
    raise SpecError(
        f"`{predictor.manifest.name}` has no output `{name}`; it has {listed}{f'. {hint}' if hint else ''}"
    )


def _first(predictor: Predictor, units: tuple[str, ...]) -> OutputFacts | None:
    for unit in units:
        for facts in predictor.manifest.outputs:
            if facts.unit == unit:
                return facts
    return None


def _one_band(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.shape[-1] != 1:
        raise SpecError(f"`{name}` has {values.shape[-1]} bands; a mask is compared with an output of one")
    pixels: NDArray[Any] = values[0, ..., 0]
    return pixels


def _read_mask(path: Path, mask: str, source: CubeSource) -> Bools:
    """The mask [N]: a file of that name, else that array of the cube's file, else a file beside the cube."""
    file, key = split_location(mask)
    truth = Truth(file, key) if file.is_file() else find_truth(path, "mask", mask)
    if truth is None:
        names = array_names(path)
        listed = f"; it holds {', '.join(f'`{name}`' for name in names[:12])}" if names else ""
        hint = did_you_mean(mask, names)
        raise DataError(
            f"{path} has no mask, neither an array `{mask}` nor a file beside it, such as {path.stem}_mask.png"
            f"{listed}{f'. {hint}' if hint else ''}"
        )
    positive: Bools = read_truth(truth, source.array_shape[:-1]).reshape(-1) > 0
    return positive


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
