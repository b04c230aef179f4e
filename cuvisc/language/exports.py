"""``from cuvisc.nodes import RXGlobal`` without a list of names: a package exposes what its files declare."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any


def scan(package: str, base: type) -> Iterator[type]:
    """Concrete subclasses of ``base`` defined in the modules of ``package``, in order of module and definition."""
    module = importlib.import_module(package)
    for info in pkgutil.walk_packages(module.__path__, package + "."):
        loaded = importlib.import_module(info.name)
        for value in list(vars(loaded).values()):
            defined_here = isinstance(value, type) and value.__module__ == info.name
            if defined_here and issubclass(value, base) and not value.__name__.startswith("_"):
                yield value


def lazy_exports(package: str, base: type) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__``, also of ``__all__``, and ``__dir__`` for the package's ``__init__``."""

    def get(name: str) -> Any:
        if name == "__all__":
            return names()
        if not name.startswith("_"):
            for found in scan(package, base):
                if found.__name__ == name:
                    return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return sorted(found.__name__ for found in scan(package, base))

    return get, names
