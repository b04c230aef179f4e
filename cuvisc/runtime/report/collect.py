"""A trained module and its validation data to the evidence of a report: one more look at the data, bounded.

Reading stops after some four million pixels; the report then says how many images it is about.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.module import CompiledGraph
from cuvisc.runtime.batches import phase_one_batches
from cuvisc.runtime.data.contract import check_batch
from cuvisc.runtime.data.datamodule import GraphDataModule, validates_on_training
from cuvisc.runtime.mapped_truth import anomalies_in
from cuvisc.runtime.missing import blank
from cuvisc.runtime.progress import log
from cuvisc.runtime.report import pictures
from cuvisc.runtime.report.choice import Choice, choose
from cuvisc.runtime.report.evidence import Evidence
from cuvisc.runtime.report.measures import Image
from cuvisc.runtime.report.outcomes import SpectraSample, judge
from cuvisc.runtime.report.pooling import Pool

PIXELS = 2**22
_SHOWN_COMPONENTS = 64


def collect(
    module: CompiledGraph,
    datamodule: Any,
    *,
    validates: bool = True,
    batches: int | None = None,
    wavelengths: Sequence[float] | None = None,
    public: Callable[[str], str] = str,
) -> Evidence:
    """What a report needs; `batches` limits what is read, `public` takes secrets out of the names of images.

    The module is fitted, in evaluation mode and on the CPU.
    """
    evidence = Evidence()
    evidence.arrays |= _explained(module)
    evidence.facts["explained"] = sorted(evidence.group("explained"))
    if not validates:
        evidence.facts["images"] = None
        return evidence
    reading = _Reading(module, wavelengths, public)
    for batch in itertools.islice(_validation_batches(datamodule), batches):
        reading.take(batch)
        if reading.pixels >= PIXELS:
            reading.complete = False
            break
    reading.finish(evidence)
    evidence.facts["overlap"] = _overlap(reading.fingerprints, datamodule, batches)
    return evidence


class _Reading:
    """The validation images one by one: values kept for pooling, spectra sampled, one image made into pictures."""

    def __init__(
        self, module: CompiledGraph, wavelengths: Sequence[float] | None, public: Callable[[str], str]
    ) -> None:
        self.module = module
        self.choice: Choice | None = None
        self.pixels = 0
        self.complete = True
        self.fingerprints: list[bytes] = []
        self._wavelengths = wavelengths
        self._public = public
        self._images: list[Image] = []
        self._spectra = SpectraSample()
        self._shown: tuple[int, bool, dict[str, Any], dict[str, NDArray[Any]]] | None = None

    @torch.no_grad()
    def take(self, batch: Any) -> None:
        """Evaluate one batch."""
        cube = check_batch(batch, "the validation data")
        self.module.bind(cube.shape[-1])
        choice = self.choice = self.choice or choose(self.module.graph, self.module.widths)
        found = self.module.evaluate(blank(cube), choice.wanted) if choice.wanted else {}
        values = {ref: found[ref] for ref in (*choice.ranked, *choice.decisions, *choice.outputs)}
        truth = anomalies_in(self.module, batch)
        names = _names(batch, len(cube))
        for index in range(len(cube)):
            spectra = _array(cube[index])
            mask = None if truth is None else _array(truth[index]).reshape(-1).astype(bool)
            name = self._public(names[index]) if names else f"image {len(self._images) + 1}"
            self._take_image(name, spectra, mask, {ref: _array(v[index]) for ref, v in values.items()})

    def _take_image(
        self, name: str, cube: NDArray[Any], mask: Any, values: Mapping[ValueRef, NDArray[Any]]
    ) -> None:
        assert self.choice is not None
        height, width, bands = cube.shape
        self.fingerprints.append(_fingerprint(cube))
        self.pixels += height * width
        flat = {ref: value.reshape(height * width, -1) for ref, value in values.items()}
        image = Image(name, (height, width), mask=mask)
        image.scores = {str(ref): flat[ref][:, 0].astype(np.float32) for ref in self.choice.ranked}
        image.decisions = {str(ref): flat[ref][:, 0].astype(bool) for ref in self.choice.decisions}
        shown, _ = pictures.choose_bands(bands, self._wavelengths)
        image.picture = pictures.false_color(cube, shown, pictures.step_for(height, width, pictures.SMALL))
        self._images.append(image)
        decided = next(iter(image.decisions.values()), None)
        scores = next(iter(image.scores.values()), None)
        known = np.ones(height * width, bool) if scores is None else ~np.isnan(scores)
        # Without a decision the mask tells spectra apart; a threshold that depends on all scores is not known yet.
        self._spectra.update(cube.reshape(-1, bands), judge(known, decided, mask))
        anomalous = mask is not None and bool(mask.any())
        if self._shown is None or (anomalous and not self._shown[1]):
            self._shown = (len(self._images) - 1, anomalous, *self._pictures(cube, values, mask))

    def _pictures(
        self, cube: NDArray[Any], values: Mapping[ValueRef, NDArray[Any]], mask: Any
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        height, width, count = cube.shape
        step = pictures.step_for(height, width)
        bands, words = pictures.choose_bands(count, self._wavelengths)
        made: dict[str, NDArray[Any]] = {"picture/rgb": pictures.false_color(cube, bands, step)}
        if mask is not None:
            made["picture/mask"] = pictures.shrink(mask.reshape(height, width), step)
        shown = {}
        for ref, value in values.items():
            made[f"picture/value/{ref}"], chosen = pictures.picture(value, step)
            unit = self.module.graph.port(ref).unit
            shown[str(ref)] = {"unit": unit, "bands": chosen, "of": value.shape[-1]}
        facts = {"height": height, "width": width, "step": step, "bands": words, "values": shown}
        return facts, made

    def finish(self, evidence: Evidence) -> None:
        """Everything that was seen, as facts and arrays."""
        evidence.facts["images"] = {
            "read": len(self._images),
            "pixels": self.pixels,
            "complete": self.complete,
            "labelled": sum(image.mask is not None for image in self._images),
        }
        if self._shown is None or self.choice is None:
            return
        index, _, facts, made = self._shown
        evidence.facts["sample"] = {"index": index, "name": self._images[index].name, **facts}
        evidence.arrays |= made
        units = {str(ref): self.module.graph.port(ref).unit for ref in self.choice.wanted}
        Pool(self._images, self.choice, units).fill(evidence)
        evidence.facts["spectra"] = {str(outcome): n for outcome, n in sorted(self._spectra.counts.items())}
        for outcome, summary in self._spectra.summarised().items():
            evidence.arrays[f"spectra/{outcome}"] = summary


def _explained(module: CompiledGraph) -> dict[str, NDArray[Any]]:
    found = {}
    for node in module.graph.nodes:
        ratio = getattr(module.node(node.id), "explained_variance_ratio", None)
        if isinstance(ratio, Tensor):
            found[f"explained/{node.id}"] = _array(ratio)[:_SHOWN_COMPONENTS]
    return found


def _validation_batches(datamodule: Any) -> Iterator[Any]:
    loaders = datamodule.val_dataloader()
    if isinstance(loaders, Mapping):
        loaders = list(loaders.values())
    yield from itertools.chain.from_iterable(loaders if isinstance(loaders, (list, tuple)) else [loaders])


def _names(batch: Mapping[str, Any], size: int) -> list[str]:
    names = batch.get("name")
    if isinstance(names, (list, tuple)) and len(names) == size and all(isinstance(n, str) for n in names):
        return list(names)
    return []


def _overlap(seen: list[bytes], datamodule: Any, batches: int | None) -> dict[str, Any] | None:
    """How many validation images are training images too, told by their content; None when nobody can say."""
    count = len(seen)
    if isinstance(datamodule, GraphDataModule) and validates_on_training(datamodule):
        return {"shared": count, "of": count, "against": None, "complete": True}
    trained: set[bytes] = set()
    pixels, images, complete = 0, 0, True
    try:
        for batch in phase_one_batches(datamodule.train_dataloader(), limit=batches):
            cube = check_batch(batch, "the training data")
            for image in cube:
                trained.add(_fingerprint(_array(image)))
            images, pixels = images + len(cube), pixels + cube[..., 0].numel()
            if pixels >= PIXELS:
                complete = False
                break
    except Exception as error:
        log.warning(
            "the report cannot compare training and validation images: %s: %s", type(error).__name__, error
        )
        return None
    shared = sum(fingerprint in trained for fingerprint in seen)
    return {"shared": shared, "of": count, "against": images, "complete": complete}


def _fingerprint(cube: NDArray[Any]) -> bytes:
    digest = hashlib.blake2b(f"{cube.shape} {cube.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(cube).data.cast("B"))
    return digest.digest()


def _array(values: Tensor) -> NDArray[Any]:
    values = values.detach().cpu()
    return np.asarray((values.float() if values.dtype == torch.bfloat16 else values).numpy())
