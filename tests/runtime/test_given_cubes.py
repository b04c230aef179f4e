"""`graph(cube)` takes arrays as NumPy and Spectral Python hand them out, and computes of them what it always does."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cuvisc import Graph
from cuvisc.nodes import RXPerBatch
from cuvisc.schema.errors import DataError

CUBE = np.random.default_rng(0).integers(0, 60000, (2, 9, 8, 3)).astype("u2")


def rx_scores(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Squared Mahalanobis distances of [H,W,C] to the image's own pixels, without ridge."""
    spectra = image.reshape(-1, image.shape[-1]).astype("f8")
    away = spectra - spectra.mean(axis=0)
    inverse = np.linalg.inv(np.cov(spectra, rowvar=False))
    return np.einsum("ij,jk,ik->i", away, inverse, away).reshape(image.shape[:2])


def on_disk(cube: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    np.save("cube.npy", cube)
    return np.asarray(np.load("cube.npy", mmap_mode="r"))


@pytest.fixture
def graph() -> Graph:
    graph = Graph("given")
    graph.add_node(RXPerBatch())
    return graph


@pytest.mark.parametrize(
    "made",
    [
        lambda cube: cube.astype(">u2"),
        lambda cube: cube.astype(">f4"),
        lambda cube: cube[:, ::-1],
        lambda cube: cube[:, :, ::-1],
        lambda cube: np.asfortranarray(cube),
        on_disk,
        lambda cube: cube.tolist(),
    ],
    ids=[
        "big-endian",
        "big-endian floats",
        "rows reversed",
        "columns reversed",
        "Fortran",
        "read-only",
        "list",
    ],
)
def test_any_array_of_numbers_is_computed(
    graph: Graph, made: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cube = made(CUBE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores, _, _ = graph(cube)
    for image, found in zip(np.asarray(cube), scores, strict=True):
        np.testing.assert_allclose(found[..., 0].numpy(), rx_scores(image), rtol=1e-4)


@pytest.mark.parametrize(
    ("cube", "found"),
    [
        ("scene.npy", "str"),
        (None, "NoneType"),
        (CUBE.astype("c8"), "an array of complex64"),
        (CUBE.astype("O"), "an array of object"),
        ([[1.0, 2.0], [3.0]], "list"),
    ],
)
def test_what_is_no_array_of_numbers_is_said_so(graph: Graph, cube: Any, found: str) -> None:
    with pytest.raises(DataError) as caught:
        graph(cube)
    assert str(caught.value) == f"a batch of cubes is an array of real numbers [B,H,W,C], got {found}"


def test_a_tensor_keeps_its_gradient(graph: Graph) -> None:
    cube = torch.from_numpy(CUBE.astype("f4")).requires_grad_()
    assert graph(cube)[0].requires_grad
