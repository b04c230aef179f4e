"""An artifact and a cube to the graph's outputs, with NumPy and ONNX Runtime alone. Never torch, lightning or onnx.

A pixelwise graph is run in blocks of some thousand pixels: that fits the caches, takes constant memory, and gives
the same bits however the image is cut. A graph that looks at whole images is run image by image.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.artifact import MODEL, Artifact, Manifest, ThresholdFacts
from cuvisc.runtime.data.nodata import find_missing, stored_nodata
from cuvisc.runtime.data.source import Block, CubeSource
from cuvisc.runtime.lanes import group_of, read_ahead
from cuvisc.runtime.onnx_scan import ELEMENT_TYPES, MalformedModel, has_external_data, input_dtype_offset
from cuvisc.runtime.session import choose_device, open_session, run_session
from cuvisc.schema.diagnostics import did_you_mean
from cuvisc.schema.errors import DataError, SpecError, VerificationError

Outputs = dict[str, NDArray[Any]]

# 3 MB of float32: measured within 5 % of the best for 25, 61 and 200 bands, RX and PCA alike.
_BLOCK_VALUES = 3 * 2**18
# Kernels take pixels in groups and round those left over differently: blocks are filled up to whole groups.
_GROUP = 16


class Prediction(Outputs):
    """Outputs of a cube by name, ``<node>.<port>``; a dict that notebooks show as maps. `units` are the outputs'."""

    def __init__(self, values: Outputs, units: Mapping[str, str | None]) -> None:
        super().__init__(values)
        self.units = units

    def __repr__(self) -> str:
        from cuvisc.runtime.notebook.prediction_view import prediction_text

        return prediction_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from cuvisc.runtime.notebook.prediction_view import prediction_html

        return prediction_html(self, self.units)


class Part(NamedTuple):
    """A block of a cube: its spectra [rows,columns,C], which of them are `broken`, and the outputs [1,rows,columns,K].

    A spectrum with a NaN or infinite band is broken: its outputs are NaN, and nothing is decided for it. So is one
    without data where a model looks at more than one pixel: it would be a pixel of its image like any other.
    """

    block: Block
    spectra: NDArray[Any]
    broken: NDArray[np.bool_]
    outputs: Outputs


