"""Outputs come in blocks of any cut and order: what is written is the whole array, as NumPy alone would write it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cuvisc.runtime.data.source import Block, cut
from cuvisc.runtime.data.writers.npz import NpzWriter
from cuvisc.runtime.predicted import Predicted, adjoined

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 9), st.just(1))


def values_of(shape: tuple[int, ...], bands: int) -> NDArray[Any]:
    return np.arange(np.prod(shape[:3]) * bands, dtype=np.float32).reshape(*shape[:3], bands)


def part(whole: NDArray[Any], block: Block) -> NDArray[Any]:
    return whole[block.image, block.top : block.bottom, block.left : block.right]


@given(shape=SHAPES, pixels=st.integers(1, 120), bands=st.integers(1, 3))
def test_joined_blocks_cover_the_same_values_in_order(
    shape: tuple[int, int, int, int], pixels: int, bands: int
) -> None:
    whole = values_of(shape, bands)
    odd = whole[..., 0] % 2 == 1
    blocks = list(cut(shape, pixels))
    found = list(
        adjoined(
            Predicted(block, {"scores": part(whole, block)[np.newaxis]}, part(odd, block), ~part(odd, block))
            for block in blocks
        )
    )
    for block, outputs, holes, broken in found:
        np.testing.assert_array_equal(outputs["scores"], part(whole, block)[np.newaxis])
        np.testing.assert_array_equal(holes, part(odd, block))
        np.testing.assert_array_equal(broken, ~holes)
    assert sum(found_one.block.pixels for found_one in found) == whole[..., 0].size
    if pixels >= shape[2]:
        assert [joined.block for joined in found] == [
            Block(image, 0, shape[1], 0, shape[2]) for image in range(shape[0])
        ]


@given(shape=SHAPES, pixels=st.integers(1, 60), seed=st.integers(0, 99))
def test_blocks_in_any_order_make_the_file_that_numpy_reads(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int, int],
    pixels: int,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("npz") / "scores.npz"
    path.touch()
    scores, decisions = values_of(shape, 2), values_of(shape, 1) % 3 == 0
    blocks = list(cut(shape, pixels))
    Random(seed).shuffle(blocks)
    with NpzWriter(path) as writer:
        for block in blocks:
            for name, whole in (("rx.scores", scores), ("decider.decisions", decisions)):
                writer.put(name, block, part(whole, block), whole.shape, shape)
        writer.append("weights.values", np.arange(3.0))
        writer.append("weights.values", np.arange(3.0, 6.0))
        writer.save({"weights.values": (2, 3)})
    with np.load(path) as written:
        assert list(written) == ["rx.scores", "decider.decisions", "weights.values"]
        np.testing.assert_array_equal(written["rx.scores"], scores)
        np.testing.assert_array_equal(written["decider.decisions"], decisions)
        np.testing.assert_array_equal(written["weights.values"], np.arange(6.0).reshape(2, 3))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name, value in (("rx.scores", scores), ("decider.decisions", decisions)):
            alone = io.BytesIO()
            np.save(alone, value)
            assert archive.read(f"{name}.npy") == alone.getvalue()


def test_a_file_over_four_gigabytes_has_its_members_where_the_directory_says(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    path.touch()
    shape = (1, 66_000, 65_536, 1)
    with NpzWriter(path) as writer:
        writer.put("first", Block(0, 0, 1, 0, 65_536), np.ones((1, 65_536), bool), shape[:3], shape)
        writer.put("second", Block(0, 0, 2, 0, 2), np.ones((2, 2), bool), (2, 2), (1, 2, 2, 1))
        writer._seal = lambda member: None  # type: ignore[method-assign, assignment]
        writer.save({})
    with zipfile.ZipFile(path) as archive:
        first, second = archive.infolist()
    assert (first.file_size, first.header_offset) == (66_000 * 65_536 + 128, 0)
    assert second.header_offset > 2**32
