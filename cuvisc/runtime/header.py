"""A package's declarations to its header: the definitions that the catalogue merges in without importing the package.

``python -m cuvisc.runtime.header PACKAGE`` prints it; the front end does so for a package that ships none.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from cuvisc.language.declare import Declared
from cuvisc.language.describe import describe
from cuvisc.language.exports import scan
from cuvisc.schema.plugins import HEADER_FORMAT, PLUGIN_KINDS


def build_header(package: str) -> dict[str, Any]:
    """The header of an importable package; raises ImportError, and ValueError where it declares nothing."""
    with contextlib.redirect_stdout(sys.stderr):
        declared = [cls for cls in scan(package, Declared) if issubclass(cls, Declared)]
    entries = {f"{cls.kind}.{cls.__name__}": describe(cls) for cls in declared if cls.kind in PLUGIN_KINDS}
    if not entries:
        raise ValueError(f"`{package}` declares no node, leaf, monitor or data module")
    return {"format": HEADER_FORMAT, "package": package, "$defs": dict(sorted(entries.items()))}


def header_text(package: str) -> str:
    """The header as the text of its file."""
    return json.dumps(build_header(package), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(header_text(sys.argv[1]))
