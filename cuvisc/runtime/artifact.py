"""Reads an artifact folder: the manifest, and files whose bytes are what the manifest says. Never torch or onnx.

Nothing is handed out unchecked: `Artifact.read` compares the SHA-256 before it returns the bytes, and the manifest with
what the model says of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cuvisc.language.types import TensorType, TypeTextError, parse_type
from cuvisc.runtime.imprint import check_imprint
from cuvisc.runtime.json_values import is_number
from cuvisc.schema.errors import DataError, VerificationError

FORMAT = 1
MANIFEST = "manifest.json"
MODEL = "model.onnx"
PARITY = "parity.json"
PARITY_ARRAYS = "parity.npz"
_LARGEST_MANIFEST = 16 * 2**20


@dataclass(frozen=True)
class OutputFacts:
    """One output of the model: ``<node>.<port>``, its type and unit."""

    name: str
    type: TensorType
    unit: str | None


@dataclass(frozen=True)
class ThresholdFacts:
    """An optional input of the model that moves a decision; `unit` is that of what it is compared with, if known."""

    input: str
    output: str
    default: float
    unit: str | None = None

    @property
    def node(self) -> str:
        """The node that decides."""
        return self.input.rpartition(".")[0]


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says; `raw` is all of it.

    `pixelwise` is true when every output pixel depends on its own spectrum alone, so that an image may be cut into
    strips; when the manifest does not say so, images are run whole. `bands_read` are the numbers of the bands that the
    model computes anything of, None where that is all of them, or is not said.
    """

    name: str
    files: Mapping[str, str]
    input_name: str
    input_dtype: str
    channels: int | None
    wavelengths: tuple[float, ...] | None
    bands_read: tuple[int, ...] | None
    trained_range: tuple[float, float] | None
    outputs: tuple[OutputFacts, ...]
    thresholds: tuple[ThresholdFacts, ...]
    pixelwise: bool
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Artifact:
    """An artifact folder and its manifest."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Artifact:
        """Read the manifest.

        Raises :class:`DataError` when the folder is none, :class:`VerificationError` when the manifest is damaged.
        """
        path = folder / MANIFEST
        if not path.is_file():
            found = "has no manifest.json" if folder.is_dir() else "does not exist"
            if folder.is_file():
                hint = f": {folder.parent}" if (folder.parent / MANIFEST).is_file() else ""
                raise DataError(f"{folder} is a file; name the folder that `cuvisc export` wrote{hint}")
            raise DataError(f"{folder} {found}; an artifact is the folder that `cuvisc export` writes")
        try:
            if path.stat().st_size > _LARGEST_MANIFEST:
                raise VerificationError(f"{path} is damaged: larger than a manifest can be")
            data = json.loads(path.read_bytes())
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise VerificationError(f"{path} is damaged: it is not JSON") from error
        return cls(folder, parse_manifest(data, path))

    def read(self, name: str) -> bytes:
        """The bytes of a file that the manifest lists, checked; raises :class:`VerificationError`."""
        path = self.folder / name
        wanted = self.manifest.files.get(name)
        if wanted is None:
            raise VerificationError(f"{self.folder / MANIFEST} lists no {name}")
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise VerificationError(f"{path} is missing; the manifest lists it") from error
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != wanted:
            raise VerificationError(
                f"{path} is not the file that was exported\n  expected sha256 {wanted}\n  found    sha256 {found}"
            )
        if name == MODEL:
            check_imprint(self.manifest.raw, content, self.folder / MANIFEST)
        return content

    def check_files(self) -> None:
        """Check every file that the manifest lists; raises :class:`VerificationError` at the first that differs."""
        for name in self.manifest.files:
            self.read(name)


def _extremes(value: Any) -> tuple[float, float] | None:
    """The range of values that training saw; None where the manifest does not say it as two numbers."""
    two = isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
    return (float(value[0]), float(value[1])) if two else None


def _bands(value: Any, channels: Any) -> tuple[int, ...] | None:
    """Numbers of bands; None where the manifest does not list some of those that a cube has."""
    if not isinstance(value, list) or type(channels) is not int:
        return None
    return tuple(value) if all(type(band) is int and 0 <= band < channels for band in value) else None


def parse_manifest(data: Any, path: Path) -> Manifest:
    """The manifest of a JSON value; raises :class:`VerificationError` naming the file and the key."""

    def want(holder: Any, key: str, kind: type | tuple[type, ...], where: str = "") -> Any:
        value = holder.get(key) if isinstance(holder, dict) else None
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise VerificationError(f"{path} is damaged: `{where}{key}` is missing or of the wrong kind")
        return value

    version = want(data, "format", int)
    if version > FORMAT:
        raise VerificationError(
            f"{path} has format {version}; this cuvisc reads up to {FORMAT}: install a newer cuvisc"
        )
    files = want(data, "files", dict)
    for name, digest in files.items():
        if Path(name).name != name or name in {"", ".", ".."} or "\\" in name or "\0" in name:
            raise VerificationError(
                f"{path} is damaged: `files` names {name!r}, which is not a plain file name"
            )
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise VerificationError(f"{path} is damaged: `files.{name}` is not a SHA-256")

    def number(value: Any, key: str) -> float:
        if not is_number(value):
            raise VerificationError(f"{path} is damaged: `{key}` is not a number")
        return float(value)

    source = want(data, "input", dict)
    channels, wavelengths = source.get("channels"), source.get("wavelengths")
    try:
        outputs = tuple(
            OutputFacts(
                want(entry, "name", str, "outputs."),
                parse_type(want(entry, "type", str, "outputs.")),
                entry.get("unit"),
            )
            for entry in want(data, "outputs", list)
        )
    except TypeTextError as error:
        raise VerificationError(f"{path} is damaged: {error}") from error
    return Manifest(
        name=want(data, "name", str),
        files=files,
        input_name=want(source, "name", str, "input."),
        input_dtype=want(source, "dtype", str, "input."),
        channels=None if channels is None else want(source, "channels", int, "input."),
        wavelengths=None
        if wavelengths is None
        else tuple(
            number(value, "input.wavelengths") for value in want(source, "wavelengths", list, "input.")
        ),
        bands_read=_bands(source.get("bands"), channels),
        trained_range=_extremes(source.get("range")),
        outputs=outputs,
        thresholds=tuple(
            ThresholdFacts(
                want(entry, "input", str, "thresholds."),
                want(entry, "output", str, "thresholds."),
                number(entry.get("default"), "thresholds.default"),
                entry.get("unit"),
            )
            for entry in (want(data, "thresholds", list) if "thresholds" in data else ())
        ),
        pixelwise=data.get("pixelwise") is True,
        raw=data,
    )
