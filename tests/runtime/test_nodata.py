"""Pixels without data, found block by block, are those that looking at every value finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cuvisc.runtime.data.nodata import find_missing, stored_nodata

BLOCKS = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4))


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -32768), ("uint8", 0), ("float32", np.nan)])
@given(data=st.data())
def test_whole_and_partly_missing_pixels(dtype: str, nodata: float, data: st.DataObject) -> None:
    lacking = data.draw(arrays(bool, BLOCKS))
    spectra = np.where(lacking, np.nan, 7.0).astype("float32")
    if dtype != "float32":
        spectra = np.where(lacking, nodata, 7).astype(dtype)
    found = find_missing(spectra, stored_nodata(nodata, np.dtype(dtype)))
    assert found is not None
    counts = lacking.sum(axis=-1)
    np.testing.assert_array_equal(found.whole, counts == lacking.shape[-1])
    assert found.partly == ((counts > 0) & (counts < lacking.shape[-1])).sum()


def test_without_a_number_for_none_nothing_is_missing() -> None:
    assert find_missing(np.zeros((2, 2, 3), np.uint8), None) is None
    assert stored_nodata(-9999, np.dtype("uint8")) is None
