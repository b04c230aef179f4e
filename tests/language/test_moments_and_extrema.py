"""Statistics are what NumPy says of the whole data in float64, however the data came in."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.language.affine import AffineMap
from cuvisc.language.statistics import (
    BandMoments,
    ExtremaAccumulator,
    MomentsAccumulator,
    NoPixels,
    block_pixels,
    finite_pixels,
)

BLOCK = block_pixels(5)
DATA = {
    "reflectance": lambda r, n, c: r.random((n, c), np.float32),
    "offset 1e4": lambda r, n, c: (1e4 + r.random((n, c))).astype(np.float32),
    "offset 1e4, float64": lambda r, n, c: 1e4 + 1e-3 * r.standard_normal((n, c)),
    "12-bit counts": lambda r, n, c: r.integers(0, 4096, (n, c)).astype(np.uint16),
    "full uint16": lambda r, n, c: r.integers(60000, 65536, (n, c)).astype(np.uint16),
    "signed": lambda r, n, c: r.integers(-3000, 9000, (n, c)).astype(np.int16),
    "int8": lambda r, n, c: r.integers(-128, 128, (n, c)).astype(np.int8),
    "int32": lambda r, n, c: r.integers(-(2**31), 2**31 - 1, (n, c)).astype(np.int32),
    "half": lambda r, n, c: r.random((n, c)).astype(np.float16),
    "column order": lambda r, n, c: np.asfortranarray(r.random((n, c))),
    "every second": lambda r, n, c: r.random((2 * n, 2 * c))[::2, ::2],
}


def moments(*blocks: Any) -> BandMoments:
    accumulator = MomentsAccumulator()
    for block in blocks:
        accumulator.update(block)
    return accumulator.result()


def assert_moments(found: BandMoments, x: np.ndarray, rtol: float = 1e-10) -> None:
    exact = x.astype(np.float64)
    spread = exact.std(axis=0)
    assert found.count == len(x)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-13, atol=rtol * spread.max())
    covariance = np.cov(exact, rowvar=False).reshape(x.shape[1], -1)
    scale = np.outer(spread, spread)
    assert (np.abs(found.covariance - covariance) <= rtol * scale).all()
    np.testing.assert_allclose(found.variance, exact.var(axis=0, ddof=1), rtol=rtol)
    assert (found.scatter == found.scatter.T).all()


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("pixels", [2, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_one_cube(kind: str, pixels: int) -> None:
    """Mean and covariance of any dtype, offset and memory order, across block borders."""
    x = DATA[kind](np.random.default_rng(pixels), pixels, 5)
    assert_moments(moments(x), x)
    extrema = ExtremaAccumulator()
    extrema.update(x)
    found = extrema.result()
    assert found.count == pixels
    assert (found.minimum == x.min(axis=0)).all()
    assert (found.maximum == x.max(axis=0)).all()
    assert found.minimum.dtype == found.maximum.dtype == np.float64


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 2**32))
def test_batches_and_ranks(sizes: list[int], seed: int) -> None:
    """Split into batches, or over ranks that merge, the statistics stay those of all pixels, empty parts included."""
    random = np.random.default_rng(seed)
    parts = [1e4 + 3 * k + random.standard_normal((size, 3)) for k, size in enumerate([*sizes, 2])]
    whole = np.concatenate(parts)
    assert_moments(moments(*parts), whole, rtol=1e-8)
    for make in (MomentsAccumulator, ExtremaAccumulator):
        merged = make()
        for part in parts:
            rank = make()
            rank.update(part)
            merged.merge(rank)
        if isinstance(merged, MomentsAccumulator):
            assert_moments(merged.result(), whole, rtol=1e-8)
        else:
            found = merged.result()
            assert (found.minimum == whole.min(axis=0)).all()
            assert (found.maximum == whole.max(axis=0)).all()
            assert found.count == len(whole)


def test_merging_leaves_the_other_as_it_was() -> None:
    first, second = MomentsAccumulator(), MomentsAccumulator()
    second.update(np.random.default_rng(0).random((9, 2)))
    before = second.result()
    first.merge(second)
    first.update(np.ones((4, 2)))
    after = second.result()
    assert (before.scatter == after.scatter).all()
    assert (before.mean == after.mean).all()


@pytest.mark.parametrize("shape", ["scalar", "diagonal", "full"])
def test_through_an_affine_map(shape: str) -> None:
    """Statistics of y = A(x) follow from those of x as if y had been measured."""
    random = np.random.default_rng(7)
    x = 100 + random.random((500, 4))
    matrix = {
        "scalar": np.asarray(-2.0),
        "diagonal": np.array([1.0, -3.0, 0.0, 0.5]),
        "full": random.random((4, 3)),
    }
    affine = AffineMap.make(matrix[shape], random.random(4), random.random())
    followed, y = moments(x).through(affine), affine(x)
    measured = moments(y)
    np.testing.assert_allclose(followed.mean, y.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(followed.scatter, measured.scatter, rtol=1e-9, atol=1e-10)
    extrema = ExtremaAccumulator()
    extrema.update(x)
    if shape == "full":
        with pytest.raises(ValueError, match=r"^extrema do not follow through a map that mixes bands$"):
            extrema.result().through(affine)
    else:
        ends = extrema.result().through(affine)
        np.testing.assert_allclose(ends.minimum, y.min(axis=0), rtol=1e-13)
        np.testing.assert_allclose(ends.maximum, y.max(axis=0), rtol=1e-13)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_pixels_that_are_not_finite(value: float, dtype: type) -> None:
    """One bad band takes the whole pixel out of every statistic, and is counted."""
    random = np.random.default_rng(3)
    x = random.random((block_pixels(4) + 50, 4)).astype(dtype)
    bad = random.choice(len(x), 17, replace=False)
    x[bad, random.integers(0, 4, 17)] = value
    good = np.delete(x, bad, axis=0)
    for accumulator in (MomentsAccumulator(), ExtremaAccumulator()):
        accumulator.update(x)
        assert accumulator.excluded == 17
        assert accumulator.count == len(good)
        if isinstance(accumulator, MomentsAccumulator):
            assert_moments(accumulator.result(), good)
        else:
            assert (accumulator.result().maximum == good.max(axis=0)).all()


def test_opposite_infinities_do_not_hide_each_other() -> None:
    x = np.ones((3, 2))
    x[0, 0], x[1, 1] = np.inf, -np.inf
    kept, excluded = finite_pixels(x)
    assert (kept.tolist(), excluded) == ([[1.0, 1.0]], 2)


def test_large_finite_values_stay() -> None:
    """A sum that overflows says nothing about its terms."""
    x = np.full((3, 2), 1e308)
    assert finite_pixels(x)[1] == 0


@pytest.mark.parametrize("make", [MomentsAccumulator, ExtremaAccumulator])
def test_nothing_measured(make: Any) -> None:
    accumulator = make()
    accumulator.update(np.full((3, 2), np.nan))
    accumulator.merge(make())
    assert accumulator.excluded == 3
    with pytest.raises(NoPixels):
        accumulator.result()


def test_small_eigenvalues_survive() -> None:
    """Covariances of condition 1e8 keep their smallest eigenvalue, on which an anomaly score rests."""
    random = np.random.default_rng(5)
    axes, _ = np.linalg.qr(random.standard_normal((30, 30)))
    deviations = np.geomspace(1e4, 1.0, 30)
    whitened = random.standard_normal((9000, 30))
    whitened = np.linalg.solve(np.linalg.cholesky(np.cov(whitened, rowvar=False)), whitened.T).T
    x = 5e3 + (whitened * deviations) @ axes.T
    found = np.linalg.eigvalsh(moments(x).covariance)
    np.testing.assert_allclose(found, np.sort(deviations**2), rtol=1e-6)


def test_the_first_block_may_be_unlike_the_rest() -> None:
    """The pilot shift of a dark first block does not cost the accuracy of a bright scene."""
    random = np.random.default_rng(6)
    x = np.concatenate([np.zeros((1, 3)), 1e4 + random.standard_normal((block_pixels(3) * 2, 3))])
    accumulator = MomentsAccumulator()
    accumulator.update(x[:1])
    accumulator.update(x[1:])
    assert_moments(accumulator.result(), x, rtol=1e-9)
