"""A cube file to a file of outputs: reads, runs and writes block by block. Never torch, lightning or onnx."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cuvisc.runtime.atomic import atomic_file
from cuvisc.runtime.data.npz_writer import NpzWriter
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.inference import Predictor, count_non_finite
from cuvisc.schema.errors import SpecError

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Summary:
    """What a prediction did; `non_finite_pixels` have a NaN or infinite band, NaN scores and false decisions."""

    input: str
    output: str
    pixels: int
    bands: int
    dtype: str
    non_finite_pixels: int
    seconds: float
    provider: str
    outputs: Mapping[str, tuple[int, ...]]

    @property
    def mpixels_per_second(self) -> float:
        """Million pixels a second, reading and writing included."""
        return self.pixels / 1e6 / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """The summary for `--json`."""
        return {**asdict(self), "mpixels_per_second": self.mpixels_per_second}


def predict_file(
    predictor: Predictor,
    source: CubeSource,
    output: Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    force: bool = False,
    progress: Progress = lambda pixels: None,
) -> Summary:
    """Write every output of the cube to the `.npz` file `output`, whole or not at all.

    `progress` is told the number of pixels of each finished block.
    """
    if output.suffix.lower() != ".npz":
        raise SpecError(f"{output}: outputs are written as .npz; give a name that ends in .npz")
    started = time.perf_counter()
    non_finite = 0
    shapes: dict[str, tuple[int, ...]] = {}
    with atomic_file(output, force=force) as temporary, NpzWriter(output.parent) as writer:
        for block, spectra, values in predictor.run(source, thresholds):
            non_finite += count_non_finite(spectra)
            for name, value in values.items():
                writer.append(name, value)
                shapes[name] = predictor.output_shape(name, value.shape, source)
            progress(block.pixels)
        writer.save(temporary, shapes)
    return Summary(
        input=source.name,
        output=str(output),
        pixels=source.pixels,
        bands=source.shape[3],
        dtype=source.dtype.name,
        non_finite_pixels=non_finite,
        seconds=time.perf_counter() - started,
        provider=predictor.provider,
        outputs=shapes,
    )
