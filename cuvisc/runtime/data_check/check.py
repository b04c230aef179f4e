"""The data of a spec to everything that is worth knowing before training: images, stages, findings, needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import build_module
from cuvisc.runtime.components import make_datamodule
from cuvisc.runtime.data_check.finding import Finding
from cuvisc.runtime.data_check.needs import Needs, estimate
from cuvisc.runtime.data_check.stages import find_in_stages
from cuvisc.runtime.data_check.survey import Image, Progress, Survey, count_of, read_all, stages_of
from cuvisc.runtime.data_check.truths import find_in_truth
from cuvisc.runtime.data_check.values import find_in_values

Bar = Callable[[float], AbstractContextManager[Progress]]
_ORDER = ("error", "warning", "note")


@dataclass(frozen=True)
class DataCheck:
    """What was found, errors first."""

    survey: Survey
    findings: tuple[Finding, ...]
    needs: Needs | None

    def count(self, severity: str) -> int:
        """How many findings are this bad."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Everything for `--json`."""
        return {
            "stages": {stage: self._stage(stage) for stage in self.survey.balances},
            "images": [_image(image) for image in self.survey.images.values()],
            "findings": [finding.to_json() for finding in self.findings],
            "needs": None if self.needs is None else self.needs.to_json(),
            "errors": self.count("error"),
            "warnings": self.count("warning"),
        }

    def _stage(self, stage: Any) -> Mapping[str, Any]:
        balance, samples = self.survey.balances[stage], self.survey.of(stage)
        return {
            "samples": len(samples),
            "files": len({sample.image for sample in samples}),
            "pixels": sum(sample.box.pixels for sample in samples),
            "anomalous_pixels": balance.anomalies,
            "ignored_pixels": balance.ignored,
            "classes": {str(label): count for label, count in sorted(balance.classes.items())},
        }


def check_data(graph: TypedGraph, bar: Bar) -> DataCheck:
    """Read the data of a spec once; `bar` shows progress through a number of samples.

    Raises :class:`SpecError` where the spec names no data; what is wrong with the data is among the findings.
    """
    datamodule = make_datamodule(graph.spec)
    survey = Survey()
    _set_up(datamodule, survey)
    sources = {} if survey.errors else stages_of(datamodule, survey)
    with bar(sum(count_of(source) for source in sources.values())) as progress:
        read_all(survey, sources, build_module(graph), progress)
    findings = [Finding("error", "reading", fact) for fact in survey.errors]
    findings += find_in_stages(survey, graph)
    if survey.images:
        findings += find_in_truth(survey, graph)
        findings += find_in_values(list(survey.images.values()), graph)
    ordered = sorted(findings, key=lambda finding: _ORDER.index(finding.severity))
    return DataCheck(survey, tuple(ordered), estimate(survey, datamodule))


def _set_up(datamodule: Any, survey: Survey) -> None:
    """What Lightning would call before it asks for loaders."""
    try:
        datamodule.prepare_data()
        datamodule.setup("fit")
    except Exception as error:
        # A module of a user may raise anything; it is about the data.
        survey.refuse(error)


def _image(image: Image) -> dict[str, Any]:
    tally = image.tally
    return {
        "name": image.name,
        "shape": [image.height, image.width, tally.bands],
        "dtype": None if tally.dtype is None else tally.dtype.name,
        "pixels": tally.pixels,
        "min": tally.minimum,
        "max": tally.maximum,
        "mean": tally.mean,
        "nan_values": tally.nan_values,
        "infinite_values": tally.infinite_values,
        "pixels_without_data": tally.empty_pixels,
        "saturated_pixels": tally.saturated_pixels,
        "constant_bands": [band + 1 for band in tally.constant_bands],
        "repeated_bands": [[later + 1, first + 1] for first, later in tally.repeated_bands],
    }
