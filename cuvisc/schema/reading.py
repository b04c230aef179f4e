"""A file to its text: regular, small, UTF-8, free of control characters; else one diagnostic says why not."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path

from cuvisc.schema.diagnostics import Diagnostics, closest
from cuvisc.schema.document import Span

MAX_BYTES = 1_000_000
_MAX_LISTED = 5
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_FORBIDDEN = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_UTF_16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a text as YAML counts them."""
    return tuple(_LINE_BREAK.split(text))


def read_text(path: Path, diagnostics: Diagnostics, asked: Span | None = None) -> str | None:
    """The text of a spec file, None after a diagnostic.

    `asked` is where another file asked for this one; a file that is missing is reported there.
    """
    shown = str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            diagnostics.error("E002", f"`{shown}` is {kind}", asked, help="name a YAML file")
            return None
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        diagnostics.error("E001", f"`{shown}`: no such file", asked, help=_similar_file(path))
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        diagnostics.error("E002", f"`{shown}` cannot be read: {reason}", asked)
        return None
    if len(content) > MAX_BYTES:
        diagnostics.error(
            "E005", f"`{shown}` is larger than 1 MB", asked, help="a spec is a small text; is it this file?"
        )
        return None
    text = _decode(content, shown, asked, diagnostics)
    return text if text is not None and check_characters(text, shown, diagnostics) else None


def check_characters(text: str, file: str, diagnostics: Diagnostics) -> bool:
    """Whether every character may stand in a spec; a diagnostic for the first that may not."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return True
    before = split_lines(text[: found.start()])
    diagnostics.sources.setdefault(file, split_lines(text))
    diagnostics.error(
        "E004",
        f"character U+{ord(found.group()):04X} is not allowed in a spec",
        Span(file, len(before), len(before[-1]) + 1, 1),
        help="remove it, or write it as an escape inside double quotes",
    )
    return False


def _decode(content: bytes, shown: str, asked: Span | None, diagnostics: Diagnostics) -> str | None:
    if content.startswith(_UTF_16_OR_32) or (b"\0" in content[:4] and content.strip(b"\0")):
        diagnostics.error("E003", f"`{shown}` is UTF-16 or UTF-32 text", asked, help="save it as UTF-8")
        return None
    if b"\0" in content:
        diagnostics.error("E003", f"`{shown}` is a binary file", asked, help="a spec is UTF-8 text")
        return None
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = content[error.start]
        fact = f"`{shown}` is not UTF-8 text: byte 0x{wrong:02X} in line {line}"
        diagnostics.error("E003", fact, asked, help="save it as UTF-8")
        return None


def _similar_file(path: Path) -> str:
    try:
        entries = [entry for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml")]
    except OSError:
        return ""
    names = {entry.stem: entry.name for entry in entries[:1000]}
    found = closest(path.stem, list(names))
    if found is not None:
        return f"did you mean `{names[found]}`?"
    shown = ", ".join(f"`{name}`" for name in sorted(names.values())[:_MAX_LISTED])
    return f"there is {shown}{', …' if len(names) > _MAX_LISTED else ''}" if names else "name a YAML file"
