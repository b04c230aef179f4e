"""Type text such as ``float32[B,H,W,C]`` to :class:`TensorType` and back. Pure Python; imports nothing of cuvisc."""

from __future__ import annotations

import re
from dataclasses import dataclass

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
)

Dim = int | str

_TEXT = re.compile(r"\s*(\w+)\s*\[([^\]]*)\]\s*")
_SYMBOL = re.compile(r"[A-Za-z_]\w*")


class TypeTextError(ValueError):
    """A type text that does not parse; the message says which part."""


@dataclass(frozen=True)
class TensorType:
    """A dtype and named dimensions; a dimension is a number, a symbol or the name of a parameter."""

    dtype: str
    dims: tuple[Dim, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(str(dim) for dim in self.dims)}]"

    def substitute(self, values: dict[str, Dim]) -> TensorType:
        """The same type with symbols replaced by what they are bound to."""
        return TensorType(self.dtype, tuple(values.get(d, d) if isinstance(d, str) else d for d in self.dims))


def parse_type(text: str) -> TensorType:
    """Parse ``dtype[dim,dim,...]``; raises :class:`TypeTextError`."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise TypeTextError(f"`{text}` is not of the form dtype[dim,...], such as float32[B,H,W,C]")
    dtype, inside = match.groups()
    if dtype not in DTYPES:
        raise TypeTextError(f"`{dtype}` in `{text}` is not a dtype; one of {', '.join(DTYPES)}")
    return TensorType(
        dtype, tuple(_parse_dim(part.strip(), text) for part in inside.split(",") if inside.strip())
    )


def _parse_dim(part: str, text: str) -> Dim:
    if part.isdecimal():
        return int(part)
    if _SYMBOL.fullmatch(part):
        return part
    raise TypeTextError(f"`{part}` in `{text}` is neither a number nor a name")
