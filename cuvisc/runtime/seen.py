"""What training has seen of the data, kept beside the weights: some pixels, moments and extremes; to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.json_values import is_number
from cuvisc.runtime.onnx_scan import ELEMENT_TYPES
from cuvisc.schema.errors import DataError

if TYPE_CHECKING:
    from cuvisc.compiler.module import CompiledGraph
    from cuvisc.runtime.export import Source
    from cuvisc.runtime.statistics import InputProfile


@dataclass(frozen=True)
class Seen:
    """`facts` as in `input` of run.json, and the bytes of sample.safetensors; `place` is what messages call them."""

    facts: Mapping[str, Any]
    content: bytes
    place: str

    def source(self, module: CompiledGraph, spec_sha256: str) -> Source:
        """What an export of this module is made from; raises :class:`DataError` for facts or bytes that are damaged."""
        from cuvisc.language.statistics import BandMoments
        from cuvisc.runtime.export import Source

        arrays = self._arrays(module.channels or 0)
        self._refuse_damage()
        centers, low, high = (self.facts.get(name) for name in ("wavelengths", "minimum", "maximum"))
        return Source(
            module=module,
            spec_sha256=spec_sha256,
            input_dtype=module.graph.spec.graph.input_dtype or self.facts["dtype"],
            sample=arrays["pixels"],
            profile=BandMoments(int(self.facts["pixels"]), arrays["mean"], arrays["scatter"]),
            wavelengths=tuple(centers) if centers else None,
            extremes=None if low is None or high is None else (float(low), float(high)),
        )

    def _refuse_damage(self) -> None:
        dtype, pixels, centers = (
            self.facts["dtype"],
            self.facts["pixels"],
            self.facts.get("wavelengths") or [],
        )
        extremes = [self.facts.get(name) for name in ("minimum", "maximum")]
        whole = dtype in [*ELEMENT_TYPES] and type(pixels) is int and isinstance(centers, (list, tuple))
        told = [pixels, *centers, *(value for value in extremes if value is not None)] if whole else []
        if not told or not all(map(is_number, told)):
            raise DataError(f"{self.place} cannot be read: what is noted of the input beside it is damaged")

    def _arrays(self, bands: int) -> dict[str, NDArray[Any]]:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(self.content)
        except SafetensorError as error:
            raise DataError(f"{self.place} cannot be read: {error}") from error
        shapes = {name: arrays[name].shape for name in ("pixels", "mean", "scatter") if name in arrays}
        count = shapes.get("pixels", (0,))[0]
        wanted = {"pixels": (count, bands), "mean": (bands,), "scatter": (bands, bands)}
        if shapes != wanted or not count or not {"dtype", "pixels"} <= set(self.facts):
            raise DataError(f"{self.place} cannot be read: it does not hold a sample of {bands} bands")
        return arrays


def pack_profile(profile: InputProfile) -> bytes:
    """The bytes of sample.safetensors."""
    from safetensors.numpy import save

    arrays = {
        "pixels": profile.sample,
        "mean": profile.moments.mean,
        "scatter": profile.moments.scatter,
        "minimum": profile.extrema.minimum,
        "maximum": profile.extrema.maximum,
    }
    return save({name: np.array(array, order="C") for name, array in arrays.items()})
