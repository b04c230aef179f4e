"""What a YAML parser complains about, in words for the person who wrote the text."""

from __future__ import annotations

import yaml

from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.document import Span

# What the parser says -> what it means, and one thing to do about it.
_WORDS = {
    "mapping values are not allowed": (
        "a `:` where no key can be",
        "check the indentation, or quote text that contains `: `",
    ),
    "did not find expected key": ("this fits no mapping above it", "check the indentation and the quotes"),
    "did not find expected '-' indicator": ("this fits no list above it", "check the indentation"),
    "did not find expected node content": (
        "a value is missing here",
        "write one, or remove what asks for it",
    ),
    "block sequence entries are not allowed": ("a list cannot begin here", "begin it on a line of its own"),
    "did not find expected <document start>": ("this fits nothing above it", "check the indentation"),
    "found unknown escape character": (
        "unknown escape in double quotes",
        "use single quotes, or double the `\\`",
    ),
    "found incompatible YAML document": ("another version of YAML", "specs are YAML 1.2"),
}
# The same, where the parser complains about what comes later than the mistake.
_UNCLOSED = {
    "did not find expected ',' or ']'": (
        "this `[` is not closed",
        "add the `]`, or a `,` that is missing after it",
    ),
    "did not find expected ',' or '}'": (
        "this `{` is not closed",
        "add the `}`, or a `,` that is missing after it",
    ),
    "found unexpected end of stream": ("this quote is not closed", "add the closing quote"),
    "could not find expected ':'": ("a key without its `:`", "add the `:`"),
}


def explain_syntax(error: yaml.MarkedYAMLError, file: str, diagnostics: Diagnostics) -> None:
    """Add the one diagnostic for a text that is no YAML."""
    problem = error.problem or "not YAML"
    for said, (meaning, help) in _UNCLOSED.items():
        if said in problem and error.context_mark is not None:
            diagnostics.error("E010", meaning, _point(error.context_mark, file, diagnostics), help=help)
            return
    mark = error.problem_mark or error.context_mark
    span = _point(mark, file, diagnostics) if mark is not None else Span(file, 0, 0, 0)
    if "cannot start any token" in problem or "tab character" in problem:
        diagnostics.error("E010", *_start(span, diagnostics))
        return
    meaning, help = next(((m, h) for said, (m, h) in _WORDS.items() if said in problem), (problem, ""))
    diagnostics.error("E010", meaning, span, help=help)


def _start(span: Span, diagnostics: Diagnostics) -> tuple[str, Span, str, str]:
    line = diagnostics.sources[span.file][span.line - 1]
    char = line[span.column - 1 : span.column]
    if char == "\t":
        return ("a tab where YAML wants spaces", span, "", "indent with spaces")
    return (f"`{char}` cannot begin a value", span, "", "put the value in quotes")


def _point(mark: yaml.Mark, file: str, diagnostics: Diagnostics) -> Span:
    """The character at a mark; the end of the text when the mark is behind it."""
    lines = diagnostics.sources[file]
    if mark.line < len(lines):
        return Span(file, mark.line + 1, mark.column + 1, 1)
    return Span(file, len(lines), len(lines[-1]) + 1, 1)
