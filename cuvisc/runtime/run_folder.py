"""A run on disk: the spec, run.json, weights and a sample of the input. Every file is written whole, then renamed.

What the spec takes from the environment is a secret as far as anyone knows: files keep `${oc.env:…}` as it was written.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cuvisc
from cuvisc.runtime.atomic import write_bytes, write_text
from cuvisc.runtime.json_values import finite
from cuvisc.runtime.lock import locked
from cuvisc.runtime.ranks import shared
from cuvisc.runtime.seen import Seen, pack_profile
from cuvisc.schema.errors import DataError, SpecError, VerificationError
from cuvisc.schema.spec import Spec, spec_hash
from cuvisc.schema.spelling import spelled, spelled_name
from cuvisc.schema.writing import dump_yaml

if TYPE_CHECKING:
    from cuvisc.compiler.module import CompiledGraph
    from cuvisc.runtime.export import Source
    from cuvisc.runtime.statistics import InputProfile

FORMAT = 1
RUN, SPEC, RESOLVED = "run.json", "spec.yaml", "spec.resolved.yaml"
WEIGHTS, SAMPLE, CHECKPOINTS = "weights.safetensors", "sample.safetensors", "checkpoints"
_TRAINED = (RESOLVED, WEIGHTS, SAMPLE)
# What a run consists of: _FOLDERS are removed from a run alone, elsewhere they may be the user's.
_FILES = (SPEC, RESOLVED, WEIGHTS, SAMPLE, "metrics.jsonl", "report.html", "report.npz", "export.json", RUN)
_FOLDERS = (CHECKPOINTS, "figures", "tensorboard", "wandb", "artifact")
# What is relied on where run.json is read, which anyone may have edited.
_KINDS = {"status": str, "spec_sha256": str, "files": dict, "input": dict}
_PACKAGES = ("torch", "lightning", "numpy")


@dataclass
class RunFolder:
    """One run's folder and the facts in its run.json; of several processes only the first one `writes`."""

    path: Path
    writes: bool = True
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(
        cls, spec: Spec, place: Path | None = None, *, force: bool = False, writes: bool = True
    ) -> RunFolder:
        """A new folder at `place`, or at runs/<name>/<time>-<hash>; raises :class:`SpecError` when it is in use.

        A process that does not write knows nothing of the folder before it and the first one `agree`.
        """
        sha256 = spec_hash(spec)
        if not writes:
            return cls(place or Path("runs") / public_name(spec), writes=False)
        if place is None:
            path = _new_place(Path("runs") / public_name(spec), sha256)
        else:
            path = place
            _take(path, force)
        folder = cls(path)
        folder.record(
            format=FORMAT,
            id=secrets.token_hex(8),
            name=public_name(spec),
            spec_sha256=sha256,
            cuvisc=cuvisc.__version__,
            versions=versions(),
            status="running",
            started=_now(),
        )
        return folder

    @classmethod
    def reopen(cls, path: Path, *, writes: bool = True) -> RunFolder:
        """The folder of a run that was begun; raises :class:`DataError` when there is none."""
        return cls(path, writes=writes, facts=read_run(path))

    def agree(self) -> None:
        """Take path and facts from the first process of the run. Every one of them must call it."""
        self.path, self.facts = shared(lambda: (self.path, self.facts))

    def resume(self, epoch: int, spec: Spec, changes: Sequence[str]) -> None:
        """Record that the run goes on before this epoch, counted from 0, with a spec that differs by the changes."""
        for ending in ("ended", "error", "files"):
            self.facts.pop(ending, None)
        before = self.facts.get("resumed", [])
        now = {"epoch": epoch, "time": _now(), "cuvisc": cuvisc.__version__, "versions": versions()}
        if changes and self.writes:
            self._change_spec(spec, [f"# from epoch {epoch + 1}: {change}" for change in changes])
        self.record(status="running", spec_sha256=spec_hash(spec), resumed=[*before, now])

    def record(self, **facts: Any) -> None:
        """Add facts and write run.json anew."""
        self.facts.update(facts)
        if not self.writes:
            return
        text = json.dumps(finite(self.facts), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(self.path / RUN, text + "\n")

    def finish(self, status: str, **facts: Any) -> None:
        """Record how the run ended: `finished` (then with digests of its files), `failed` or `interrupted`."""
        if status == "finished" and self.writes:
            facts["files"] = {
                name: digest(self.path / name) for name in _TRAINED if (self.path / name).exists()
            }
        self.record(status=status, ended=_now(), **facts)

    def write_spec(self, spec: Spec, overrides: Sequence[str] = ()) -> None:
        """Write spec.yaml as the user wrote it, overrides as a comment, and spec.resolved.yaml in canonical form."""
        resolved = dump_yaml(spec.to_dict())
        lines = spec.document.lines(spec.document.name)
        written = "\n".join(lines) if lines else resolved
        header = "".join(f"# override: {override}\n" for override in overrides)
        write_text(self.path / SPEC, header + written.rstrip("\n") + "\n")
        write_text(self.path / RESOLVED, resolved)

    def _change_spec(self, spec: Spec, header: Sequence[str]) -> None:
        try:
            written = (self.path / SPEC).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / SPEC} cannot be read: {error}") from error
        write_text(self.path / SPEC, "\n".join([*header, written]))
        write_text(self.path / RESOLVED, dump_yaml(spec.to_dict()))

    def write_sample(self, profile: InputProfile) -> None:
        """Write some training pixels, and what phase 1 measured of all of them."""
        write_bytes(self.path / SAMPLE, pack_profile(profile))


