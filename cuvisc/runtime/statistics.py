"""Phase 1: the plan's passes over the training data to fitted nodes. Knows nothing of gradients.

Each pass reads every batch once. What the plan taps at the graph's input is measured in the data's own dtype, before
anything is computed; other taps evaluate the graph just far enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cuvisc.compiler.graph import INPUT, TypedNode, ValueRef
from cuvisc.compiler.module import CompiledGraph, ShapeError
from cuvisc.compiler.plan import EXTREMA, MOMENTS, Pass, Plan, Source, Tap
from cuvisc.language.node import FitError, Node
from cuvisc.language.statistics import (
    ACCUMULATORS,
    Accumulator,
    BandExtrema,
    BandMoments,
    NoPixels,
    Result,
    block_pixels,
)
from cuvisc.runtime.batches import pixels_of
from cuvisc.runtime.carry import statistic_for
from cuvisc.runtime.data.contract import check_batch
from cuvisc.runtime.data_check.flat import doubts_of_sample
from cuvisc.runtime.lanes import read_ahead
from cuvisc.runtime.missing import blank
from cuvisc.runtime.progress import follow, log
from cuvisc.runtime.ranks import gather, rank_and_world
from cuvisc.runtime.rounding import warn_of_rounding
from cuvisc.runtime.sample import PixelSample
from cuvisc.schema.document import Span
from cuvisc.schema.errors import DataError

_INPUT_TAP = Tap(INPUT, frozenset({EXTREMA, MOMENTS}))
_SHOWN_VALUES = 16

Batches = Callable[[], Iterable[Any]]


@dataclass(frozen=True)
class InputProfile:
    """What phase 1 saw of the cubes: their dtype, extrema and moments of every band, and some of their pixels."""

    dtype: str
    extrema: BandExtrema
    moments: BandMoments
    sample: NDArray[Any]
    excluded: int


@dataclass(frozen=True)
class Fit:
    """What phase 1 did: the passes in words, facts of every fitted node, the profile of the input, the time it took."""

    passes: tuple[str, ...]
    nodes: Mapping[str, Mapping[str, Any]]
    profile: InputProfile
    seconds: float


def fit_statistics(module: CompiledGraph, plan: Plan, batches: Batches, bars: bool = False) -> Fit:
    """Fill the state of every node; `batches` gives this rank's share of the training data, once for every pass.

    All ranks end with the same state. Raises :class:`DataError` for data that cannot be fitted, naming the node.
    """
    started = time.perf_counter()
    phase = _Phase(module, plan, batches, bars)
    profile = phase.run()
    return Fit(tuple(plan.describe()), dict(phase.facts), profile, round(time.perf_counter() - started, 3))


@dataclass
class _Phase:
    module: CompiledGraph
    plan: Plan
    batches: Batches
    bars: bool
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    measured: dict[tuple[int, Tap, str], Result] = field(default_factory=dict)

    def run(self) -> InputProfile:
        self.module.eval()
        passes = self.plan.passes or (Pass((_INPUT_TAP,), ()),)
        told = self.plan.describe()
        profile: InputProfile | None = None
        most = 0
        for index, step in enumerate(passes):
            started = time.perf_counter()
            reading = _Reading(
                self.module,
                step.taps,
                self.plan.share.stride,
                PixelSample(rank_and_world()[0]) if index == 0 else None,
            )
            with closing(self._read(f"Phase 1, pass {index + 1} of {len(passes)}")) as batches:
                for batch in batches:
                    cube = reading.open(batch)
                    self._solve_unmeasured()
                    reading.take(cube)
            reading.agree_on_bands()
            self._solve_unmeasured()
            self.measured |= {(index, *tap_and_kind): found for tap_and_kind, found in reading.results()}
            if index == 0:
                profile = self._profile(reading)
                most = profile.excluded
            most = self._warn_of_losses(reading, most)
            for name in step.solves:
                self._solve(self.module.graph.by_id[name], self.plan.sources[name])
            text = told[index] if index < len(told) else f"pass {index + 1} of {len(passes)}"
            log.debug("  %s: %.2f s", text, time.perf_counter() - started)
        assert profile is not None
        return profile

    def _read(self, text: str) -> Generator[Any, None, None]:
        """The batches of one pass, each read while the one before is measured."""
        batches = self.batches()
        total = len(batches) if isinstance(batches, Sized) else None
        with closing(read_ahead(batches, 1)) as coming:
            yield from follow(coming, text, self.bars, total)

    def _solve_unmeasured(self) -> None:
        """Fill what needs no statistic, as soon as the number of bands is known."""
        for node in self.module.graph.nodes:
            waiting = node.statistics is None and node.id not in self.facts
            if waiting and self.module.node(node.id).requires_initial_fit:
                self._solve(node, None)

    def _profile(self, reading: _Reading) -> InputProfile:
        tap = next(tap for tap in reading.taps if tap.parts == (INPUT,))
        extrema, moments = self.measured[0, tap, EXTREMA], self.measured[0, tap, MOMENTS]
        assert isinstance(extrema, BandExtrema)
        assert isinstance(moments, BandMoments)
        excluded = reading.excluded
        if excluded:
            log.warning(
                "%d of %d training pixels have no data or a band that is not finite; statistics leave them out",
                excluded,
                excluded + moments.count,
            )
        warn_of_rounding(reading.dtype, moments)
        sample = reading.sampled()
        for doubt in doubts_of_sample(sample, self.module.graph):
            log.warning("%s", doubt)
        return InputProfile(reading.dtype, extrema, moments, sample, excluded)

    def _warn_of_losses(self, reading: _Reading, most: int) -> int:
        """Say where more than the `most` pixels that are known of are left out, and return how many that are."""
        for value, excluded, pixels in reading.losses():
            if excluded > most:
                log.warning(
                    "%d of %d pixels of `%s` are marked as without data or not finite; statistics leave them out",
                    excluded,
                    pixels,
                    value,
                )
                most = excluded
        return most

    def _solve(self, typed: TypedNode, sources: tuple[Source, ...] | None) -> None:
        node = self.module.node(typed.id)
        try:
            node.fit(statistic_for(self.module, sources, self.measured) if sources else None)
        except FitError as error:
            raise DataError(f"{_place(typed.span)}`nodes.{typed.id}` ({typed.type}): {error}") from error
        self.facts[typed.id] = {"type": typed.type, **_state_facts(node)}
        log.info("  Initialized %s `%s`%s", typed.type, typed.id, _explained(node))


class _Reading:
    """One pass: accumulators for every tap, and a sample of the input where asked for."""

    def __init__(
        self, module: CompiledGraph, taps: tuple[Tap, ...], stride: int, sample: PixelSample | None
    ) -> None:
        self.module = module
        self.taps = taps
        self._stride = stride
        self.dtype = ""
        self._sample = sample
        self._accumulators: dict[tuple[Tap, str], Accumulator] = {
            (tap, kind): ACCUMULATORS[kind]() for tap in taps for kind in sorted(tap.kinds)
        }
        self._evaluated = {part for tap in taps for part in tap.parts} - {INPUT}

    def open(self, batch: Any) -> torch.Tensor:
        """The cube of a batch, once it is known to fit the graph."""
        cube = check_batch(batch, "the training data")
        try:
            self.module.bind(cube.shape[-1])
        except ShapeError as error:
            raise DataError(str(error)) from error
        return cube

    @torch.no_grad()
    def take(self, cube: torch.Tensor) -> None:
        """Measure one batch; nodes that look at whole images see them whole."""
        # What is measured leaves out by itself what is not finite; float64 has numbers that are not in float32.
        if self._evaluated or cube.dtype == torch.float64:
            cube = blank(cube)
        found = {INPUT: cube}
        if self._evaluated:
            found = {**self.module.evaluate(cube, self._evaluated), INPUT: cube}
        step = self._stride
        values = {ref: pixels_of(found[ref][:, ::step, ::step]) for ref in (INPUT, *self._evaluated)}
        self.dtype = self.dtype or values[INPUT].dtype.name
        step = block_pixels(max(pixels.shape[1] for pixels in values.values()))
        for start in range(0, max(len(pixels) for pixels in values.values()), step):
            self._take_block({ref: pixels[start : start + step] for ref, pixels in values.items()})
        if self._sample is not None:
            self._sample.update(values[INPUT])

    def _take_block(self, values: Mapping[ValueRef, NDArray[Any]]) -> None:
        """Everything that reads a block does so while it is in the cache."""
        for (tap, _), accumulator in self._accumulators.items():
            parts = [values[part] for part in tap.parts]
            accumulator.update(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))

    def agree_on_bands(self) -> None:
        """Bind a rank that had no batch of its own to what the others have seen."""
        for channels in gather(self.module.channels):
            self.module.bind(channels)

    def results(self) -> Iterable[tuple[tuple[Tap, str], Result]]:
        """What was measured, by all ranks together."""
        for (tap, kind), own in self._accumulators.items():
            merged = ACCUMULATORS[kind]()
            with np.errstate(over="ignore", invalid="ignore"):
                for other in gather(own):
                    merged.merge(other)  # type: ignore[arg-type] # every rank has the same kind here
                self._accumulators[tap, kind] = merged
                try:
                    found = merged.result()
                except NoPixels:
                    raise DataError(_nothing(tap, merged.excluded)) from None
            if isinstance(found, BandMoments) and not np.isfinite(found.scatter).all():
                raise DataError(
                    f"{_named(tap)} hold numbers so large that their squares overflow float64; scale the data, or mark "
                    "a number that stands for no data with NoDataMask"
                )
            yield (tap, kind), found

    @property
    def excluded(self) -> int:
        """Pixels of the input that were left out, by all ranks together."""
        return max(found.excluded for (tap, _), found in self._accumulators.items() if tap.parts == (INPUT,))

    def losses(self) -> Iterator[tuple[ValueRef, int, int]]:
        """Every measured value behind the input, and how many pixels were left out, of how many, by all ranks."""
        for (tap, _), found in self._accumulators.items():
            if tap.parts != (INPUT,):
                yield tap.value, found.excluded, found.excluded + found.count

    def sampled(self) -> NDArray[Any]:
        """Some of the input's pixels, from all ranks together."""
        joined = PixelSample()
        for other in gather(self._sample):
            if other is not None:
                joined.merge(other)
        assert joined.pixels is not None
        return joined.pixels


def _nothing(tap: Tap, excluded: int) -> str:
    if not excluded:
        return "the training data is empty: there is no pixel to take statistics from"
    return f"all {excluded} {_named(tap)} have a band that is not finite; there is nothing to take statistics from"


def _named(tap: Tap) -> str:
    return "training pixels" if tap.parts == (INPUT,) else f"pixels of `{tap.value}`"


def _place(span: Span | None) -> str:
    return f"{span.file}:{span.line}:{span.column}: " if span is not None and span.line else ""


def _state_facts(node: Node) -> dict[str, Any]:
    """The small pieces of a node's state, as plain numbers."""
    return {
        name: value.double().cpu().tolist()
        for name, value in node.state_values().items()
        if value.numel() <= _SHOWN_VALUES
    }


def _explained(node: Node) -> str:
    ratio = getattr(node, "explained_variance_ratio", None)
    if not isinstance(ratio, torch.Tensor):
        return ""
    shares = [f"{share:.1%}" for share in ratio.tolist()[:_SHOWN_VALUES]]
    more = ", …" if ratio.numel() > _SHOWN_VALUES else ""
    return f"; explained variance [{', '.join(shares)}{more}] = {float(ratio.sum()):.1%} total"