class Predictor:
    """Runs the model of an artifact on one device.

    The model's SHA-256 is checked before ONNX Runtime sees it, and a model that keeps data in other files is refused.
    Cubes of any numeric dtype are taken as they are: the model casts. `device` is cpu, cuda, tensorrt, or auto (CUDA
    where it works, else the CPU; then `passed_over` says why a GPU build was not used). Raises
    :class:`VerificationError`, :class:`DeviceError`, and :class:`DataError` for a cube that does not fit.
    """

    def __init__(
        self, artifact: Artifact | Path | str, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.artifact = artifact if isinstance(artifact, Artifact) else Artifact.open(Path(artifact))
        self._model = self._load()
        self.device, self.passed_over = choose_device(device)
        self._threads = threads
        self._dtype = ""
        self._session: Any = None
        self._open(self.manifest.input_dtype)

    @property
    def manifest(self) -> Manifest:
        """What the artifact says about itself."""
        return self.artifact.manifest

    @property
    def provider(self) -> str:
        """The ONNX Runtime provider that runs the model."""
        name: str = self._session.get_providers()[0]
        return name

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, ``<node>.<port>``."""
        return tuple(output.name for output in self.manifest.outputs)

    def predict(self, cube: NDArray[Any], thresholds: Mapping[str, float] | None = None) -> Prediction:
        """Every output of a cube [B,H,W,C], with shapes [B,H,W,K]; of [H,W,C] and [N,C] accordingly."""
        source = CubeSource.of(np.asarray(cube))
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in self.output_names}
        for _, _, outputs in self.run(source, thresholds):
            for name, value in outputs.items():
                parts[name].append(value)
        whole = {name: self.join(name, values, source) for name, values in parts.items()}
        return Prediction(whole, {output.name: output.unit for output in self.manifest.outputs})

    def __repr__(self) -> str:
        from cuvisc.runtime.notebook.prediction_view import predictor_text

        return predictor_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from cuvisc.runtime.notebook.prediction_view import predictor_html

        return predictor_html(self)

    def join(self, name: str, values: list[NDArray[Any]], source: CubeSource) -> NDArray[Any]:
        """The values of one output over all blocks, as one array."""
        shape = self.output_shape(name, values[0].shape, source)
        return np.concatenate([value.reshape(-1) for value in values]).reshape(shape)

    def output_shape(self, name: str, block: tuple[int, ...], source: CubeSource) -> tuple[int, ...]:
        """Shape of a whole output, from its shape in one block and the cube's own axes."""
        images, height, width, _ = source.shape
        if self.is_image(name):
            lead = {4: (images, height, width), 3: (height, width), 2: (height,)}[len(source.array_shape)]
            return (*lead, *block[3:])
        return (images, *block[1:]) if len(source.array_shape) == 4 else tuple(block[1:])

    def run(
        self, source: CubeSource, thresholds: Mapping[str, float] | None = None
    ) -> Iterator[tuple[Block, NDArray[Any], Outputs]]:
        """Each block of the cube, its spectra [rows,columns,C] and the outputs there, in C order of the pixels."""
        for part in self.parts(source, thresholds):
            yield part.block, part.spectra, part.outputs

    def parts(
        self, source: CubeSource, thresholds: Mapping[str, float] | None = None, *, ahead: bool = False
    ) -> Generator[Part, None, None]:
        """Each block of the cube with its outputs, in C order of the pixels.

        With `ahead` a file is read on another thread while blocks before are run; it is closed after this generator.
        """
        self._check_bands(source)
        dtype = source.dtype.name if source.dtype.name in ELEMENT_TYPES else "float32"
        nodata = None if self.manifest.pixelwise else stored_nodata(source.facts.nodata, source.dtype)
        if nodata is not None and source.dtype.kind != "f":
            dtype = "float32"
        self._open(dtype)
        feeds = self._threshold_feeds(thresholds or {})
        blocks = source.blocks(self._block_pixels(source))
        with ExitStack() as stack:
            if ahead and self.manifest.pixelwise and not source.in_memory:
                blocks = stack.enter_context(closing(read_ahead(blocks, self.group(source))))
            for block, spectra in blocks:
                given = spectra.astype(dtype, copy=False)
                broken = find_non_finite(given)
                missing = find_missing(spectra, nodata)
                if missing is not None:
                    broken |= missing.whole
                yield Part(block, spectra, broken, self._infer(_without(given, broken), feeds))

    def group(self, source: CubeSource) -> int:
        """How many blocks of a cube should change hands between threads together."""
        return group_of(self._block_pixels(source) * source.shape[3] * source.dtype.itemsize)

    def _infer(self, spectra: NDArray[Any], feeds: dict[str, NDArray[Any]]) -> Outputs:
        """Outputs [1,rows,columns,K] of spectra [rows,columns,C]."""
        rows, columns, bands = spectra.shape
        surplus = -(rows * columns) % _GROUP if self.manifest.pixelwise else 0
        if surplus:
            filled = np.zeros((rows * columns + surplus, bands), spectra.dtype)
            filled[: rows * columns] = spectra.reshape(-1, bands)
            spectra = filled[np.newaxis]
        feeds[self.manifest.input_name] = spectra[np.newaxis]
        values = run_session(self._session, feeds)
        if surplus:
            values = [value[:, :, : rows * columns].reshape(1, rows, columns, -1) for value in values]
        return dict(zip(self._returned, values, strict=True))

    def _load(self) -> bytes:
        model, path = self.artifact.read(MODEL), self.artifact.folder / MODEL
        try:
            if has_external_data(model):
                raise VerificationError(f"{path} keeps data in other files, which are never read")
            self.dtype_offset = input_dtype_offset(model, self.manifest.input_name)
        except MalformedModel as error:
            raise VerificationError(f"{path} is not an ONNX model") from error
        if model[self.dtype_offset] != ELEMENT_TYPES.get(self.manifest.input_dtype):
            raise VerificationError(
                f"{path}: the input `{self.manifest.input_name}` is not {self.manifest.input_dtype}, "
                "as the manifest says"
            )
        return model

    def _open(self, dtype: str) -> None:
        """Make the session for a dtype; only one is ever held, since each keeps its own memory."""
        if dtype == self._dtype:
            return
        self._session = None
        model = bytearray(self._model)
        model[self.dtype_offset] = ELEMENT_TYPES[dtype]
        self._session = open_session(bytes(model), self.device, self._threads)
        self._dtype = dtype
        self._returned = [output.name for output in self._session.get_outputs()]
        if self._returned != list(self.output_names):
            raise VerificationError(
                f"{self.artifact.folder / MODEL} returns {', '.join(self._returned)}; "
                f"the manifest says {', '.join(self.output_names)}"
            )

    def strip_pixels(self, source: CubeSource) -> int:
        """How many pixels of a cube are run at a time, at most."""
        return min(self._block_pixels(source), source.pixels)

    def _block_pixels(self, source: CubeSource) -> int:
        _, height, width, bands = source.shape
        if not self.manifest.pixelwise:
            return height * width
        if self.device != "cpu":
            return 2**18
        pixels = min(max(_BLOCK_VALUES // bands, 1024), 2**16)
        rows, whole = pixels // width, _GROUP // math.gcd(width, _GROUP)
        return rows // whole * whole * width if rows >= whole else pixels // _GROUP * _GROUP

    def is_image(self, name: str) -> bool:
        """Whether an output has the rows and columns of the cube."""
        dims = next(output.type.dims for output in self.manifest.outputs if output.name == name)
        return dims[:3] == ("B", "H", "W")

    def _check_bands(self, source: CubeSource) -> None:
        wanted = self.manifest.channels
        if wanted is not None and source.shape[3] != wanted:
            raise DataError(
                f"{source.name} has {source.shape[3]} bands, its shape is {source.array_shape}; "
                f"`{self.manifest.name}` was trained on {wanted}"
            )

    def _threshold_feeds(self, thresholds: Mapping[str, float]) -> dict[str, NDArray[Any]]:
        optional = {value.name: value.shape for value in self._session.get_overridable_initializers()}
        feeds = {}
        for name, value in thresholds.items():
            facts = self.find_threshold(name)
            if facts.input not in optional:
                path = self.artifact.folder / MODEL
                raise VerificationError(f"{path} has no optional input `{facts.input}`, as the manifest says")
            if facts.unit == "probabilities" and not 0 <= value <= 1:
                raise SpecError(
                    f"`{facts.node}` decides by probabilities: its threshold lies between 0 and 1, got {value:g}; "
                    "thresholds that an evaluation lists are scores"
                )
            feeds[facts.input] = np.full(optional[facts.input], value, np.float32)
        return feeds

    def find_threshold(self, name: str) -> ThresholdFacts:
        """The threshold named by its node, input or output; raises :class:`SpecError` with the known ones."""
        for facts in self.manifest.thresholds:
            if name in (facts.node, facts.input, facts.output):
                return facts
        known = [facts.node for facts in self.manifest.thresholds]
        listed = f"it has {', '.join(f'`{node}`' for node in known)}" if known else "it has none"
        hint = did_you_mean(name, known)
        raise SpecError(
            f"`{self.manifest.name}` has no threshold `{name}`; {listed}{f'. {hint}' if hint else ''}"
        )


def _without(spectra: NDArray[Any], broken: NDArray[np.bool_]) -> NDArray[Any]:
    """Broken spectra as not a number in any band, so that no infinity is ever decided for."""
    if not broken.any():
        return spectra
    with np.errstate(invalid="ignore"):
        return np.where(broken[..., None], spectra.dtype.type(np.nan), spectra)


def find_non_finite(spectra: NDArray[Any]) -> NDArray[np.bool_]:
    """Which spectra of [rows,columns,C] have a band that is NaN or infinite in float32, as [rows,columns].

    Mostly there are none, and one sum of squares says so as fast as memory is read, in order: kernels that read several
    pixels at a time then find them in the cache.
    """
    found = np.zeros(spectra.shape[0] * spectra.shape[1], bool)
    if spectra.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            values = spectra.astype(np.float32, copy=False).reshape(-1)
            flat = values.reshape(-1, spectra.shape[-1])
            if not np.isfinite(np.dot(values, values)):
                suspect = ~np.isfinite(flat @ np.ones(flat.shape[1], flat.dtype))
                found[suspect] = ~np.isfinite(flat[suspect]).all(axis=1)
    return found.reshape(spectra.shape[:2])
