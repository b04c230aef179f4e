"""Findings about a spec: what is wrong, where, and one thing to do about it.

Stages add to one `Diagnostics`; `cuvisc.schema.render` turns it into text. Pure Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cuvisc.schema.document import Span

Severity = Literal["error", "warning"]
MAX_FINDINGS = 100
_MAX_NAME = 64


@dataclass(frozen=True)
class Diagnostic:
    """One finding: the message states the fact, the label what is at the caret, the help one thing to do."""

    code: str
    message: str
    span: Span | None
    label: str = ""
    help: str = ""
    severity: Severity = "error"
    notes: tuple[tuple[Span, str], ...] = ()


class Diagnostics:
    """The findings of every stage so far, and the texts their spans point into.

    Iteration is in source order: the spec first, then the files it is composed from, then the overrides.
    At most `MAX_FINDINGS` are kept, so that a hostile spec cannot ask for a million answers.
    """

    def __init__(self, sources: Mapping[str, Sequence[str]] | None = None) -> None:
        self.sources: dict[str, Sequence[str]] = dict(sources or {})
        self._found: list[Diagnostic] = []

    def error(
        self,
        code: str,
        message: str,
        span: Span | None,
        label: str = "",
        help: str = "",
        notes: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Add an error."""
        self.add(Diagnostic(code, message, span, label, help, "error", notes))

    def warning(
        self,
        code: str,
        message: str,
        span: Span | None,
        label: str = "",
        help: str = "",
        notes: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """Add a warning."""
        self.add(Diagnostic(code, message, span, label, help, "warning", notes))

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a finding; the same finding twice, and any beyond the limit, is not kept."""
        if not self.full and diagnostic not in self._found:
            self._found.append(diagnostic)

    @property
    def full(self) -> bool:
        """Whether there is no use in looking further."""
        return len(self._found) >= MAX_FINDINGS

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(found.severity == "error" for found in self._found)

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return self.errors > 0

    def __iter__(self) -> Iterator[Diagnostic]:
        order = {file: index for index, file in enumerate(self.sources)}

        def place(found: Diagnostic) -> tuple[int, int, int]:
            if found.span is None:
                return (-1, 0, 0)
            return (order.get(found.span.file, len(order)), found.span.line, found.span.column)

        return iter(sorted(self._found, key=place))

    def __len__(self) -> int:
        return len(self._found)

    def summary(self) -> str:
        """The counts, as in "2 errors, 1 warning"."""
        errors = sum(found.severity == "error" for found in self._found)
        warnings = len(self._found) - errors
        parts = [_count(errors, "error")] if errors else []
        parts += [_count(warnings, "warning")] if warnings else []
        more = " (there may be more)" if self.full else ""
        return (", ".join(parts) or "no errors") + more


def did_you_mean(written: str, known: Sequence[str]) -> str:
    """Help naming the closest known name, "" when none is close."""
    close = closest(written, known)
    return f"did you mean `{close}`?" if close is not None else ""


def closest(written: str, known: Sequence[str]) -> str | None:
    """The known name most like what was written, regardless of case; None when none is close."""
    if len(written) > _MAX_NAME:
        return None
    from difflib import get_close_matches

    folded = {name.casefold(): name for name in known}
    found = get_close_matches(written.casefold(), folded, n=1, cutoff=0.65)
    return folded[found[0]] if found else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
