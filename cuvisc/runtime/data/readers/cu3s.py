"""Sessions of Cubert's cameras, by the vendor's package: one frame, `FILE.cu3s::3` or `::Raw/3`. Never torch."""

from __future__ import annotations

from pathlib import Path

from cuvisc.runtime.data.arrays import MemoryArray, Opened
from cuvisc.runtime.data.band_axis import BandFacts
from cuvisc.runtime.data.cu3s import MODES, SUFFIX, Session
from cuvisc.runtime.data.facts import CubeFacts
from cuvisc.schema.errors import DataError

SUFFIXES = (SUFFIX,)


def open_cube(path: Path, key: str | None) -> Opened:
    """Open a frame, as reflectance where `key` does not say another mode; raises :class:`DataError`."""
    mode, _, number = (key or "").strip("/").rpartition("/")
    mode = mode or MODES[0]
    if mode not in MODES or not (number.isdecimal() or not number):
        raise DataError(
            f"{path} has no frame `{key}`; a frame is a number, or one of {', '.join(MODES)}, / and it"
        )
    session = Session(path, mode)
    count = len(session)
    if not number and count != 1:
        raise DataError(f"{path} holds {count} frames; name one, as in {path.name}::0")
    index = int(number or 0)
    if index >= count:
        raise DataError(f"{path} has no frame {index}; it holds {count}, numbered from 0")
    cube, centers = session.read(index)
    known = BandFacts(str(path), cube.shape[2])
    facts = CubeFacts(
        "cu3s",
        cube.shape,
        cube.dtype,
        f"{mode}/{index}",
        wavelengths=known.nanometres(centers, "nm", "wavelengths"),
        warnings=tuple(known.warnings),
    )
    return Opened(facts, MemoryArray(cube))


def keys(path: Path) -> tuple[str, ...]:
    """The numbers of the frames."""
    return tuple(map(str, range(len(Session(path, MODES[0])))))
