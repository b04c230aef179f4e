"""Blocks in the order of pixels are the same values whatever order of axes, bytes and strides they had."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.runtime.data import pixel_order
from cuvisc.runtime.data.pixel_order import PixelOrder


@pytest.mark.parametrize("order", list(permutations(range(3))))
@given(
    shape=st.tuples(st.integers(0, 20), st.sampled_from([1, 7, 64, 256, 512]), st.integers(1, 9)),
    dtype=st.sampled_from(["u1", "<u2", ">u2", "<f4", ">f4", "<f8"]),
    part=st.booleans(),
)
def test_any_memory_order(
    order: tuple[int, int, int], shape: tuple[int, int, int], dtype: str, part: bool
) -> None:
    stored = np.arange(np.prod(shape)).reshape([shape[axis] for axis in order]).astype(dtype)
    values = stored.transpose(np.argsort(order))
    if part:
        values = values[1:, :, ::2]
    native = np.dtype(dtype).newbyteorder("=")
    found = PixelOrder(native).put(values)
    assert found.flags.c_contiguous
    assert found.dtype == native
    np.testing.assert_array_equal(found, values)


def test_one_place_serves_blocks_of_different_sizes() -> None:
    place = PixelOrder(np.dtype("u2"))
    for rows in (3, 1, 8):
        stored = np.arange(5 * rows * 512, dtype="u2").reshape(5, rows, 512)
        np.testing.assert_array_equal(place.put(stored.transpose(1, 2, 0)), np.moveaxis(stored, 0, -1))


@pytest.fixture(scope="module", autouse=True)
def _few_bytes_at_once() -> Iterator[None]:
    """Few bytes at once, so that small blocks take several rounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_order, "_AT_ONCE", 2**13)
        yield
