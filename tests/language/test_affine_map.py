"""Affine maps of every form do what the dense matrix does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.language.affine import AffineMap, concatenated

BANDS = 4
FORMS = ("scalar", "diagonal", "full", "narrow")


def dense(affine: AffineMap, bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrix M and vector v with affine(x) = x M + v, written out from the definition."""
    matrix = affine.matrix if affine.matrix.ndim == 2 else np.diag(np.broadcast_to(affine.matrix, (bands,)))
    center = np.broadcast_to(affine.center, (bands,))
    return matrix, affine.offset - center @ matrix


@st.composite
def maps(draw: st.DrawFn, bands: int = BANDS, forms: tuple[str, ...] = FORMS) -> AffineMap:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    form = draw(st.sampled_from(forms))
    width = {"narrow": 2}.get(form, bands)
    shape = {"scalar": (), "diagonal": (bands,)}.get(form, (bands, width))
    center = draw(st.sampled_from([(), (1,), (bands,)]))
    offset = draw(st.sampled_from([(), (1,), (width,)]))
    parts = (random.standard_normal(size) + 2 * (size == ()) for size in (shape, center, offset))
    return AffineMap.make(*parts)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def pixels(bands: int = BANDS) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, 5, bands))


@given(maps())
def test_application(affine: AffineMap) -> None:
    matrix, offset = dense(affine, BANDS)
    assert_same(affine(pixels()), pixels() @ matrix + offset)
    assert_same(affine.linear(pixels()), pixels() @ matrix)


@given(st.data())
def test_composition(data: st.DataObject) -> None:
    """``a.then(b)`` is b after a, for every pair of forms, and stays centred where a is."""
    first = data.draw(maps())
    width = first.matrix.shape[1] if first.matrix.ndim == 2 else BANDS
    second = data.draw(maps(width, ("scalar", "diagonal", "full")))
    composed = first.then(second)
    (a, u), (b, v) = dense(first, BANDS), dense(second, width)
    assert_same(composed(pixels()), pixels() @ (a @ b) + (u @ b + v))
    assert_same(np.broadcast_to(composed.center, (BANDS,)), np.broadcast_to(first.center, (BANDS,)))


@given(maps(), st.integers(0, 2**32))
def test_another_center_is_the_same_map(affine: AffineMap, seed: int) -> None:
    center = np.random.default_rng(seed).standard_normal(BANDS)
    moved = affine.recentered(center)
    assert_same(moved(pixels()), affine(pixels()))
    assert (moved.center == center).all()


@given(st.lists(maps(), min_size=1, max_size=4))
def test_concatenation(parts: list[AffineMap]) -> None:
    """Maps of one value, side by side, are one full map."""
    widths = [part.matrix.shape[1] if part.matrix.ndim == 2 else BANDS for part in parts]
    joined = concatenated([(part, BANDS, width) for part, width in zip(parts, widths, strict=True)])
    assert_same(joined(pixels()), np.concatenate([part(pixels()) for part in parts], axis=-1))


def test_a_chain_keeps_small_differences_around_a_large_offset() -> None:
    """Data around 1e8 with a spread of 1e-3 survive a chain: the large centre never meets the large gain."""
    center, spread = 1e8, 2.0**-10
    x = center + spread * np.arange(8.0)[:, None]
    first = AffineMap.make(np.array([1 / spread]), np.array([center]))
    composed = first.then(AffineMap.make(np.full((1, 2), 3.0), np.array([3.5])))
    assert (composed(x) == ((np.arange(8.0) - 3.5) * 3.0)[:, None].repeat(2, axis=1)).all()


@pytest.mark.parametrize("form", ["scalar", "diagonal", "full"])
def test_everything_is_float64(form: str) -> None:
    shape = {"scalar": (), "diagonal": (2,), "full": (2, 2)}[form]
    affine = AffineMap.make(np.ones(shape, np.float32), 1, [2, 3])
    assert {part.dtype for part in (affine.matrix, affine.center, affine.offset)} == {np.dtype(np.float64)}
    assert affine.elementwise == (form != "full")
