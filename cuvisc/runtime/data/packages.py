"""Packages of the `data` extra, imported when needed; a missing one is an error that says what to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from cuvisc.schema.errors import DataError


def import_for(what: object, package: str) -> ModuleType:
    """Import a package; raises :class:`DataError` naming what needs it and the extra that brings it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise DataError(
            f"{what} needs the package {package.partition('.')[0]}, which cannot be imported ({error}): "
            "pip install 'cuvisc[data]'"
        ) from error
