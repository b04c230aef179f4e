"""A data module to what its images hold: every stage is read once, a few rows at a time where the module can.

Nothing here knows a data module by name: one that says which files its samples are of (:class:`KnownRegions`) is read
in parts, another sample by sample, one with loaders of its own batch by batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.compiler.module import CompiledGraph
from cuvisc.runtime.batches import pixels_of
from cuvisc.runtime.class_balance import Balance
from cuvisc.runtime.data.annotations import read_truth_window
from cuvisc.runtime.data.classes import Classes
from cuvisc.runtime.data.contract import CUBE_KEYS, TRUTH_KEYS, check_batch
from cuvisc.runtime.data.cube_file import CubeFile
from cuvisc.runtime.data.cube_samples import KnownRegions
from cuvisc.runtime.data.datamodule import GraphDataModule, Stage
from cuvisc.runtime.data.regions import STAGES
from cuvisc.runtime.data.tiles import Box
from cuvisc.runtime.data.truth import find_unjudged
from cuvisc.runtime.data_check.tally import Tally
from cuvisc.runtime.mapped_truth import mappers_of
from cuvisc.schema.errors import CuviscError, DataError

Progress = Callable[[float], None]
_MOST_ERRORS = 20
_MOST_VALUES = 64


@dataclass
class Image:
    """One file, or one sample where no file is known, and its values."""

    name: str
    tally: Tally
    height: int
    width: int
    file: CubeFile | None = None
    mask_values: set[float] = field(default_factory=set)


@dataclass(frozen=True)
class SampleOf:
    """A sample of a stage: the image it is of, where in it, and what tells its pixels from others."""

    stage: Stage
    image: str
    box: Box
    content: bytes


@dataclass
class Survey:
    """Everything that was read; `errors` are what could not be, each once."""

    images: dict[str, Image] = field(default_factory=dict)
    samples: list[SampleOf] = field(default_factory=list)
    balances: dict[Stage, Balance] = field(default_factory=dict)
    keys: dict[Stage, set[str]] = field(default_factory=dict)
    anomaly_classes: set[int] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def refuse(self, error: Exception) -> None:
        """Keep what an exception says, as long as there are not too many."""
        fact = str(error) if isinstance(error, CuviscError) else f"the data cannot be loaded: {_words(error)}"
        if fact not in self.errors and len(self.errors) < _MOST_ERRORS:
            self.errors.append(fact)

    def of(self, stage: Stage) -> list[SampleOf]:
        """The samples of a stage."""
        return [sample for sample in self.samples if sample.stage == stage]


def stages_of(datamodule: Any, survey: Survey) -> dict[Stage, Any]:
    """The samples, or else the loader, of every stage that has its own."""
    found: dict[Stage, Any] = {}
    for stage in STAGES:
        try:
            found[stage] = _stage(datamodule, stage)
        except Exception as error:
            # Whatever a data module raises is about its data; this is where it is told.
            survey.refuse(error)
    return {stage: source for stage, source in found.items() if source is not None}


def count_of(source: Any) -> int:
    """How many samples there are, 1 where only a loader could say."""
    return 1 if isinstance(source, _Batches) else len(source)


def read_all(
    survey: Survey,
    sources: Mapping[Stage, Any],
    module: CompiledGraph,
    progress: Progress = lambda done: None,
) -> None:
    """Read every stage; `progress` is told of samples that are done. What cannot be read is kept as an error."""
    reader = _Reader(survey, module, progress)
    of_file: dict[str, list[tuple[Stage, KnownRegions, int]]] = {}
    for stage, source in sources.items():
        survey.balances[stage], survey.keys[stage] = Balance(), set()
        if isinstance(source, KnownRegions):
            survey.anomaly_classes |= set((source.classes and source.classes.anomalies) or ())
            for index, region in enumerate(source.regions):
                of_file.setdefault(region.file.location, []).append((stage, source, index))
        else:
            reader.read_samples(stage, source)
    for location in sorted(of_file):
        reader.read_file(location, of_file[location])


class _Reader:
    def __init__(self, survey: Survey, module: CompiledGraph, progress: Progress) -> None:
        self._survey, self._module, self._progress = survey, module, progress
        self._maps = bool(mappers_of(module))

    def read_file(self, location: str, regions: Sequence[tuple[Stage, KnownRegions, int]]) -> None:
        """All regions of one file; a pixel that several hold is counted once for the file."""
        file = regions[0][1].regions[regions[0][2]].file
        image = Image(location, Tally(file.shape[2], file.nodata), *file.size, file)
        unread = np.ones(file.size, bool)
        for stage, source, index in regions:
            box = source.regions[index].box
            try:
                self._survey.balances[stage].add(source.truth(index), self._module)
                content = self._read_parts(stage, source.parts(index), image, box, unread)
                if not self._is_mapped(file.truth, source.classes):
                    image.mask_values |= _mask_values(file, box, source.classes)
            except Exception as error:
                self._survey.refuse(error)
                continue
            self._survey.samples.append(SampleOf(stage, location, box, content))
        self._survey.images[location] = image

    def read_samples(self, stage: Stage, source: Any) -> None:
        """Samples that no file is known of, each an image of its own; the same pixels are one image in every stage."""
        known = {sample.content: sample.image for sample in self._survey.samples}
        samples = _each(source)
        for number in count(1):
            try:
                sample = next(samples, None)
                if sample is None:
                    return
                self._read_sample(stage, sample, f"{stage} image {number}", known)
            except Exception as error:
                self._survey.refuse(error)
                return

    def _read_sample(
        self, stage: Stage, sample: Mapping[str, Any], name: str, known: dict[bytes, str]
    ) -> None:
        cube = self._checked(stage, sample)
        height, width, bands = cube.shape
        content = _digest(cube)
        new = content not in known
        called = str(sample.get("name", name))
        name = known.setdefault(
            content, called if called not in self._survey.images else f"{called} ({name})"
        )
        if new:
            image = self._survey.images[name] = Image(name, Tally(bands), height, width)
            image.tally.add(cube.reshape(-1, bands))
        truth = {key: np.asarray(sample[key]).reshape(height, width) for key in _truth_of(sample)}
        self._survey.balances[stage].add(truth, self._module)
        if "mask" in truth and not self._is_mapped(truth):
            values = np.unique(truth["mask"])[:_MOST_VALUES]
            self._survey.images[name].mask_values |= set(map(float, values))
        self._survey.samples.append(SampleOf(stage, name, Box(0, height, 0, width), content))
        self._progress(1)

    def _is_mapped(self, truth: Collection[str], classes: Classes | None = None) -> bool:
        """Whether what a mask holds is of no account: class ids for the graph to map, or beside those that it maps."""
        return self._maps and ("labels" in truth or classes is None)

    def _read_parts(
        self, stage: Stage, parts: Iterator[Any], image: Image, box: Box, unread: NDArray[np.bool_]
    ) -> bytes:
        content = hashlib.blake2b(digest_size=16)
        top = box.top
        for part in parts:
            cube = self._checked(stage, part)
            place = slice(top, top + len(cube)), slice(box.left, box.right)
            content.update(np.ascontiguousarray(cube).data)
            image.tally.add(cube[unread[place]])
            unread[place] = False
            top += len(cube)
            self._progress(len(cube) / box.height)
        return content.digest() + f"{box.height}x{box.width}".encode()

    def _checked(self, stage: Stage, sample: Mapping[str, Any]) -> NDArray[Any]:
        """The cube [H,W,C] of a sample that keeps the contract of batches."""
        if not isinstance(sample, Mapping):
            raise DataError(f"a sample is a {type(sample).__name__}; it is a dict with `cube` [H,W,C]")
        held = {key: sample[key] for key in (*CUBE_KEYS, *_truth_of(sample)) if sample.get(key) is not None}
        batch = {key: value[None] if isinstance(value, Tensor) else value for key, value in held.items()}
        cube = check_batch(batch, f"a sample of `{stage}`")
        self._survey.keys[stage] |= set(held)
        return pixels_of(cube).reshape(cube.shape[1:])


def _stage(datamodule: Any, stage: Stage) -> Any:
    """Samples of a stage of its own, or its loader where the module defines loaders; None without either."""
    own = isinstance(datamodule, GraphDataModule) and type(datamodule).samples is not GraphDataModule.samples
    if own:
        return datamodule.samples(stage)
    name = f"{stage}_dataloader"
    base = GraphDataModule if isinstance(datamodule, GraphDataModule) else LightningDataModule
    if getattr(type(datamodule), name) is getattr(base, name):
        return None
    return _Batches(getattr(datamodule, name)(), f"the loader of `{stage}`")


class _Batches(NamedTuple):
    """A loader, whose batches are taken apart."""

    loader: Any
    name: str


def _each(source: Any) -> Iterator[Any]:
    """The samples of a data set, or those of every batch of a loader."""
    if not isinstance(source, _Batches):
        yield from (source[index] for index in range(len(source)))
        return
    for batch in source.loader:
        cube = check_batch(batch, source.name)
        for place in range(len(cube)):
            yield {key: batch[key][place] for key in batch if isinstance(batch[key], (Tensor, list, tuple))}


def _truth_of(sample: Mapping[str, Any]) -> list[str]:
    return [key for key in TRUTH_KEYS if sample.get(key) is not None]


def _mask_values(file: CubeFile, box: Box, classes: Classes | None) -> set[float]:
    """The first of the values that a stored mask has in a box, without the one that is ignored."""
    if "mask" not in file.truth:
        return set()
    truth = file.truth["mask"]
    stored = read_truth_window(truth, file.size, box)
    stored = stored[~find_unjudged(stored, truth.nodata)]
    ignored = set() if classes is None or classes.ignored is None else {float(classes.ignored)}
    return set(map(float, np.unique(stored)[:_MOST_VALUES])) - ignored


def _digest(cube: NDArray[Any]) -> bytes:
    content = hashlib.blake2b(np.ascontiguousarray(cube).data, digest_size=16)
    return content.digest() + f"{cube.shape[0]}x{cube.shape[1]}".encode()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