def read_run(path: Path) -> dict[str, Any]:
    """The facts of a run; raises :class:`DataError` when there are none."""
    try:
        facts = json.loads((path / RUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is no run folder: it holds no {RUN}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path / RUN} cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise DataError(f"{path / RUN} was not written by this version of cuvisc")
    for name, kind in _KINDS.items():
        if not isinstance(facts.get(name, kind()), kind):
            raise DataError(f"{path / RUN} is damaged: `{name}` is of the wrong kind")
    return facts


def load_source(path: Path) -> Source:
    """What an export of a finished run is made from; raises :class:`DataError` for a run that has not finished."""
    facts = read_run(path)
    if facts.get("status") != "finished" or facts.get("trial"):
        raise DataError(f"{path} cannot be exported: {_unfinished(path, facts)}")
    if "spec_sha256" not in facts:
        raise DataError(f"{path / RUN} is damaged: it has no `spec_sha256`")
    for name, wanted in facts.get("files", {}).items():
        if digest(path / name) != wanted:
            raise VerificationError(f"{path / name} is not the file that the run ended with; train again")
    return load_seen(path).source(load_module(path), facts["spec_sha256"])


def digest(path: Path) -> str:
    """The SHA-256 of a file; raises :class:`DataError`."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _unfinished(path: Path, facts: Mapping[str, Any]) -> str:
    from cuvisc.runtime.epoch_state import STATE

    if facts.get("trial"):
        return "the run is a trial (fast_dev_run), not finished"
    resumable = (path / CHECKPOINTS / STATE).is_file()
    remedy = f"; to go on: cuvisc train --resume {shlex.quote(str(path))}" if resumable else ""
    status = facts.get("status", "running")
    if status != "running":
        return f"the run is {status}, not finished{remedy}"
    return f"the run is not finished: it is running, or was killed{remedy}"


def load_seen(path: Path) -> Seen:
    """What a run has seen of its data; raises :class:`DataError`."""
    file = path / SAMPLE
    try:
        return Seen(read_run(path)["input"], file.read_bytes(), str(file))
    except (OSError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else "run.json says nothing about the input"
        raise DataError(f"{file} cannot be read: {reason}") from error


def read_spec(path: Path) -> dict[str, Any]:
    """The spec of a run in its canonical form, as plain data; raises :class:`SpecError`."""
    from cuvisc.schema.diagnostics import Diagnostics
    from cuvisc.schema.loader import load_tree
    from cuvisc.schema.reading import read_text

    file = path / RESOLVED
    diagnostics = Diagnostics()
    text = read_text(file, diagnostics)
    tree = load_tree(text, str(file), diagnostics) if text is not None else None
    plain = tree.plain() if tree is not None else None
    if not isinstance(plain, dict):
        raise SpecError(diagnostics=diagnostics)
    return plain


def load_module(path: Path) -> CompiledGraph:
    """The fitted module of a run: its graph from spec.resolved.yaml, its state from the weights.

    Data, monitors and training are left out, so that what they take from the environment need not be there.
    """
    from cuvisc.compiler.check import check_graph
    from cuvisc.compiler.module import build_module
    from cuvisc.runtime.weights import load_weights
    from cuvisc.schema.catalogue import load
    from cuvisc.schema.document import Document
    from cuvisc.schema.front_end import load_data

    plain = spelled(Document.from_data(read_spec(path), str(path / RESOLVED)))
    kept: dict[str, object] = {key: plain[key] for key in ("version", "graph", "nodes") if key in plain}
    spec, diagnostics = load_data(kept, str(path / RESOLVED))
    graph = check_graph(spec, load(), diagnostics) if spec is not None else None
    if graph is None:
        raise SpecError(diagnostics=diagnostics)
    module = build_module(graph)
    load_weights(module, path / WEIGHTS)
    return module


def public_name(spec: Spec) -> str:
    """The graph's name as part of a path; `graph` where it comes from the environment."""
    written = spelled_name(spec)
    return "graph" if "${" in written else re.sub(r"[^\w.-]+", "_", written).strip("._") or "graph"


def _new_place(root: Path, sha256: str) -> Path:
    """A folder that was not there, also when two runs begin at once."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{sha256[:8]}"
    for number in itertools.count(1):
        path = root / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if path.is_dir():
                continue
            raise _cannot_make(path, "a file is in the way") from None
        except OSError as error:
            raise _cannot_make(path, error.strerror or str(error)) from error
        break
    return path


def _take(path: Path, force: bool) -> None:
    """Make a folder that the user named, or empty it of an older run."""
    try:
        if path.is_dir() and any(path.iterdir()):
            if not force and not _came_to_nothing(path):
                raise SpecError(f"{path} exists and is not empty; give --force to write into it")
            with locked(path):
                _forget(path)
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make(path, error.strerror or str(error)) from error


def _came_to_nothing(path: Path) -> bool:
    """Whether a folder holds a run that failed before it measured anything, and nothing else that is of use."""
    kept = {entry.name for entry in path.iterdir() if not (entry.is_file() and entry.stat().st_size == 0)}
    if not kept <= {RUN, SPEC, RESOLVED, "report.html"}:
        return False
    try:
        return read_run(path).get("status") == "failed"
    except DataError:
        return False


def _forget(path: Path) -> None:
    """Remove everything that an older run left in a folder; run.json last, which tells that folders are a run's."""
    if (path / RUN).is_file():
        for name in _FOLDERS:
            folder = path / name
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
            else:
                folder.unlink(missing_ok=True)
    for name in _FILES:
        (path / name).unlink(missing_ok=True)


def _cannot_make(path: Path, reason: str) -> DataError:
    return DataError(f"cannot make the run folder {path}: {reason}")


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
