"""Tiles cover every pixel, blocks of different stages never meet, and what is dealt depends on seed and name alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial.distance import cdist

from cuvisc.runtime.data.cube_file import CubeFile
from cuvisc.runtime.data.regions import STAGES, Parts, Shares, cut_regions, split_blocks, split_files
from cuvisc.runtime.data.stages import deal
from cuvisc.runtime.data.tiles import Box, blocks_of, overlapping_tiles, separate_tiles
from cuvisc.schema.errors import DataError

SIDES = st.integers(1, 90)
SIZES = st.integers(1, 40)


def painted(height: int, width: int, boxes: list[Box]) -> NDArray[np.int64]:
    """How many boxes lie on every pixel."""
    canvas = np.zeros((height, width), np.int64)
    for box in boxes:
        canvas[box.top : box.bottom, box.left : box.right] += 1
    return canvas


@given(SIDES, SIDES, SIZES, st.data())
def test_training_tiles_cover_every_pixel_and_are_of_one_size(
    height: int, width: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    tiles = overlapping_tiles(Box(3, 3 + height, 5, 5 + width), size, overlap)
    assert {(t.height, t.width) for t in tiles} == {(min(size, height), min(size, width))}
    canvas = painted(3 + height, 5 + width, tiles)
    assert canvas[3:, 5:].min() >= 1
    assert canvas[:3].sum() + canvas[:, :5].sum() == 0
    rows = sorted({t.top for t in tiles})
    assert all(after - before <= size - overlap for before, after in itertools.pairwise(rows))


@given(SIDES, SIDES, SIZES)
def test_other_tiles_cover_every_pixel_once(height: int, width: int, size: int) -> None:
    tiles = separate_tiles(Box(0, height, 0, width), size)
    assert (painted(height, width, tiles) == 1).all()
    assert max(max(t.height, t.width) for t in tiles) <= size


@given(SIDES, SIDES, SIZES)
def test_blocks_cover_every_pixel_once_and_none_is_a_sliver(height: int, width: int, size: int) -> None:
    blocks = list(blocks_of(height, width, size).values())
    assert (painted(height, width, blocks) == 1).all()
    for side, length in (("height", height), ("width", width)):
        assert all(min(size, length) <= getattr(b, side) < 2 * size for b in blocks)


def image(name: str, height: int, width: int) -> CubeFile:
    return CubeFile(Path(name), (height, width, 3), np.dtype("u2"), ())


def canvas_of(parts: Parts, name: str, size: tuple[int, int]) -> NDArray[np.int64]:
    return painted(*size, [box for own, _, box in parts if own == name])


@given(
    st.lists(st.tuples(st.integers(20, 60), st.integers(20, 60)), min_size=1, max_size=3),
    st.integers(5, 10),
    st.integers(0, 2),
    st.integers(0, 99),
    st.sampled_from([(0.2, 0.2), (0.4, 0.0), (0.0, 0.3), (0.15, 0.15)]),
)
def test_blocks_of_different_stages_keep_their_distance(
    sizes: list[tuple[int, int]], size: int, buffer: int, seed: int, held_out: tuple[float, float]
) -> None:
    files = {f"f{i}": image(f"f{i}", *s) for i, s in enumerate(sizes)}
    parts = split_blocks(files, Shares(*held_out, seed), size, None, buffer)
    assert all(bool(parts[stage]) == bool(share) for stage, share in zip(STAGES, (1, *held_out), strict=True))
    for name, file in files.items():
        of_stage = [canvas_of(parts[stage], name, file.size) for stage in STAGES]
        stage_of = sum((i + 1) * canvas for i, canvas in enumerate(of_stage))
        assert (sum(of_stage) <= 1).all()
        # The farthest stages in a window of `buffer` pixels around every pixel are one.
        window, used = 2 * buffer + 1, stage_of > 0
        largest = maximum_filter(stage_of, window, mode="nearest")
        smallest = minimum_filter(np.where(used, stage_of, 9), window, mode="nearest")
        np.testing.assert_array_equal(largest[used], stage_of[used])
        np.testing.assert_array_equal(smallest[used], stage_of[used])
        if buffer == 0:
            assert (sum(of_stage) == 1).all()
        # The buffer takes pixels away and gives none to another stage.
        whole = split_blocks(files, Shares(*held_out, seed), size, None, 0)
        first = sum((i + 1) * canvas_of(whole[stage], name, file.size) for i, stage in enumerate(STAGES))
        assert (first[stage_of > 0] == stage_of[stage_of > 0]).all()


@given(
    st.lists(st.tuples(st.integers(1, 70), st.integers(1, 70)), min_size=1, max_size=2),
    st.none() | st.integers(1, 12),
    st.integers(0, 80),
    st.integers(0, 99),
)
def test_every_buffer_is_kept_or_refused(
    sizes: list[tuple[int, int]], tile: int | None, buffer: int, seed: int
) -> None:
    """Pixels of two stages of an image are more than `buffer` rows or columns apart, counted pixel by pixel."""
    files = {f"f{i}": image(f"f{i}", *s) for i, s in enumerate(sizes)}
    try:
        parts = split_blocks(files, Shares(0.2, 0.2, seed), None, tile, buffer)
    except DataError:
        return
    assert all(parts[stage] for stage in STAGES)
    for name, file in files.items():
        pixels = [np.argwhere(canvas_of(parts[stage], name, file.size)) for stage in STAGES]
        for one, other in itertools.combinations(pixels, 2):
            if len(one) and len(other):
                assert cdist(one, other, "chebyshev").min() > buffer


@given(st.sets(st.text("abcdef", min_size=1), min_size=3, max_size=30), st.integers(0, 5))
def test_every_name_has_one_stage_whatever_the_order(names: set[str], seed: int) -> None:
    ascending, descending = sorted(names), sorted(names, reverse=True)
    found = deal(ascending, 0.2, 0.3, seed)
    assert found == deal(descending, 0.2, 0.3, seed)
    assert set(found) == names
    counts = {stage: list(found.values()).count(stage) for stage in STAGES}
    assert min(counts.values()) >= 1
    assert counts["val"] <= max(1, round(0.2 * len(names)))
    assert counts["test"] <= max(1, round(0.3 * len(names)))


def test_what_is_dealt_is_the_same_on_every_machine() -> None:
    found = deal([f"flight_{i}.hdr" for i in range(10)], 0.2, 0.2, 7)
    held = {stage: sorted(n for n in found if found[n] == stage) for stage in ("val", "test")}
    assert held == {"val": ["flight_1.hdr", "flight_7.hdr"], "test": ["flight_0.hdr", "flight_6.hdr"]}
    assert deal([f"flight_{i}.hdr" for i in range(10)], 0.2, 0.2, 8) != found


def test_tiles_of_a_stage_stay_in_its_blocks() -> None:
    files = {"a": image("a", 90, 70)}
    parts = split_blocks(files, Shares(0.2, 0.2, 1), None, 10, 2)
    regions = cut_regions(parts, 10, 4)
    canvases = {stage: painted(90, 70, [region.box for region in regions[stage]]) > 0 for stage in STAGES}
    for stage in STAGES:
        np.testing.assert_array_equal(canvases[stage], canvas_of(parts[stage], "a", (90, 70)) > 0)
    assert not (canvases["train"] & (canvases["val"] | canvases["test"])).any()
    assert {(r.box.height, r.box.width) for r in regions["train"]} == {(10, 10)}
    assert regions["val"][0].name.startswith("a[")


@pytest.mark.parametrize(
    ("number", "shares", "fact"),
    [
        (1, Shares(0.15, 0.15, 0), "1 file, too few to split into training, validation and test"),
        (2, Shares(0.15, 0.15, 0), "2 files, too few to split into training, validation and test"),
        (1, Shares(0.2, 0.0, 0), "1 file, too few to split into training and validation"),
    ],
)
def test_fewer_files_than_stages_are_answered(number: int, shares: Shares, fact: str) -> None:
    files = {f"f{i}": image(f"f{i}", 20, 20) for i in range(number)}
    with pytest.raises(DataError) as caught:
        split_files(files, shares)
    assert str(caught.value) == (
        f"CubeFolder: the folder has {fact}; `split: block` splits images, and a share of 0 needs no file"
    )


def test_fewer_blocks_than_stages_are_answered() -> None:
    with pytest.raises(DataError) as caught:
        split_blocks({"a": image("a", 20, 20)}, Shares(0.15, 0.15, 0), 16, None, 2)
    assert str(caught.value) == (
        "CubeFolder: blocks of 16 pixels make 1 block, too few to split into training, validation and test; "
        "give a smaller `block`"
    )


@pytest.mark.parametrize(
    ("tile", "buffer", "size", "remedy"),
    [
        (None, 30, 61, "a smaller `buffer`"),
        (None, 500, 1001, "a smaller `buffer`"),
        (60, 2, 120, "a smaller `tile`, or a `block`"),
        (60, 40, 140, "a smaller `buffer`"),
    ],
)
def test_a_buffer_or_a_tile_that_leaves_too_few_blocks_is_answered(
    tile: int | None, buffer: int, size: int, remedy: str
) -> None:
    with pytest.raises(DataError) as caught:
        split_blocks({"a": image("a", 100, 100)}, Shares(0.15, 0.15, 0), None, tile, buffer)
    assert str(caught.value) == (
        f"CubeFolder: blocks of {size} pixels make 1 block, too few to split into training, validation and test; "
        f"give {remedy}"
    )
