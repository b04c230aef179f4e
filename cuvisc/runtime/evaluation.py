"""An artifact and cubes with masks to scores ranked and decisions counted: of every file, and of all together.

Files are run block by block. What stays of a pixel is its score, in the model's float32: 4 bytes, 2 more for the mask
of the file that is read, and 4 more while files are put together. With that, areas and thresholds are exact. Never
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.artifact import OutputFacts
from cuvisc.runtime.confusion import Confusion
from cuvisc.runtime.data.nodata import find_missing, stored_nodata
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.inference import Predictor, find_non_finite
from cuvisc.runtime.judging import Judge
from cuvisc.runtime.progress import log, timed
from cuvisc.runtime.ranking import Ranking
from cuvisc.runtime.spectral_contract import match_bands
from cuvisc.runtime.value_range import ValueRange
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError, SpecError

SCORE_UNITS = ("scores", "logits", "probabilities")
DECISIONS = "decisions"
_UNNAMED = "mask"
Bools = NDArray[np.bool_]
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Measurement:
    """What is kept of pixels that have a score and a mask: scores in order, decisions counted, others left out.

    `ranking` and `confusion` are None where the artifact gives no scores, or nothing decides. The decisions follow from
    a threshold on the scores where the `lowest` score decided for is above the `highest` one decided against.
    """

    ranking: Ranking | None
    confusion: Confusion | None
    pixels: int
    anomalies: int
    excluded_pixels: int
    lowest: float = np.inf
    highest: float = -np.inf

    @classmethod
    def merge(cls, parts: Sequence[Measurement]) -> Measurement:
        """All pixels as if they were of one file."""
        if len(parts) == 1:
            return parts[0]
        rankings = [part.ranking for part in parts if part.ranking is not None]
        counted = [part.confusion for part in parts if part.confusion is not None]
        return cls(
            Ranking.merge(rankings) if rankings else None,
            sum(counted[1:], counted[0]) if counted else None,
            sum(part.pixels for part in parts),
            sum(part.anomalies for part in parts),
            sum(part.excluded_pixels for part in parts),
            min(part.lowest for part in parts),
            max(part.highest for part in parts),
        )

    @property
    def threshold(self) -> float | None:
        """The lowest score decided for, None where the decisions do not follow from a threshold on these scores."""
        return self.lowest if self.highest < self.lowest < np.inf else None


@dataclass(frozen=True)
class Measured:
    """A file and what was measured in it."""

    input: str
    measurement: Measurement
    warnings: tuple[str, ...]


class Evaluator:
    """Runs cubes whose anomalies a `judge` knows and measures the scores and decisions.

    Scores are the first output whose unit is scores, logits or probabilities, unless `score_output` names one;
    decisions are the first output with that unit, or `scores >= threshold`. Left out and counted are pixels whose score
    is NaN, that have no data, or of which the ground truth says nothing.
    Raises :class:`SpecError` for an output or a threshold that the artifact has not.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        judge: Judge | None = None,
        score_output: str | None = None,
        threshold: float | None = None,
        thresholds: Mapping[str, float] | None = None,
        ignore_wavelengths: bool = False,
        resample: bool = False,
    ) -> None:
        self.predictor = predictor
        self.scores = _choose_scores(predictor, score_output)
        self.decisions = None if threshold is not None else _first(predictor, (DECISIONS,))
        self.threshold = threshold
        self.thresholds = dict(thresholds or {})
        self._judge = judge or Judge()
        self._match = {"ignore": ignore_wavelengths, "resample": resample}

    def run(self, path: Path, key: str | None = None, progress: Progress = lambda part: None) -> Measured:
        """Measure one file; raises :class:`DataError`. `progress` is told parts of the whole."""
        with CubeSource.open(path, key) as opened:
            judged = self._judge.read(path, opened.array_shape[:-1])
            positive, unjudged = (part.reshape(opened.shape[:3]) for part in judged[:2])
            source, doubt = match_bands(self.predictor.manifest, opened, **self._match)
            log.debug("%s: %s; a mask of %d pixels", path, opened.facts.in_words, np.count_nonzero(positive))
            collected = _Collected(self, source, int(np.count_nonzero(positive)))
            with timed("  read, run and compared"):
                for block, spectra, outputs in self.predictor.run(source, self.thresholds):
                    where = block.image, slice(block.top, block.bottom), slice(block.left, block.right)
                    collected.take(spectra, outputs, positive[where], unjudged[where])
                    progress(block.pixels / source.pixels)
        manifest = self.predictor.manifest
        unlike = collected.values.doubt(manifest.trained_range, source.name, manifest.name)
        warnings = (*opened.facts.warnings, *(text for text in (doubt, judged.doubt, unlike) if text))
        return Measured(str(path), collected.measurement(self.threshold), warnings)


