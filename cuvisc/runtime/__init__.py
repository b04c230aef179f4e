"""The run time. Data modules and monitors are found by scanning their files, the first time one is asked for."""

from __future__ import annotations

from typing import Any

_PACKAGES = ("cuvisc.runtime.data", "cuvisc.runtime.monitors")


def __getattr__(name: str) -> Any:
    # Only class names are looked for: importing a file of this package must not load torch.
    if name[:1].isupper():
        from cuvisc.language.declare import Declared
        from cuvisc.language.exports import scan

        for package in _PACKAGES:
            for found in scan(package, Declared):
                if found.__name__ == name:
                    return found
    raise AttributeError(f"module 'cuvisc.runtime' has no attribute {name!r}")
