"""What the terminal can show: colour only where a person looks and has not asked for none."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def wants_color(stream: TextIO) -> bool:
    """Whether to write colour to a stream: a terminal, no NO_COLOR, not TERM=dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def tolerate_narrow_encodings() -> None:
    """Let characters that a stream's encoding lacks be written as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
