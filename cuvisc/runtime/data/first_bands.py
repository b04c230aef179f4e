"""How many bands a spec's data has, by the header of its first file: what can be checked before anything is read.

Never torch; NumPy only where a format's reader needs it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from cuvisc.compiler.bands import data_use
from cuvisc.compiler.declared import Use
from cuvisc.compiler.sizes import Origin, Size
from cuvisc.language.spectrum import Spectrum
from cuvisc.runtime.data.header_bands import ENVI_DATA, bands_in_header, spectrum_in_header
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics, did_you_mean
from cuvisc.schema.errors import DataError
from cuvisc.schema.spec import Spec

T = TypeVar("T")
_MOST_ENTRIES = 10_000
_RELATIVE = "paths are relative to the folder that the command is run in"
WILD = re.compile(r"[*?\[]")
TRUTH = re.compile(r"_(mask|labels?)$")
_NO_CUBES = (".png", ".jpg", ".jpeg", ".json", ".txt", ".csv", ".xml", ".yaml", ".yml", ".md", ".py")


def look_at_bands(spec: Spec, catalogue: Catalogue, diagnostics: Diagnostics) -> Size | None:
    """The bands of the first file, where the data module takes them from its files; None where that cannot be told.

    A file that is not there or cannot be read is a warning: the data may lie on another machine. Patterns through
    several folders are not followed. What stands in the environment is shown in no message.
    """
    use = data_use(spec, catalogue)
    declared = use.fact("channels") if use is not None else None
    if use is None or not isinstance(declared, Mapping):
        return None
    return _Look(spec, use, declared, diagnostics).bands()


def look_at_spectrum(spec: Spec, catalogue: Catalogue) -> Spectrum | None:
    """What the header of the first file says of its bands; None where that cannot be told, without a word."""
    use = data_use(spec, catalogue)
    declared = use.fact("channels") if use is not None else None
    if use is None or not isinstance(declared, Mapping):
        return None
    return _Look(spec, use, declared, Diagnostics()).spectrum()


class _Look:
    def __init__(self, spec: Spec, use: Use, declared: Mapping[str, Any], diagnostics: Diagnostics) -> None:
        self.spec, self.use, self.diagnostics = spec, use, diagnostics
        self.files, self.folder, self.array = (declared[name] for name in ("files", "folder", "array"))
        self.name = f"`datamodule.{self.files}`"
        besides = (use.params.get(name) for name in declared["besides"])
        self.besides = [text.replace("{stem}", "*") for text in besides if isinstance(text, str)]

    def bands(self) -> Size | None:
        count = self._of_header(bands_in_header)
        if count is None:
            return None
        return Size(count, Origin(f"the first file of {self.name}", self.use.param_span(self.files)))

    def spectrum(self) -> Spectrum | None:
        return self._of_header(spectrum_in_header)

    def _of_header(self, read: Callable[[Path, str | None], T]) -> T | None:
        named = self.use.params.get(self.files)
        pattern = named[0] if isinstance(named, (list, tuple)) and named else named
        folder, array = self.use.params.get(self.folder), self.use.params.get(self.array)
        if not isinstance(pattern, str) or not isinstance(folder, str):
            return None
        pattern, _, inside = pattern.partition("::")
        if WILD.search(str(Path(folder, pattern).parent)):
            return None
        if not Path(folder).is_dir():
            self.warn(
                f"`datamodule.{self.folder}`: there is no folder `{self.spelled(self.folder)}`",
                _RELATIVE,
                self.folder,
            )
            return None
        try:
            path = first_file(Path(folder, pattern), self.besides)
            if path is None:
                self.warn(f"{self.name} finds no file: {self.written()}", similar_file(Path(folder, pattern)))
                return None
            return read(path, inside or (array if isinstance(array, str) else None))
        except (DataError, OSError, ValueError) as error:
            known = isinstance(error, DataError) and self._is_spelled_out()
            self.warn(
                f"the first file of {self.name} cannot be read as a cube",
                str(error) if known else "`cuvisc inspect FILE` says why",
            )
            return None

    def _is_spelled_out(self) -> bool:
        """Whether the file is named as the spec spells it, and nothing of it comes from elsewhere."""
        for name in (self.files, self.folder, self.array):
            given = self.use.params.get(name)
            if self.spelled(name) != (given[0] if isinstance(given, (list, tuple)) and given else given):
                return False
        return True

    def warn(self, fact: str, help: str, about: str = "") -> None:
        self.diagnostics.warning("W501", fact, self.use.param_span(about or self.files), help=help)

    def written(self) -> str:
        """Pattern and folder as the spec spells them."""
        return f"no `{self.spelled(self.files)}` in `{self.spelled(self.folder)}`"

    def spelled(self, parameter: str) -> object:
        found = self.spec.document.find(("datamodule", parameter))
        if found is None:
            return self.use.params[parameter]
        return found.value[0].value if isinstance(found.value, list) else found.value


def first_file(path: Path, besides: Sequence[str] = ()) -> Path | None:
    """The first of the cubes that a path or a pattern of file names means, None where there is none."""
    return next(iter(cubes_named(path, besides)), None)


def cubes_named(path: Path, besides: Sequence[str] = ()) -> list[Path]:
    """The cubes that a path or a pattern of file names means; `besides` are patterns of files that are no cubes."""
    if not WILD.search(path.name):
        return [path] if path.is_file() else []
    found = sorted(
        entry.name
        for entry in entries_in(path.parent)
        if fnmatch(entry.name, path.name) and not entry.name.startswith(".") and entry.is_file()
        if not any(fnmatch(entry.name, pattern) for pattern in besides)
    )
    cubes = [name for name in found if Path(name).suffix.lower() not in _NO_CUBES]
    cubes = [name for name in cubes if not TRUTH.search(Path(name).stem)] or cubes
    headers = [name for name in cubes if Path(name).suffix.lower() not in ENVI_DATA] or cubes
    return [path.with_name(name) for name in headers]


def similar_file(path: Path, otherwise: str = _RELATIVE) -> str:
    """Help for a file that is not there: one of nearly that name, else what paths are relative to."""
    return did_you_mean(path.name, [entry.name for entry in entries_in(path.parent)]) or otherwise


def entries_in(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds; so many entries that no folder keeps the user waiting."""
    try:
        with os.scandir(folder) as entries:
            return list(islice(entries, _MOST_ENTRIES))
    except (OSError, ValueError):
        return []
