"""The fields of an ENVI header: text to fields and back. Pure Python, never NumPy: a look at a header costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cuvisc.schema.errors import DataError

_LARGEST = 64 * 2**20
DEFAULTS = {"byte order": "0", "header offset": "0", "file type": "ENVI Standard"}

Header = dict[str, str | list[str]]


def read_header(path: Path) -> Header:
    """The fields of a header: names in small letters, values as text, lists in braces as lists of text."""
    if path.stat().st_size > _LARGEST:
        raise DataError(f"{path} is damaged: larger than a header can be")
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = iter(text.splitlines())
    if next(lines, "").strip().lstrip("\ufeff") != "ENVI":
        raise DataError(f"{path} is not an ENVI header: its first line is not `ENVI`")
    return dict(_fields(lines, path))


def _fields(lines: Iterator[str], path: Path) -> Iterator[tuple[str, str | list[str]]]:
    for line in lines:
        name, equals, value = line.partition("=")
        name, value = " ".join(name.lower().split()), value.strip()
        if not equals or not name or name.startswith(";"):
            continue
        if not value.startswith("{"):
            yield name, value
            continue
        parts = [value[1:]]
        while "}" not in parts[-1]:
            following = next(lines, None)
            if following is None:
                raise DataError(f"{path} is cut short: the list `{name}` does not end")
            parts.append(following)
        parts[-1] = parts[-1].partition("}")[0]
        joined = "\n".join(part for part in parts if not part.lstrip().startswith(";")).strip()
        yield name, joined if name in _TEXTS else [item.strip() for item in joined.split(",") if item.strip()]


_TEXTS = {"description", "coordinate system string", "projection info"}


def write_header(path: Path, header: Mapping[str, object]) -> None:
    """Fields to a header file; lists and texts of several lines go in braces."""
    lines = ["ENVI"]
    for name, value in header.items():
        if isinstance(value, (list, tuple)):
            text = ", ".join(str(item).replace(",", ";").replace("}", ")") for item in value)
            lines.append(f"{name} = {{{text}}}")
        elif name in _TEXTS:
            lines.append(f"{name} = {{{value}}}")
        else:
            lines.append(f"{name} = {value}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def whole(header: Header, name: str, path: Path, least: int) -> int:
    """A field that is a whole number; raises :class:`DataError` when it is missing or is none."""
    value = header.get(name, DEFAULTS.get(name))
    if value is None:
        raise DataError(f"{path} does not say `{name}`")
    try:
        number = int(value) if isinstance(value, str) else -1
    except ValueError:
        number = -1
    if not least <= number < 2**62:
        raise DataError(f"{path}: `{name} = {value}` is not a whole number of at least {least}")
    return number


def number(header: Header, name: str) -> float | None:
    """A field that is a finite number, NaN or infinity; None where it is missing or something else."""
    value = header.get(name)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def text(header: Header, name: str) -> str | None:
    """A field that is a text; None where it is missing or empty."""
    value = header.get(name)
    return value if isinstance(value, str) and value else None


def items(header: Header, name: str) -> list[str] | None:
    """A field that is a list; None where it is missing."""
    value = header.get(name)
    return [value] if isinstance(value, str) and value else value or None if isinstance(value, list) else None
