"""A target is the old one, or the new one, whole; a failure leaves nothing behind."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cuvisc.runtime.atomic import atomic_file, atomic_folder, write_bytes, write_text
from cuvisc.schema.errors import DataError, SpecError


class Failure(Exception):
    """What goes wrong in the middle."""


def test_a_file_appears_whole_with_the_permissions_of_any_other(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    plain = tmp_path / "plain"
    plain.write_text("")
    assert path.read_text() == "whole"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert os.listdir(path.parent) == ["file"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(Failure), atomic_file(path, force=True) as temporary:
        temporary.write_text("half")
        raise Failure
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_existing_file_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(SpecError) as caught, atomic_file(path):
        pass
    assert str(caught.value) == f"{path} exists; give --force to replace it"
    write_text(path, "new")
    assert path.read_bytes() == b"new"


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(DataError) as caught, atomic_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "below"
    with pytest.raises(DataError) as caught:
        write_bytes(path, b"")
    assert str(caught.value) == f"cannot write {path}: File exists"


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_appears_whole(tmp_path: Path, existing: bool) -> None:
    path = tmp_path / "folder"
    if existing:
        path.mkdir()
        (path / "old").write_text("old")
    with atomic_folder(path, mark="old", force=existing) as temporary:
        (temporary / "new").write_text("new")
        (temporary / "sub").mkdir()
        (temporary / "sub" / "deep").write_text("deep")
        assert path.exists() == existing
    assert sorted(os.listdir(path)) == ["new", "sub"]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(Failure), atomic_folder(path, mark="old", force=True) as temporary:
        (temporary / "new").write_text("new")
        raise Failure
    assert os.listdir(path) == ["old"]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_does_not_replace_a_file_nor_a_file_a_folder(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("")
    folder.mkdir()
    with pytest.raises(SpecError) as caught, atomic_folder(file, mark="a", force=True):
        pass
    assert str(caught.value) == f"{file} is a file; name a folder"
    with pytest.raises(SpecError) as caught, atomic_file(folder, force=True):
        pass
    assert str(caught.value) == f"{folder} is a folder; name a file"


def test_force_replaces_only_its_own_kind_of_folder(tmp_path: Path) -> None:
    """A folder of somebody's other files stays as it is."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    with pytest.raises(SpecError) as caught, atomic_folder(precious, mark="manifest.json", force=True):
        pytest.fail("the block was entered")
    assert str(caught.value) == (
        f"{precious} holds other files and no manifest.json: it is not replaced; name another folder"
    )
    assert [path.name for path in tmp_path.rglob("*")] == ["precious", "thesis.txt"]


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "mark").write_text("old")
    (tmp_path / "link").symlink_to(target)
    with atomic_folder(tmp_path / "link", mark="mark", force=True) as temporary:
        (temporary / "mark").write_text("new")
    assert (tmp_path / "link/mark").read_text() == "new"
    assert (target / "mark").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"link", "target"}


_CHILD = """
import sys
from pathlib import Path
from cuvisc.runtime.atomic import atomic_file, atomic_folder

kind, right = sys.argv[1], getattr(Path, sys.argv[2])

def interrupted(self, *given, **options):
    right(self, *given, **options)
    if self.name.startswith(".target."):
        raise KeyboardInterrupt

setattr(Path, sys.argv[2], interrupted)
with atomic_file(Path("target")) if kind == "file" else atomic_folder(Path("target"), mark="mark"):
    pass
"""
_WRITTEN_LATE = """
import sys
from pathlib import Path
from threading import Thread, main_thread
from cuvisc.runtime.atomic import atomic_file

def write():
    main_thread().join()
    temporary.write_text("half")

with atomic_file(Path("target")) as temporary:
    Thread(target=write).start()
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize(
    ("program", "kind", "made_by"),
    [(_CHILD, "file", "touch"), (_CHILD, "folder", "mkdir"), (_WRITTEN_LATE, "", "")],
)
def test_an_interrupt_at_the_wrong_moment_leaves_nothing(
    program: str, kind: str, made_by: str, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", program, kind, made_by],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert list(tmp_path.iterdir()) == []
