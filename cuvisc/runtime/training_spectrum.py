"""What training is told of its bands: by the data module or its first batch, or in `graph.input.wavelengths`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cuvisc.compiler.module import CompiledGraph
from cuvisc.language.spectrum import Spectrum
from cuvisc.runtime.batches import wavelengths_in
from cuvisc.runtime.data.band_axis import deviating, span
from cuvisc.runtime.data.contract import check_batch
from cuvisc.runtime.ranks import gather
from cuvisc.schema.errors import DataError


def describe_bands(module: CompiledGraph, datamodule: Any, batches: Iterable[Any]) -> None:
    """Tell a module whose nodes ask what the bands of the training data are; the same on every rank."""
    if not module.reads_spectrum or module.channels is not None:
        return
    first = next(iter(batches), None)
    bands = None if first is None else check_batch(first, "the training data").shape[-1]
    own: Spectrum | None = None if bands is None else _spectrum(module, datamodule, batches, bands)
    everyone: list[Spectrum | None] = list(gather(own))
    module.spectrum = next((found for found in everyone if found is not None), None)


def input_wavelengths(
    module: CompiledGraph, datamodule: Any, batches: Iterable[Any], bands: int
) -> tuple[float, ...] | None:
    """Band centres of the training data in nanometres; those of the spec where the data does not say them.

    Raises :class:`DataError` where both say them and differ by more than the distance between bands allows.
    """
    said = module.graph.spec.graph.wavelengths
    found = wavelengths_in(datamodule, batches, bands)
    if said is None or found is None:
        return found or said
    if len(said) != len(found) or deviating(found, said):
        raise DataError(
            f"the training data has {span(found)}, `graph.input.wavelengths` says {span(said)}: "
            "leave it out where the data says its wavelengths"
        )
    return found


def _spectrum(module: CompiledGraph, datamodule: Any, batches: Iterable[Any], bands: int) -> Spectrum:
    good = getattr(datamodule, "good_bands", None)
    judged = tuple(map(bool, good)) if good is not None and len(good) == bands else None
    return Spectrum(input_wavelengths(module, datamodule, batches, bands), good=judged)
