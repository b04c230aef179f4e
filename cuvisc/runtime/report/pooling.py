"""All images of a validation together to the facts and arrays that say how good the detector is. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.report import measures
from cuvisc.runtime.report.choice import Choice
from cuvisc.runtime.report.evidence import Evidence
from cuvisc.runtime.report.measures import Bools, Floats, Image
from cuvisc.runtime.report.pictures import SMALL, shrink, step_for

_ROWS, _SAMPLES = 500, 6
NO_SCORES = "the graph decides without scores of one band"


class Pool:
    """Images and what is looked at in them. Where some have a mask, quality is about those alone."""

    def __init__(self, images: list[Image], choice: Choice, units: Mapping[str, str | None]) -> None:
        self.images = images
        self.units = units
        self.ranked = [str(ref) for ref in choice.ranked]
        self.decisions = [str(ref) for ref in choice.decisions]
        self.rule = choice.rule
        self.labelled = any(image.mask is not None for image in images)

    def fill(self, evidence: Evidence) -> None:
        """Add `main`, `ranked`, `decided` and `files` to the facts, curves and histogram to the arrays."""
        facts, arrays = evidence.facts, evidence.arrays
        facts["ranked"] = [self._ranking(name) for name in self.ranked]
        facts["decided"] = [self._deciding(name) for name in self.decisions]
        facts["main"] = None
        threshold = None
        if self.ranked:
            name = self.ranked[0]
            scores, mask = measures.joined(self.images, name, labelled=self.labelled)
            decided = self._joined_decisions(self.decisions[0]) if self.decisions else None
            threshold, origin = self._threshold(scores, decided)
            known = ~np.isnan(scores)
            if decided is None and threshold is not None:
                decided = scores >= threshold
            found, drawn = measures.curves(scores, mask)
            arrays |= drawn | measures.histogram(scores, mask, threshold)
            facts["main"] = {
                "name": name,
                "unit": self.units[name],
                "threshold": threshold,
                "origin": origin,
                "decision": self.decisions[0] if self.decisions else None,
                "pixels": int(np.count_nonzero(known)),
                "excluded": int(np.count_nonzero(~known)),
                "anomalies": None if mask is None else int(np.count_nonzero(mask & known)),
                **measures.ranking(scores, mask),
                **found,
                **_merged(measures.deciding(known, decided, mask), measures.ranking(scores, mask)),
            }
        elif self.decisions:
            nothing = dict.fromkeys(("unit", "threshold", "origin", "auroc", "average_precision"))
            unscored = {"auroc": NO_SCORES, "average_precision": NO_SCORES}
            found = facts["decided"][0]
            reasons = {**unscored, **found["reasons"]}
            facts["main"] = {**nothing, **found, "name": None, "decision": found["name"], "reasons": reasons}
        self._fill_picture(evidence, threshold)
        main = self.ranked[0] if self.ranked else None
        facts["files"] = [
            measures.file_row(image, main, image.decisions, threshold) for image in self.images[:_ROWS]
        ]
        self._fill_samples(evidence, threshold)

    def _ranking(self, name: str) -> dict[str, Any]:
        scores, mask = measures.joined(self.images, name, labelled=self.labelled)
        finite = scores[np.isfinite(scores)]
        spread = [float(finite.min()), float(finite.max())] if finite.size else None
        return {"name": name, "unit": self.units[name], "range": spread, **measures.ranking(scores, mask)}

    def _deciding(self, name: str) -> dict[str, Any]:
        decided = self._joined_decisions(name)
        _, mask = self._masks()
        known = np.ones(decided.shape, bool)
        if self.ranked:
            known = ~np.isnan(measures.joined(self.images, self.ranked[0], labelled=self.labelled)[0])
        counted = {"pixels": int(np.count_nonzero(known)), "excluded": int(np.count_nonzero(~known))}
        anomalies = None if mask is None else int(np.count_nonzero(mask & known))
        return {"name": name, **counted, "anomalies": anomalies, **measures.deciding(known, decided, mask)}

    def _masks(self) -> tuple[list[Image], Bools | None]:
        chosen = [image for image in self.images if image.mask is not None or not self.labelled]
        masks = [image.mask for image in chosen if image.mask is not None]
        return chosen, np.concatenate(masks) if masks else None

    def _joined_decisions(self, name: str) -> Bools:
        return np.concatenate([image.decisions[name] for image in self._masks()[0]])

    def _threshold(self, scores: Floats, decided: Bools | None) -> tuple[float | None, str | None]:
        finite = scores[np.isfinite(scores)]
        level = None
        if self.rule is not None and finite.size:
            level = self.rule.at(float(finite.mean()), float(finite.std(ddof=min(1, finite.size - 1))))
        found = measures.settle_threshold(scores, decided, level)
        if found is None:
            return None, None
        if self.rule is not None and found == level:
            return found, self.rule.origin
        return found, f"what separates the decisions of `{self.decisions[0]}`"

    def _fill_picture(self, evidence: Evidence, threshold: float | None) -> None:
        """The decisions of the image that is shown, where a threshold decides and no node does."""
        arrays: dict[str, NDArray[Any]] = evidence.arrays
        sample = evidence.facts["sample"]
        if self.decisions:
            arrays["picture/decisions"] = arrays[f"picture/value/{self.decisions[0]}"].astype(bool)
        elif self.ranked and threshold is not None:
            image = self.images[sample["index"]]
            decided = (image.scores[self.ranked[0]] >= threshold).reshape(image.shape)
            arrays["picture/decisions"] = shrink(decided, sample["step"])

    def _fill_samples(self, evidence: Evidence, threshold: float | None) -> None:
        """Small planes of some more images: those with most wrong pixels, where decisions and masks say so."""
        files, main = evidence.facts["files"], evidence.facts["sample"]["index"]
        rest = [index for index in range(len(files)) if index != main]
        chosen = sorted(rest, key=lambda index: -_wrong(files[index]))[:_SAMPLES]
        evidence.facts["samples"] = chosen
        for number, index in enumerate(chosen):
            image = self.images[index]
            step = step_for(*image.shape, SMALL)
            scores = image.scores[self.ranked[0]] if self.ranked else None
            decided = image.decisions[self.decisions[0]] if self.decisions else None
            if decided is None and scores is not None and threshold is not None:
                decided = scores >= threshold
            planes = {"scores": scores, "decisions": decided, "mask": image.mask}
            known = {name: plane for name, plane in planes.items() if plane is not None}
            for name, plane in known.items():
                evidence.arrays[f"sample/{number}/{name}"] = shrink(plane.reshape(image.shape), step)
            if image.picture is not None:
                evidence.arrays[f"sample/{number}/scene"] = image.picture


def _wrong(file: Mapping[str, Any]) -> int:
    confusion = file.get("confusion")
    return int(confusion["misses"] + confusion["alarms"]) if confusion is not None else 0


def _merged(deciding: Mapping[str, Any], ranking: Mapping[str, Any]) -> dict[str, Any]:
    return {**deciding, "reasons": {**ranking["reasons"], **deciding["reasons"]}}
