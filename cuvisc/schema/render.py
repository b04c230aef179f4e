"""Diagnostics as text for people (an excerpt with a caret), as plain data for programs, as annotations for GitHub.

Whatever the user wrote is shown, never obeyed: control characters are made visible. Pure Python.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from cuvisc.schema.diagnostics import Diagnostic, Diagnostics
from cuvisc.schema.document import Span

_EXCERPT_WIDTH = 100
_RED, _YELLOW, _BLUE, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[1m", "\x1b[0m"


def render_text(diagnostics: Diagnostics, color: bool = False) -> str:
    """Every finding as `file:line:col: error[code]: message` with its excerpt, then the counts."""
    blocks = [_block(found, diagnostics, color) for found in diagnostics]
    return "\n".join([*blocks, diagnostics.summary()]) if blocks else ""


def as_dicts(diagnostics: Diagnostics) -> list[dict[str, object]]:
    """The findings as plain data: code, severity, message, label, help, file, line, column, length, notes."""
    return [_as_dict(found) for found in diagnostics]


def render_github(diagnostics: Diagnostics) -> str:
    """The findings as GitHub workflow commands, one a line, which annotate the lines of a pull request."""
    return "\n".join(_annotation(found) for found in diagnostics)


def printable(text: str, keep_newlines: bool = False) -> str:
    """Text with everything that a terminal would obey or hide written as an escape."""
    return "".join(
        char if char == " " or char.isprintable() or (keep_newlines and char == "\n") else _escape(char)
        for char in text
    )


def _block(found: Diagnostic, diagnostics: Diagnostics, color: bool) -> str:
    place = f"{_place(found.span)}: " if found.span is not None else ""
    paint = _RED if found.severity == "error" else _YELLOW
    title = _painted(f"{found.severity}[{found.code}]", paint + _BOLD, color)
    message = printable(found.message)
    excerpt = _excerpt(found.span, diagnostics, printable(found.label or found.help), paint, color)
    if not excerpt:
        texts = [message, *(printable(text) for text in (found.label, found.help) if text)]
        message = ". ".join(texts)
    lines = [f"{place}{title}: {message}", *excerpt]
    if excerpt and found.label and found.help:
        lines.append(f"   help: {printable(found.help)}")
    for span, text in found.notes:
        lines.append(f"   note: {_place(span)}: {printable(text)}")
        lines += _excerpt(span, diagnostics, "", _BLUE, color)
    return "\n".join(lines)


def _excerpt(span: Span | None, diagnostics: Diagnostics, label: str, paint: str, color: bool) -> list[str]:
    """The line a span points into and a line of carets under the span, [] when the text is not known."""
    lines: Sequence[str] = diagnostics.sources.get(span.file, ()) if span is not None else ()
    if span is None or not 1 <= span.line <= len(lines):
        return []
    text = lines[span.line - 1]
    begin = span.column - 1
    end = max(begin + 1, min(begin + span.length, len(text)))
    left = max(0, begin - _EXCERPT_WIDTH // 2) if len(text) > _EXCERPT_WIDTH else 0
    right = left + _EXCERPT_WIDTH
    shown = ("…" if left else "") + _visible(text[left:right]) + ("…" if right < len(text) else "")
    before = _width(("…" if left else "") + _visible(text[left:begin]))
    carets = "^" * max(1, _width(_visible(text[begin : min(end, right)])))
    gutter = f"{span.line:>5}"
    blank = " " * len(gutter)
    pointer = _painted(f"{carets} {label}".rstrip(), paint, color)
    return [f"{gutter} | {shown}".rstrip(), f"{blank} | {' ' * before}{pointer}"]


def _visible(text: str) -> str:
    return printable(text.replace("\t", " "))


def _width(text: str) -> int:
    """The number of terminal columns a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _place(span: Span) -> str:
    file = printable(span.file)
    return f"{file}:{span.line}:{span.column}" if span.line else file


def _painted(text: str, paint: str, color: bool) -> str:
    return f"{paint}{text}{_PLAIN}" if color else text


def _as_dict(found: Diagnostic) -> dict[str, object]:
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        "label": found.label,
        "help": found.help,
        **_span_dict(found.span),
        "notes": [{"message": text, **_span_dict(span)} for span, text in found.notes],
    }


def _span_dict(span: Span | None) -> dict[str, object]:
    if span is None:
        return {"file": None, "line": None, "column": None, "length": None}
    return {"file": span.file, "line": span.line, "column": span.column, "length": span.length}


def _annotation(found: Diagnostic) -> str:
    properties = {"title": f"{found.severity}[{found.code}]"}
    if found.span is not None and found.span.line:
        span = found.span
        properties |= {
            "file": span.file,
            "line": str(span.line),
            "col": str(span.column),
            "endColumn": str(span.column + max(span.length, 1)),
        }
    fields = ",".join(f"{key}={_github_property(value)}" for key, value in properties.items())
    texts = [found.message, *(text for text in (found.label, found.help) if text)]
    return f"::{found.severity} {fields}::{_github_text('. '.join(texts))}"


def _github_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_text(text).replace(":", "%3A").replace(",", "%2C")
