"""The images of a folder to the regions of every stage: files or blocks dealt out, then cut into tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cuvisc.runtime.data.cube_file import CubeFile
from cuvisc.runtime.data.cube_samples import Region
from cuvisc.runtime.data.datamodule import Stage
from cuvisc.runtime.data.stages import deal
from cuvisc.runtime.data.tiles import Box, blocks_of, overlapping_tiles, separate_tiles, with_buffer
from cuvisc.schema.errors import DataError

STAGES: tuple[Stage, ...] = ("train", "val", "test")
_SMALLEST_BLOCK = 8
_BLOCKS_A_SIDE = 4
Parts = list[tuple[str, CubeFile, Box]]


@dataclass(frozen=True)
class Shares:
    """How much is held out, and by which seed."""

    val: float
    test: float
    seed: int


def split_files(files: Mapping[str, CubeFile], shares: Shares) -> Mapping[Stage, Parts]:
    """Whole images by stage; raises :class:`DataError` when there are fewer files than stages."""
    try:
        stage_of = deal(list(files), shares.val, shares.test, shares.seed)
    except ValueError:
        wanted = _words(shares)
        raise DataError(
            f"CubeFolder: the folder has {_count(len(files), 'file')}, too few to split into {wanted}; "
            "`split: block` splits images, and a share of 0 needs no file"
        ) from None
    return {stage: [(n, f, f.whole) for n, f in files.items() if stage_of[n] == stage] for stage in STAGES}


def split_blocks(
    files: Mapping[str, CubeFile], shares: Shares, size: int | None, tile: int | None, buffer: int
) -> Mapping[Stage, Parts]:
    """Blocks of all images by stage; raises :class:`DataError` when there are fewer blocks than stages.

    A `size` that is given is no smaller than a tile and the buffer on both sides; without one a block is.
    """
    sizes = {name: size or _block_size(file, tile, buffer) for name, file in files.items()}
    grids = {name: blocks_of(*file.size, sizes[name]) for name, file in files.items()}
    names = {(name, place): f"{name}:{place[0]}:{place[1]}" for name, grid in grids.items() for place in grid}
    try:
        stage_of = deal(list(names.values()), shares.val, shares.test, shares.seed)
    except ValueError:
        raise DataError(
            f"CubeFolder: blocks of {min(sizes.values())} pixels make {_count(len(names), 'block')}, too few to split "
            f"into {_words(shares)}; give {_smaller(files.values(), size, tile, buffer)}"
        ) from None
    parts: dict[Stage, Parts] = {stage: [] for stage in STAGES}
    for name, grid in grids.items():
        rank = {place: STAGES.index(stage_of[names[name, place]]) for place in grid}
        for place, box in with_buffer(grid, rank, buffer).items():
            parts[STAGES[rank[place]]].append((name, files[name], box))
    _refuse_empty(parts, shares)
    return parts


def listed_files(
    files: Mapping[str, CubeFile], listed: Mapping[Stage, Sequence[str] | None]
) -> Mapping[Stage, Parts]:
    """Whole images by lists of names, the rest for training; raises :class:`DataError` for a name in two lists."""
    stage_of: dict[str, Stage] = {}
    for stage, names in listed.items():
        for name in names or ():
            other = stage_of.setdefault(name, stage)
            if other != stage:
                raise DataError(
                    f"CubeFolder: {files[name].path} is listed as `{other}` and as `{stage}`; name it once"
                )
    if listed["train"] is None:
        stage_of |= {name: "train" for name in files if name not in stage_of}
    parts: dict[Stage, Parts] = {
        stage: [(n, f, f.whole) for n, f in files.items() if stage_of.get(n) == stage] for stage in STAGES
    }
    if not parts["train"]:
        raise DataError("CubeFolder: `val` and `test` list every file; none is left to train on")
    return parts


def cut_regions(parts: Mapping[Stage, Parts], tile: int | None, overlap: int) -> Mapping[Stage, list[Region]]:
    """Tiles of the parts of every stage; those of training overlap and are of one size."""
    regions: dict[Stage, list[Region]] = {}
    for stage, boxes in parts.items():
        regions[stage] = []
        for name, file, box in boxes:
            cut = [box]
            if tile is not None:
                cut = overlapping_tiles(box, tile, overlap) if stage == "train" else separate_tiles(box, tile)
            regions[stage] += [
                Region(file, part, name if part == file.whole else f"{name}[{part}]") for part in cut
            ]
    return regions


def sizes_of(regions: Sequence[Region]) -> dict[tuple[int, int], Region]:
    """The sizes of regions in rows and columns, each with the first region of it."""
    sizes: dict[tuple[int, int], Region] = {}
    for region in regions:
        sizes.setdefault((region.box.height, region.box.width), region)
    return sizes


def _block_size(file: CubeFile, tile: int | None, buffer: int) -> int:
    """Two tiles, or a part of the image; never so small that the buffer on both sides leaves no tile, or no pixel."""
    if tile is not None:
        return max(2 * tile, tile + 2 * buffer)
    return max(min(file.size) // _BLOCKS_A_SIDE, _SMALLEST_BLOCK, 1 + 2 * buffer)


def _smaller(files: Iterable[CubeFile], size: int | None, tile: int | None, buffer: int) -> str:
    """What to make smaller so that blocks are."""
    if size is not None:
        return "a smaller `block`"
    if any(_block_size(file, tile, buffer) > _block_size(file, tile, 0) for file in files):
        return "a smaller `buffer`"
    return "a smaller `block`" if tile is None else "a smaller `tile`, or a `block`"


def _refuse_empty(parts: Mapping[Stage, Parts], shares: Shares) -> None:
    for stage, share in zip(STAGES, (1.0, shares.val, shares.test), strict=True):
        if share and not parts[stage]:
            raise DataError(
                f"CubeFolder: nothing is left for `{stage}` between the blocks of other stages; "
                "give a smaller `buffer` or a larger `block`"
            )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _words(shares: Shares) -> str:
    stages = ["training", *(["validation"] if shares.val else []), *(["test"] if shares.test else [])]
    return f"{', '.join(stages[:-1])} and {stages[-1]}"
