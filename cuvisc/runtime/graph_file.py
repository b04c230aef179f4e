"""A graph as one file: a zip of spec, state and manifest, the same bytes every time; nothing in it can execute.

`spec.yaml` says what the graph is, `weights.safetensors` the state of its nodes, `leaves.safetensors` that of its
leaves, `sample.safetensors` what training has seen of the data, `manifest.json` the SHA-256 of each. A file is read
whole or not at all: other members, other names, other sizes and other digests are refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cuvisc
from cuvisc.runtime.atomic import write_bytes
from cuvisc.schema.errors import DataError

FORMAT = 1
MANIFEST, SPEC, WEIGHTS, LEAVES, SAMPLE = (
    "manifest.json",
    "spec.yaml",
    "weights.safetensors",
    "leaves.safetensors",
    "sample.safetensors",
)
_MEMBERS = (SPEC, WEIGHTS, LEAVES, SAMPLE)
_LARGEST_TEXT = 16 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class GraphFile:
    """The parts of a graph's file: its members by name, and what the manifest says besides."""

    name: str
    spec_sha256: str
    parts: Mapping[str, bytes]
    input: Mapping[str, Any] | None = None
    place: str = field(default="", compare=False)

    def write(self, path: Path) -> None:
        """Write the file whole, in place of an older one."""
        write_bytes(path, self.pack())

    def pack(self) -> bytes:
        """The bytes of the file."""
        manifest = {
            "format": FORMAT,
            "cuvisc": cuvisc.__version__,
            "name": self.name,
            "spec_sha256": self.spec_sha256,
            "input": self.input,
            "files": {name: hashlib.sha256(part).hexdigest() for name, part in sorted(self.parts.items())},
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, part in {MANIFEST: text.encode(), **dict(sorted(self.parts.items()))}.items():
                member = zipfile.ZipInfo(name, _EPOCH)
                member.create_system, member.external_attr = 3, 0o644 << 16
                archive.writestr(member, part)
        return stream.getvalue()

    def text(self) -> str:
        """The spec; raises :class:`DataError`."""
        try:
            return self.parts[SPEC].decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.place}: {SPEC} is not UTF-8") from error


def read_graph_file(path: Path) -> GraphFile:
    """The checked parts of a file; raises :class:`DataError` for anything that `GraphFile.write` does not write."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            manifest = _manifest(members.pop(MANIFEST, b""), path)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"{path} is no file of a graph: {error}") from error
    if set(members) != set(manifest["files"]) or SPEC not in members:
        raise DataError(f"{path} is no file of a graph: its members are not those of its manifest")
    for name, part in members.items():
        if hashlib.sha256(part).hexdigest() != manifest["files"][name]:
            raise DataError(f"{path} is damaged: {name} is not what was written")
    return GraphFile(
        str(manifest["name"]), str(manifest["spec_sha256"]), members, manifest["input"], str(path)
    )


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    """The members by name, each no larger than the file it stands in."""
    listed = archive.infolist()
    names = [member.filename for member in listed]
    other = [name for name in names if name not in (MANIFEST, *_MEMBERS)]
    if other:
        raise DataError(f"{path} is no file of a graph: it holds {other[0][:80]!r}")
    if len(set(names)) != len(names):
        raise DataError(f"{path} is no file of a graph: it holds a name twice")
    whole = path.stat().st_size
    for member in listed:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.file_size > whole:
            raise DataError(
                f"{path} is no file of a graph: {member.filename} is compressed, which cuvisc never does"
            )
        if member.filename in (MANIFEST, SPEC) and member.file_size > _LARGEST_TEXT:
            raise DataError(f"{path} is no file of a graph: {member.filename} is too large")
    return {member.filename: archive.read(member) for member in listed}


def _manifest(content: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(f"{path} is no file of a graph: it has no {MANIFEST}") from None
    version = found.get("format") if isinstance(found, dict) else None
    if type(version) is int and version > FORMAT:
        raise DataError(
            f"{path} was written by a newer cuvisc ({found.get('cuvisc')}); this is {cuvisc.__version__}"
        )
    complete = version == FORMAT and isinstance(found.get("files"), dict)
    complete = complete and isinstance(found.get("input"), (dict, type(None)))
    if not complete or not {"name", "spec_sha256"} <= set(found):
        raise DataError(f"{path} is no file of a graph: {MANIFEST} is not one of cuvisc")
    return dict(found)
