"""Findings about ground truth: what leaves read and nothing gives, balance, classes, masks on another grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.class_balance import Balance, undeclared_classes
from cuvisc.runtime.data.annotations import CocoTruth
from cuvisc.runtime.data.datamodule import Stage
from cuvisc.runtime.data.facts import Transform
from cuvisc.runtime.data.opening import open_cube
from cuvisc.runtime.data_check.finding import Finding, counted, listed
from cuvisc.runtime.data_check.survey import Image, Survey

_HALF_A_PIXEL = 0.5
_FEW = 10
_SHOWN = 8


def find_in_truth(survey: Survey, graph: TypedGraph) -> Iterator[Finding]:
    """Everything about ground truth that is worth knowing."""
    yield from _lacking(survey, graph)
    yield from _balance(survey.balances, graph)
    yield from _undeclared(survey.balances, graph)
    yield from _classes(survey)
    yield from _masks(list(survey.images.values()))
    yield from _shared(list(survey.images.values()))
    yield from _grids(list(survey.images.values()))


def _lacking(survey: Survey, graph: TypedGraph) -> Iterator[Finding]:
    """Leaves that read what the batches do not hold; labels stand in for a mask."""
    for leaf in graph.leaves:
        for need in leaf.entry.get("needs", ()):
            lacking = [
                stage
                for stage, keys in survey.keys.items()
                if survey.of(stage) and need not in keys and not (need == "mask" and "labels" in keys)
            ]
            if lacking:
                yield Finding(
                    "error",
                    "truth",
                    f"`{leaf.section}.{leaf.id}` reads `{need}`, which images of {_and(lacking)} do not have",
                    "name the ground truth in `datamodule`, or leave the leaf out",
                )


def _balance(balances: Mapping[Stage, Balance], graph: TypedGraph) -> Iterator[Finding]:
    readers = [leaf for leaf in graph.leaves if "mask" in leaf.entry.get("needs", ())]
    losses = ", ".join(f"`{leaf.id}`" for leaf in readers if leaf.kind == "loss")
    for stage, balance in balances.items():
        if balance.anomalies is None:
            continue
        if balance.ignored == balance.pixels:
            fact = f"every pixel of {stage} is ignored"
            yield Finding("warning", "balance", fact, "another `split_seed`, or check `ignore_label`")
        elif balance.anomalies == 0:
            means = "AUROC and average precision are not defined there"
            if stage == "train":
                means = (
                    f"{losses} can only learn that nothing is one" if losses else "no loss of the spec minds"
                )
            yield Finding(
                "note" if stage == "train" and not losses else "warning",
                "balance",
                f"{stage} has no anomalous pixel: {means}",
                "another `split_seed`, or lists of files, where some have anomalies",
            )
        elif balance.normal == 0:
            fact = f"every pixel of {stage} is anomalous"
            yield Finding("warning", "balance", fact, "check which values mean an anomaly")
        elif balance.anomalies < _FEW and stage != "train":
            pixels = counted(balance.anomalies, "anomalous pixel")
            fact = f"{stage} has {pixels}: too few for metrics to be exact"
            yield Finding("note", "balance", fact)
    train = balances.get("train")
    if losses and train is not None and train.anomalies and train.normal:
        ratio = train.normal / train.anomalies
        fact = f"normal / anomalous in training is {ratio:.3g}: a `pos_weight` of that balances the two"
        yield Finding("note", "balance", fact)


def _undeclared(balances: Mapping[Stage, Balance], graph: TypedGraph) -> Iterator[Finding]:
    """Labels of several classes that nobody calls anomalies: a leaf that reads a mask takes them all for one."""
    stages = [stage for stage, balance in balances.items() if balance.undeclared]
    readers = [leaf.id for leaf in graph.leaves if "mask" in leaf.entry.get("needs", ())]
    if stages:
        yield Finding(
            "warning" if readers else "note",
            "classes",
            f"{_and(stages)}: {undeclared_classes(readers)}",
            "name the anomalies as `anomaly_classes` of a CubeFolder, or map ids by a BinaryAnomalyLabelMapper",
        )


def _classes(survey: Survey) -> Iterator[Finding]:
    """Anomaly classes that no pixel has, and classes that are met after training only."""
    found = {stage: set(balance.classes) for stage, balance in survey.balances.items()}
    absent = sorted(survey.anomaly_classes - set().union(*found.values()))
    if absent:
        yield Finding(
            "warning",
            "classes",
            f"no pixel has the anomaly {_plural(absent, 'class', 'classes')} {_numbers(absent)}",
            "check `anomaly_classes` against the labels",
        )
    for stage in found if found.get("train") else ():
        unknown = sorted(found[stage] - found["train"])
        if unknown:
            yield Finding(
                "warning",
                "classes",
                f"{stage} has {_plural(unknown, 'a class', 'classes')} that training never sees: {_numbers(unknown)}",
                "split otherwise, or list files so that training has all classes",
            )


def _masks(images: Sequence[Image]) -> Iterator[Finding]:
    several = [image for image in images if sum(value > 0 for value in image.mask_values) > 1]
    if several:
        values = sorted(set[float]().union(*(image.mask_values for image in several)))
        yield Finding(
            "warning",
            "classes",
            f"{listed([image.name for image in several])}: the mask holds {_numbers(values)}; "
            "whatever is above 0 counts as an anomaly",
            "name class ids as `labels` with `anomaly_classes`, and what is not to be judged as `ignore_label`",
        )


def _shared(images: Sequence[Image]) -> Iterator[Finding]:
    """One raster that is the ground truth of several cubes."""
    cubes: dict[tuple[str, Path], list[str]] = {}
    for image in images:
        for kind, truth in image.file.truth.items() if image.file else ():
            if not isinstance(truth, CocoTruth) and not truth.key:
                cubes.setdefault((kind, truth.path), []).append(image.name)
    for (kind, path), names in cubes.items():
        if len(names) > 1:
            yield Finding(
                "warning",
                "truth",
                f"{path} is the {kind} of {counted(len(names), 'cube')}: {listed(names)}",
                f"put `{{stem}}` into `{kind}`, which stands for the name of the cube",
            )


def _grids(images: Sequence[Image]) -> Iterator[Finding]:
    """Ground truth whose georeference is not that of its cube."""
    for image in images:
        grid = image.file.georeference.transform if image.file and image.file.georeference else None
        for truth in image.file.truth.values() if image.file and grid else ():
            other = None if isinstance(truth, CocoTruth) or truth.key else _transform(truth.path)
            if grid is None or other is None:
                continue
            shift = _shift(grid, other, image.height, image.width)
            if shift > _HALF_A_PIXEL:
                yield Finding(
                    "warning",
                    "alignment",
                    f"{truth.path} lies {shift:.3g} pixels beside {image.name}, by what the files say of their place",
                    "bring ground truth onto the grid of its cube",
                )


def _transform(path: Path) -> Transform | None:
    opened = open_cube(path)
    opened.file.close()
    return opened.facts.georeference.transform if opened.facts.georeference else None


def _shift(cube: Transform, truth: Transform, height: int, width: int) -> float:
    """The largest distance of corresponding corners, in pixels of the cube."""
    a, b, _, d, e, _ = cube
    side = math.sqrt(abs(a * e - b * d)) or 1.0
    difference = [one - other for one, other in zip(cube, truth, strict=True)]
    corners = ((column, row) for column in (0, width) for row in (0, height))
    return max(
        math.hypot(
            difference[0] * x + difference[1] * y + difference[2],
            difference[3] * x + difference[4] * y + difference[5],
        )
        / side
        for x, y in corners
    )


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _plural(numbers: Sequence[float], one: str, several: str) -> str:
    return one if len(numbers) == 1 else several


def _numbers(numbers: Sequence[float]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers[:_SHOWN])
    return f"{shown}, …" if len(numbers) > _SHOWN else shown
