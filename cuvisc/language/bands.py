"""How many bands data has, as a declaration says it: a number, or the header of the first of the files that a parameter
names. Pure Python; imports nothing of cuvisc.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FirstFile:
    """As many bands as the first file has: ``FirstFile("train", folder="data_dir", array="cube_key")``.

    The arguments are names of parameters: ``files`` holds a file, a glob pattern or a list of them, ``folder`` what
    they are relative to, ``array`` which array of a file is meant where it holds several. Those in ``besides`` hold
    patterns, with ``{stem}`` for the name of a cube, of files that lie beside the cubes and are none. ``lists`` hold
    more files, those of one ``apart`` from those of another; ``instead`` takes the place of ``files`` where given.
    """

    files: str
    folder: str
    array: str
    besides: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    apart: bool = False
    instead: str = ""


def bands_to_json(bands: int | FirstFile | None) -> int | dict[str, object] | None:
    """JSON form of a declared number of bands."""
    if isinstance(bands, FirstFile):
        named = {"files": bands.files, "folder": bands.folder, "array": bands.array}
        more = {"lists": list(bands.lists), "apart": bands.apart, "instead": bands.instead}
        return {**named, "besides": list(bands.besides), **more}
    return bands
