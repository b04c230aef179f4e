"""Files and folders that appear whole or not at all: a temporary name beside the target, synced, then renamed.

Never torch, lightning or onnx.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cuvisc.schema.errors import DataError, SpecError

_unfinished: set[Path] = set()
"""Temporary files and folders of this process that have not become what they are for, each from before it is made."""


@atexit.register
def _remove_unfinished() -> None:
    """Remove what an interrupt at the wrong moment has left: a file that is made but not known, or still written to.

    Threads have ended by then.
    """
    for made in list(_unfinished):
        _remove(made)


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_unfinished.clear)


def refuse_existing(path: Path, force: bool) -> None:
    """Raise :class:`SpecError` when something is in the way and `force` is not given."""
    if not force and (path.exists() or path.is_symlink()):
        raise SpecError(f"{path} exists; give --force to replace it")


@contextmanager
def atomic_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` when the block ends well and removed when it does not.

    An existing file is replaced only with `force`. The parent folder is made when it is missing. Raises
    :class:`DataError` when the place cannot be written.
    """
    refuse_existing(path, force)
    if path.is_dir():
        raise SpecError(f"{path} is a folder; name a file")
    temporary = _beside(path, folder=False)
    try:
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        _sync(path.parent)
        _unfinished.discard(temporary)
    finally:
        _remove(temporary)


@contextmanager
def atomic_folder(path: Path, *, mark: str, force: bool = False) -> Iterator[Path]:
    """A temporary folder to fill, renamed to `path` when the block ends well and removed when it does not.

    With `force` an existing folder is replaced if it is empty or holds the file `mark`, which says that it is of the
    same kind; it stays in place until the new one is complete. Of a link to a folder the link is replaced, not what it
    leads to. Raises :class:`SpecError` for any other folder.
    """
    refuse_existing(path, force)
    if path.exists() and not path.is_dir():
        raise SpecError(f"{path} is a file; name a folder")
    if path.exists() and not (path / mark).is_file() and any(path.iterdir()):
        raise SpecError(f"{path} holds other files and no {mark}: it is not replaced; name another folder")
    temporary = _beside(path, folder=True)
    replaced = temporary.with_name(temporary.name + ".old")
    try:
        try:
            yield temporary
            for entry in sorted(temporary.rglob("*")):
                _sync(entry)
            _sync(temporary)
            if path.exists():
                os.rename(path, replaced)
            os.rename(temporary, path)
        except OSError as error:
            raise _cannot_write(path, error) from error
        _sync(path.parent)
        _unfinished.discard(temporary)
    finally:
        if replaced.exists() and not path.exists():
            os.rename(replaced, path)
        _remove(temporary)
        if replaced.is_symlink():
            replaced.unlink()
        shutil.rmtree(replaced, ignore_errors=True)


def write_bytes(path: Path, content: bytes, *, force: bool = True) -> None:
    """Write a file whole; replaces by default."""
    with atomic_file(path, force=force) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str, *, force: bool = True) -> None:
    """Write a UTF-8 file with ``\\n`` line ends whole; replaces by default."""
    write_bytes(path, content.encode(), force=force)


def _beside(path: Path, *, folder: bool) -> Path:
    """A fresh hidden file or folder on the file system of `path`, with the permissions a plain one would have."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _unfinished.add(made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if folder:
            made.mkdir()
        else:
            made.touch(exist_ok=False)
        return made
    except OSError as error:
        _unfinished.discard(made)
        raise _cannot_write(path, error) from error


def _remove(made: Path) -> None:
    """Remove what is left of a temporary file or folder."""
    if made.is_dir():
        shutil.rmtree(made, ignore_errors=True)
    else:
        made.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot write {path}: {error.strerror or error}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
