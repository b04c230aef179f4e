"""The outputs of a prediction, block by block, to the writers of one format. Never torch, lightning or onnx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.runtime.data.resampling import Resampled
from cuvisc.runtime.data.source import Block, CubeSource
from cuvisc.runtime.data.writers.envi import EnviWriter
from cuvisc.runtime.data.writers.geotiff import GeoTiffWriter
from cuvisc.runtime.data.writers.npz import NpzWriter
from cuvisc.runtime.data.writers.plane import Plane
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.inputs import RESAMPLED
from cuvisc.runtime.predicted import Predicted
from cuvisc.runtime.quick_look import QuickLook
from cuvisc.schema.errors import SpecError


class RasterWriter(Protocol):
    """Writes one plane of (rows, columns) to its files."""

    def __init__(
        self, paths: tuple[Path, ...], size: tuple[int, int], plane: Plane, facts: CubeFacts
    ) -> None: ...

    def put(self, block: Block, values: NDArray[Any]) -> None:
        """The values [rows,columns,bands] of a block."""

    def save(self) -> None:
        """Finish the files."""

    def close(self) -> None:
        """Let go of the files."""


WRITERS: Mapping[str, type[RasterWriter]] = {"geotiff": GeoTiffWriter, "envi": EnviWriter}


class OutputFiles:
    """Every output of a graph; `files` are the temporary paths by output, `shapes` those of the whole outputs."""

    def __init__(
        self,
        form: str,
        files: Mapping[str, tuple[Path, ...]],
        source: CubeSource,
        predictor: Predictor,
        notes: Mapping[str, str],
    ) -> None:
        self._files, self._source, self._predictor, self._notes = files, source, predictor, notes
        self._writer_type = WRITERS.get(form)
        self._facts = {output.name: output for output in predictor.manifest.outputs}
        self._planes: dict[str, tuple[Plane, RasterWriter, QuickLook]] = {}
        self._npz = NpzWriter(next(iter(files.values()))[0]) if self._writer_type is None else None
        self.shapes: dict[str, tuple[int, ...]] = {}
        if self._writer_type is not None and source.shape[0] > 1:
            raise SpecError(
                f"{source.name} holds {source.shape[0]} images, a raster file one; write .npz instead"
            )

    def put(self, part: Predicted) -> None:
        """A block."""
        block, outputs, holes, broken = part
        for name, value in outputs.items():
            self.shapes[name] = self._predictor.output_shape(name, value.shape, self._source)
            image = self._predictor.is_image(name)
            if self._npz is None:
                self._put_raster(name, block, value, holes | broken, image)
            elif image:
                shape = self._source.shape
                self._npz.put(name, block, _emptied(value[0], holes), self.shapes[name], shape)
            else:
                self._npz.append(name, value)

    def save(self) -> None:
        """Finish all files."""
        if self._npz is None:
            for _, writer, picture in self._planes.values():
                writer.save()
                picture.save()
            return
        if isinstance(self._source, Resampled):
            centers = np.asarray(self._source.facts.wavelengths)
            self._npz.append(RESAMPLED, centers)
            self.shapes[RESAMPLED] = centers.shape
        self._npz.save(self.shapes, self._notes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._npz is not None:
            self._npz.close()
        for _, writer, _ in self._planes.values():
            writer.close()

    def _put_raster(
        self, name: str, block: Block, value: NDArray[Any], without: NDArray[np.bool_], image: bool
    ) -> None:
        if not image:
            raise SpecError(f"`{name}` is {self._facts[name].type}, which is no raster; write .npz instead")
        if name not in self._planes:
            assert self._writer_type is not None
            plane = Plane.of(self._facts[name], value[0], self._notes, self._source.facts.nodata)
            size = (self._source.shape[1], self._source.shape[2])
            picture, *own = self._files[name]
            writer = self._writer_type(tuple(own), size, plane, self._source.facts)
            self._planes[name] = plane, writer, QuickLook(picture, size, plane)
        plane, writer, look = self._planes[name]
        writer.put(block, plane.encode(value[0], without))
        look.put(block, value[0], without)


def _emptied(values: NDArray[Any], holes: NDArray[np.bool_]) -> NDArray[Any]:
    """NaN, false or 0 where there is no data."""
    if holes.any():
        values = values.copy()
        values[holes] = np.nan if values.dtype.kind == "f" else 0
    return values
