"""Findings about stages: pixels that two of them share, images that are copies, a stage without its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from cuvisc.compiler.graph import TypedGraph
from cuvisc.runtime.data.regions import STAGES
from cuvisc.runtime.data_check.finding import Finding, counted, listed
from cuvisc.runtime.data_check.survey import SampleOf, Survey

_HONEST = "metrics then say how well the training data is fitted, not how well anything else is"


def find_in_stages(survey: Survey, graph: TypedGraph) -> Iterator[Finding]:
    """Leaks between stages, copies in training, and what is missing."""
    if not survey.of("train"):
        if not survey.errors:
            yield Finding("error", "stages", "there is nothing to train on")
        return
    if not survey.of("val"):
        yield Finding(
            "note", "stages", f"there is no validation data: the training data is validated on, and {_HONEST}"
        )
    for one, other in combinations(STAGES, 2):
        yield from _leak(one, survey.of(one), other, survey.of(other))
    yield from _copies(survey.of("train"))
    yield from _bands(survey, graph)


def _leak(one: str, first: list[SampleOf], other: str, second: list[SampleOf]) -> Iterator[Finding]:
    """The same pixels of a file in two stages, or images that are copies of each other."""
    boxes = defaultdict(list)
    for sample in first:
        boxes[sample.image].append(sample.box)
    shared: dict[str, int] = defaultdict(int)
    for sample in second:
        for box in boxes.get(sample.image, ()):
            shared[sample.image] += sample.box.shared(box)
    files = [name for name, pixels in shared.items() if pixels]
    if files:
        pixels = sum(shared.values())
        yield Finding(
            "warning",
            "leak",
            f"{other} shares {counted(pixels, 'pixel')} with {one}, of {listed(files)}",
            _HONEST,
        )
    content = {sample.content: sample.image for sample in first}
    copies = [
        f"{sample.image} (of {content[sample.content]})"
        for sample in second
        if content.get(sample.content, sample.image) != sample.image
    ]
    if copies:
        names = list(dict.fromkeys(copies))
        yield Finding(
            "warning", "leak", f"{other} has copies of images of {one}: {listed(names)}", "delete the copies"
        )


def _copies(samples: list[SampleOf]) -> Iterator[Finding]:
    first: dict[bytes, str] = {}
    pairs = []
    for sample in samples:
        before = first.setdefault(sample.content, sample.image)
        if before != sample.image:
            pairs.append(f"{sample.image} (of {before})")
    if pairs:
        names = list(dict.fromkeys(pairs))
        yield Finding(
            "warning", "copies", f"training has the same image twice: {listed(names)}", "delete the copies"
        )


def _bands(survey: Survey, graph: TypedGraph) -> Iterator[Finding]:
    counts = sorted({image.tally.bands for image in survey.images.values()})
    wanted = graph.spec.graph.channels
    if len(counts) > 1:
        yield Finding(
            "error", "bands", f"images have different numbers of bands: {', '.join(map(str, counts))}"
        )
    elif wanted is not None and counts != [wanted]:
        yield Finding(
            "error", "bands", f"`graph.input.channels` is {wanted}, the images have {counts[0]} bands"
        )
    pixels = sum(sample.box.pixels for sample in survey.of("train"))
    if pixels <= counts[0]:
        yield Finding(
            "warning",
            "bands",
            f"training has {counted(pixels, 'pixel')} for {counts[0]} bands: a covariance of them is singular",
            "give more pixels, or fewer bands",
        )
