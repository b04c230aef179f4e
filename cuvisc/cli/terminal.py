"""What the terminal can show, colour only where a person looks and wants it, and streams that end no work."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def wants_color(stream: TextIO) -> bool:
    """Whether to write colour to a stream: a terminal, no NO_COLOR, not TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def prepare_streams() -> None:
    """Have what is said end no work: characters that an encoding lacks, readers gone away, closed streams."""
    sys.stdout = _prepared(sys.stdout)
    sys.stderr = _prepared(sys.stderr)


def _prepared(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed by who started the process
        return open(os.devnull, "w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    return _Outliving(stream) if type(stream) is io.TextIOWrapper else stream


class _Outliving(io.TextIOWrapper):
    """A stream whose reader may go away, as that of `| head -1` does: what is written after that goes nowhere.

    Nothing below the text is in Python: an interrupt there would have a line written twice.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        stream.flush()
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._stream = stream  # it would close the buffer when nobody held it

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._go_nowhere()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._go_nowhere()

    def _go_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