class _Collected:
    """The pixels of one file, block by block."""

    def __init__(self, evaluator: Evaluator, source: CubeSource, anomalies: int) -> None:
        self._name = source.name
        self._scores = evaluator.scores.name if evaluator.scores else None
        self._decisions = evaluator.decisions.name if evaluator.decisions else None
        self._nodata = stored_nodata(source.facts.nodata, source.dtype)
        self.values = ValueRange(self._nodata)
        # Made at once: put together from blocks, scores would take twice the memory.
        sizes = (anomalies, source.pixels - anomalies) if self._scores else (0, 0)
        self._positives, self._negatives = (np.empty(size, np.float32) for size in sizes)
        self._confusion = Confusion(0, 0, 0, 0)
        self._lowest, self._highest = np.inf, -np.inf
        self._pixels = self._anomalies = self._empty = self._broken = self._unjudged = 0

    def take(
        self, spectra: NDArray[Any], outputs: Mapping[str, NDArray[Any]], positive: Bools, unjudged: Bools
    ) -> None:
        """One block: spectra [rows,columns,C], outputs [1,rows,columns,1] by name, the mask and its gaps."""
        scores = _one_band(self._scores, outputs[self._scores]) if self._scores else None
        broken = np.isnan(scores) if scores is not None else find_non_finite(spectra)
        self.values.update(spectra)
        missing = find_missing(spectra, self._nodata)
        empty = missing.whole if missing is not None else np.zeros_like(broken)
        known = ~(broken | empty | unjudged)
        self._unjudged += int(np.count_nonzero(unjudged & ~(broken | empty)))
        self._empty += int(np.count_nonzero(empty))
        self._broken += int(np.count_nonzero(broken & ~empty))
        truth = positive[known]
        anomalies, before = int(np.count_nonzero(truth)), self._pixels - self._anomalies
        ranked = scores[known] if scores is not None else None
        if ranked is not None:
            self._positives[self._anomalies : self._anomalies + anomalies] = ranked[truth]
            self._negatives[before : before + truth.size - anomalies] = ranked[~truth]
        self._pixels += truth.size
        self._anomalies += anomalies
        if self._decisions is None:
            return
        decided = _one_band(self._decisions, outputs[self._decisions])[known] > 0
        self._confusion += Confusion.of(decided, truth)
        if ranked is not None:
            self._lowest = min(self._lowest, float(ranked.min(where=decided, initial=np.inf)))
            self._highest = max(self._highest, float(ranked.max(where=~decided, initial=-np.inf)))

    def measurement(self, threshold: float | None) -> Measurement:
        """All of it, decided by a threshold on the scores where no output decides; raises :class:`DataError`."""
        if not self._pixels:
            raise DataError(
                f"{self._name}: there is nothing to measure: of {self._empty + self._broken + self._unjudged} pixels "
                f"{self._empty} have no data and {self._broken} "
                + ("a score that is not a number" if self._scores else "a band that is NaN or infinite")
                + (f"; of {self._unjudged} the mask says nothing" if self._unjudged else "")
            )
        ranking = None
        if self._scores is not None:
            positives = self._positives[: self._anomalies]
            negatives = self._negatives[: self._pixels - self._anomalies]
            positives.sort()
            negatives.sort()
            ranking = Ranking(positives, negatives)
        confusion = self._confusion if self._decisions is not None else None
        lowest, highest = self._lowest, self._highest
        if confusion is None and ranking is not None and threshold is not None:
            confusion, lowest = ranking.confusion(threshold), threshold
        excluded = self._empty + self._broken + self._unjudged
        return Measurement(ranking, confusion, self._pixels, self._anomalies, excluded, lowest, highest)


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
