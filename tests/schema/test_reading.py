"""Whatever a spec's path leads to, the answer is its text or one clear error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_catalogue import CATALOGUE

from cuvisc.schema.front_end import load_spec, load_text
from cuvisc.schema.render import render_text

SPEC = "nodes: {rx: {type: RXGlobal}}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def answer(name: str = "s.yaml") -> str:
    """The whole terminal text for a file of the current folder."""
    _, diagnostics = load_spec(Path(name), (), CATALOGUE, {})
    return render_text(diagnostics)


@pytest.mark.parametrize(
    "content",
    [
        SPEC.encode(),
        b"\xef\xbb\xbf" + SPEC.encode(),
        SPEC.replace("\n", "\r\n").encode(),
        b"# \xc3\xa9\n%YAML 1.2\n---\n" + SPEC.encode() + b"...\n",
    ],
    ids=["plain", "byte order mark", "windows", "directives"],
)
def test_text_files_are_read(content: bytes) -> None:
    Path("s.yaml").write_bytes(content)
    assert answer() == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "error[E006]: `s.yaml` is empty. a spec has at least `nodes:`\n1 error"),
        (b"# nothing\n---\n", "error[E006]: `s.yaml` is empty. a spec has at least `nodes:`\n1 error"),
        (SPEC.encode("utf-16"), "error[E003]: `s.yaml` is UTF-16 or UTF-32 text. save it as UTF-8\n1 error"),
        (
            SPEC.encode("utf-16-le"),
            "error[E003]: `s.yaml` is UTF-16 or UTF-32 text. save it as UTF-8\n1 error",
        ),
        (SPEC.encode("utf-32"), "error[E003]: `s.yaml` is UTF-16 or UTF-32 text. save it as UTF-8\n1 error"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            "error[E003]: `s.yaml` is a binary file. a spec is UTF-8 text\n1 error",
        ),
        (
            b"nodes:\n  r\xe9: 1\n",
            "error[E003]: `s.yaml` is not UTF-8 text: byte 0xE9 in line 2. save it as UTF-8\n1 error",
        ),
        (
            b"x" * 1_000_001,
            "error[E005]: `s.yaml` is larger than 1 MB. a spec is a small text; is it this file?\n1 error",
        ),
        (
            b"a: 1\nb: \x1b[31mred\n",
            (
                "s.yaml:2:4: error[E004]: character U+001B is not allowed in a spec\n"
                "    2 | b: \\x1b[31mred\n"
                "      |    ^^^^ remove it, or write it as an escape inside double quotes\n"
                "1 error"
            ),
        ),
        (
            "a: \u2028\n".encode(),
            (
                "s.yaml:1:4: error[E004]: character U+2028 is not allowed in a spec\n"
                "    1 | a: \\u2028\n"
                "      |    ^^^^^^ remove it, or write it as an escape inside double quotes\n"
                "1 error"
            ),
        ),
    ],
    ids=[
        "empty",
        "comments",
        "utf-16",
        "utf-16 bare",
        "utf-32",
        "binary",
        "latin-1",
        "large",
        "control",
        "separator",
    ],
)
def test_what_is_no_text_is_answered(content: bytes, expected: str) -> None:
    Path("s.yaml").write_bytes(content)
    assert answer() == expected


def test_a_missing_file_names_the_one_that_was_meant() -> None:
    Path("spec.yaml").write_text(SPEC)
    assert answer("spek.yaml") == "error[E001]: `spek.yaml`: no such file. did you mean `spec.yaml`?\n1 error"
    assert answer("no/such/x.yaml") == "error[E001]: `no/such/x.yaml`: no such file\n1 error"
    assert answer("spec.yaml/x.yaml") == "error[E001]: `spec.yaml/x.yaml`: no such file\n1 error"


def test_what_is_no_regular_file_is_never_opened() -> None:
    os.mkfifo("pipe.yaml")
    Path("loop.yaml").symlink_to("loop.yaml")
    assert answer(".") == "error[E002]: `.` is a folder. name a YAML file\n1 error"
    assert answer("pipe.yaml") == "error[E002]: `pipe.yaml` is not a regular file. name a YAML file\n1 error"
    assert answer("/dev/zero") == "error[E002]: `/dev/zero` is not a regular file. name a YAML file\n1 error"
    assert answer("loop.yaml").startswith("error[E002]: `loop.yaml` cannot be read: ")
    assert answer("a" * 300).startswith("error[E002]: `aaa")
    assert answer("nul\0.yaml") == "error[E002]: `nul\\x00.yaml` cannot be read: embedded null byte\n1 error"


def test_an_unreadable_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("s.yaml").write_text(SPEC)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert answer() == "error[E002]: `s.yaml` cannot be read: Permission denied\n1 error"


def test_text_given_directly_meets_the_same_checks() -> None:
    _, diagnostics = load_text("a: \ud800", "given", (), CATALOGUE, {})
    assert [found.code for found in diagnostics] == ["E004"]
