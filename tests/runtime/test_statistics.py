"""Phase 1: what the planned passes fit is what the definition says, however the data arrives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import fit_module, typed
from hypothesis import given
from hypothesis import strategies as st
from memory_data import ANOMALY, FROZEN, scene
from sklearn.decomposition import PCA

from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.compiler.plan import Share, plan_statistics
from cuvisc.language.declare import In, Out
from cuvisc.language.node import Node
from cuvisc.runtime.statistics import Fit, fit_statistics
from cuvisc.schema.errors import DataError

JOINED = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 2, parent: normalizer}
  both: {type: StandardNormalizer, parent: [pca, normalizer]}
  few: {type: TrainablePCA, n_components: 2, parent: both}
  rx: {type: RXGlobal, parent: pca}
  mixed: {type: MinMaxNormalizer, per_channel: true, parent: [rx, both]}
  last: {type: TrainablePCA, n_components: 2, parent: mixed}
graph: {outputs: [few, last]}
"""


MARKED = (
    "nodata: {type: NoDataMask, nodata: -1.7976931348623157e308}, rx: {type: RXGlobal, parent: nodata.marked}"
)


class Vast(Node):
    """Further away than float64 has squares of."""

    cube = In("float32[B,H,W,C]", "spectra")
    far = Out("float32[B,H,W,C]", "far ones")

    def forward(self, cube: torch.Tensor) -> torch.Tensor:
        return cube * 1e200


def fit(text: str, batches: list[np.ndarray]) -> tuple[CompiledGraph, Fit]:
    module = build_module(typed(text))
    loader = [{"cube": torch.from_numpy(batch)} for batch in batches]
    return module, fit_statistics(module, plan_statistics(module.graph), lambda: loader)


def state(module: CompiledGraph) -> dict[str, np.ndarray]:
    return {name: value.double().numpy() for name, value in module.nodes.state_dict().items()}


def assert_same_state(one: CompiledGraph, other: CompiledGraph, rtol: float) -> None:
    found, wanted = state(one), state(other)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(
            found[name], value, rtol=rtol, atol=max(1e-12, rtol * np.abs(value).max()), err_msg=name
        )


@pytest.mark.parametrize("text", [ANOMALY, JOINED], ids=["anomaly", "joined"])
def test_the_plan_fits_what_measuring_every_node_by_itself_fits(text: str) -> None:
    cubes, _ = scene()
    module, _ = fit(text, [cubes])
    oracle = build_module(typed(text))
    oracle.bind(cubes.shape[-1])
    fit_module(oracle, cubes)
    assert_same_state(module, oracle, 1e-4)


def test_pca_and_rx_agree_with_scikit_learn_and_numpy() -> None:
    cubes, _ = scene()
    module, done = fit(ANOMALY, [cubes])
    pixels = cubes.reshape(-1, cubes.shape[-1]).astype(np.float64)
    scaled = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    reference = PCA(3).fit(scaled)
    components = module.node("pca").state_values()["components"].double().numpy()
    np.testing.assert_allclose(np.abs(components @ reference.components_.T), np.eye(3), atol=1e-5)
    np.testing.assert_allclose(
        done.nodes["pca"]["explained_variance_ratio"], reference.explained_variance_ratio_
    )
    projected = (scaled - scaled.mean(0)) @ components.T
    inverse = np.linalg.inv(np.cov(projected.T))
    scores = np.einsum("ni,ij,nj->n", projected, inverse, projected)
    values = module(torch.from_numpy(cubes))
    np.testing.assert_allclose(values["rx.scores"].numpy().reshape(-1), scores, rtol=1e-3)
    bias = done.nodes["head"]["bias"]
    np.testing.assert_allclose(bias, scores.mean() + 2 * scores.std(ddof=1), rtol=1e-4)


@given(cuts=st.lists(st.integers(1, 4), min_size=0, max_size=3, unique=True))
def test_it_does_not_matter_how_the_data_is_cut_into_batches(cuts: list[int]) -> None:
    cubes, _ = scene(size=6)
    whole, _ = fit(ANOMALY, [cubes])
    parts, _ = fit(ANOMALY, np.split(cubes, sorted(cuts)))
    assert_same_state(parts, whole, 1e-6)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_the_profile_is_of_the_cube_in_its_own_dtype(dtype: str) -> None:
    cubes, _ = scene(dtype=dtype)
    _, done = fit(ANOMALY, [cubes])
    pixels = cubes.reshape(-1, cubes.shape[-1]).astype(np.float64)
    assert done.profile.dtype == dtype
    assert done.profile.sample.dtype == cubes.dtype
    np.testing.assert_array_equal(done.profile.extrema.minimum, pixels.min(0))
    np.testing.assert_array_equal(done.profile.extrema.maximum, pixels.max(0))
    np.testing.assert_allclose(done.profile.moments.mean, pixels.mean(0))
    np.testing.assert_allclose(done.profile.moments.covariance, np.cov(pixels.T))


@pytest.mark.filterwarnings("error")
def test_numbers_whose_squares_overflow_are_refused() -> None:
    graph = typed("nodes: {vast: {type: Vast}, rx: {type: RXGlobal}}", [Vast])
    cubes = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 8, 8, 3)))
    with pytest.raises(DataError) as caught:
        fit_statistics(
            build_module(graph, {"vast": Vast()}), plan_statistics(graph), lambda: [{"cube": cubes}]
        )
    assert str(caught.value) == (
        "pixels of `vast.far` hold numbers so large that their squares overflow float64; scale the data, or mark a "
        "number that stands for no data with NoDataMask"
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ["rx: {type: RXGlobal}", MARKED], ids=["alone", "marked"])
@pytest.mark.parametrize("value", [1e39, -np.finfo(np.float64).max])
def test_what_float32_cannot_hold_is_not_finite(text: str, value: float) -> None:
    """Float64 fill values, such as -1.8e308, take no part in phase 1, as in the float32 of an exported model."""
    cubes = scene(dtype="float64")[0]
    cubes[0, 3, 4] = cubes[1, 2, 2, 1] = value
    module, done = fit(f"nodes: {{{text}}}", [cubes])
    pixels = cubes.reshape(-1, cubes.shape[-1])
    known = pixels[(np.abs(pixels) < 1e38).all(axis=1)]
    assert done.profile.excluded == 2
    np.testing.assert_array_equal(done.profile.extrema.maximum, known.max(0))
    np.testing.assert_allclose(state(module)["rx.mu"], known.mean(0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_measured_and_exported_as_float32(dtype: str) -> None:
    cubes = torch.from_numpy(scene(dtype="float32")[0]).to(getattr(torch, dtype))
    module = build_module(typed(ANOMALY))
    done = fit_statistics(module, plan_statistics(module.graph), lambda: [{"cube": cubes}])
    pixels = cubes.double().reshape(-1, cubes.shape[-1]).numpy()
    assert (done.profile.dtype, done.profile.sample.dtype) == ("float32", np.float32)
    np.testing.assert_allclose(done.profile.moments.mean, pixels.mean(0))
    np.testing.assert_allclose(done.profile.moments.covariance, np.cov(pixels.T))


@pytest.mark.parametrize(
    ("dtype", "offset", "warned"), [("int32", 1e9, True), ("int32", 1e5, False), ("float32", 1e9, False)]
)
def test_what_float32_cannot_tell_apart_is_said(
    caplog: pytest.LogCaptureFixture, dtype: str, offset: float, warned: bool
) -> None:
    """Rounded to float32, whose numbers are 64 apart around 1e9, such spectra are not those that were trained on."""
    cubes = np.random.default_rng(0).normal(0, 300, (1, 20, 20, 3))
    cubes = (cubes + np.array([offset, 0, 0])).astype(dtype)
    with caplog.at_level(logging.WARNING, "cuvisc"):
        fit("nodes: {rx: {type: RXGlobal}}", [cubes])
    mean, deviation = cubes[..., 0].mean(dtype=np.float64), cubes[..., 0].std(dtype=np.float64, ddof=1)
    words = (
        "1 of 3 bands vary too little around their mean for float32, which exported models read: band 0 by "
        f"{deviation:.3g} around {mean:.10g}, where float32 steps by 64; take an offset off the data before it is "
        "trained on"
    )
    assert caplog.messages == [words] * warned


def test_a_graph_that_fits_nothing_is_still_given_a_profile() -> None:
    cubes, _ = scene()
    _, done = fit("nodes: {same: {type: IdentityNormalizer}}", [cubes])
    assert done.nodes == {}
    assert done.profile.moments.count == cubes[..., 0].size
    assert done.passes == ("no pass over the training data: nothing has to be fitted",)


def test_every_batch_is_read_once_in_every_pass() -> None:
    cubes, _ = scene()
    module = build_module(typed(ANOMALY))
    read = 0

    def loader() -> object:
        nonlocal read
        for cube in cubes:
            read += 1
            yield {"cube": torch.from_numpy(cube[None])}

    plan = plan_statistics(module.graph)
    fit_statistics(module, plan, loader)
    assert read == len(plan.passes) * len(cubes) == 2 * len(cubes)


@pytest.mark.parametrize("text", [ANOMALY, JOINED], ids=["anomaly", "joined"])
def test_a_stride_fits_what_the_pixels_it_leaves_fit(text: str) -> None:
    cubes, _ = scene()
    module = build_module(typed(text))
    batches = [{"cube": torch.from_numpy(cube[None])} for cube in cubes]
    done = fit_statistics(module, plan_statistics(module.graph, Share(stride=3)), lambda: batches)
    few, _ = fit(text, [cubes[:, ::3, ::3]])
    assert done.profile.moments.count == cubes[:, ::3, ::3, 0].size
    assert all("one row and column in 3" in line for line in done.passes)
    assert_same_state(module, few, 1e-6)


def test_what_a_reader_raises_ends_the_pass_and_its_thread() -> None:
    cubes, _ = scene()
    module = build_module(typed(ANOMALY))

    def batches() -> Iterator[Any]:
        yield {"cube": torch.from_numpy(cubes)}
        raise DataError("cut short")

    with pytest.raises(DataError, match=r"^cut short$"):
        fit_statistics(module, plan_statistics(module.graph), batches)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cuvisc")]


def test_the_sample_is_of_real_pixels_spread_over_all_images() -> None:
    cubes, _ = scene(images=8, size=20)
    _, done = fit(ANOMALY, list(cubes[:, None]))
    pixels = {bytes(pixel) for pixel in cubes.reshape(-1, cubes.shape[-1])}
    assert done.profile.sample.shape == (1024, cubes.shape[-1])
    assert all(bytes(pixel) in pixels for pixel in done.profile.sample)
    per_image = [
        sum(bytes(p) in {bytes(q) for q in image.reshape(-1, image.shape[-1])} for p in done.profile.sample)
        for image in cubes
    ]
    assert min(per_image) > 80
    _, again = fit(ANOMALY, list(cubes[:, None]))
    np.testing.assert_array_equal(again.profile.sample, done.profile.sample)


def test_pixels_that_are_not_finite_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    cubes, _ = scene(dtype="float32")
    clean = cubes.reshape(-1, cubes.shape[-1])[7:]
    cubes.reshape(-1, cubes.shape[-1])[:7, 2] = np.nan
    with caplog.at_level(logging.WARNING, "cuvisc"):
        module, done = fit(ANOMALY, [cubes])
    assert caplog.messages == [
        "7 of 720 training pixels have no data or a band that is not finite; statistics leave them out"
    ]
    without, _ = fit(ANOMALY, [clean[None, None]])
    assert_same_state(module, without, 1e-6)
    assert done.profile.excluded == 7
    assert np.isfinite(done.profile.sample).all()


@pytest.mark.parametrize(("count", "told"), [(180, True), (7, False)])
def test_a_number_in_every_band_of_many_pixels_is_doubted(
    caplog: pytest.LogCaptureFixture, count: int, told: bool
) -> None:
    """Unless few have it, or the graph marks it."""
    cubes, _ = scene(dtype="float32")
    cubes.reshape(-1, cubes.shape[-1])[:count] = -9999
    masked = FROZEN.replace("nodes:", "nodes:\n  filled: {type: NoDataMask, nodata: -9999}")
    with caplog.at_level(logging.WARNING, "cuvisc"):
        fit(FROZEN, [cubes])
        doubts = list(caplog.messages)
        fit(masked, [cubes])
    words = (
        "some 25.0% of the training pixels hold -9999 in every band; "
        "if that stands for no data, add NoDataMask {nodata: -9999}"
    )
    assert doubts == ([words] if told else [])
    assert words not in caplog.messages[len(doubts) :]


def test_data_that_cannot_be_fitted_names_the_node_and_its_place() -> None:
    cubes = np.full((1, 4, 4, 6), 3, np.uint16)
    text = "nodes:\n  rx: {type: RXGlobal}\n"
    with pytest.raises(DataError) as caught:
        fit(text, [cubes])
    assert str(caught.value) == (
        "graph.yaml:2:3: `nodes.rx` (RXGlobal): the background does not vary at all: "
        "every training pixel has the same spectrum"
    )


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "the training data is empty: there is no pixel to take statistics from"),
        (
            [np.full((1, 2, 2, 6), np.nan, np.float32)],
            "all 4 training pixels have a band that is not finite; there is nothing to take statistics from",
        ),
        (
            [np.zeros((1, 2, 2, 6), np.float32), np.zeros((1, 2, 2, 5), np.float32)],
            "the cube has 5 bands, but the graph was built for 6",
        ),
    ],
    ids=["no batch", "no finite pixel", "another number of bands"],
)
def test_data_without_pixels_is_refused(batches: list[np.ndarray], message: str) -> None:
    with pytest.raises(DataError) as caught:
        fit("nodes: {rx: {type: RXGlobal}}", batches)
    assert str(caught.value) == message


class Doubled(Node):
    """Twice the cube and one more, in plain torch.

    y = 2 x + 1
    """

    cube = In("float32[B,H,W,C]", "spectra")
    doubled = Out("float32[B,H,W,C]", "twice the spectra")
    mapping = "diagonal"

    def forward(self, cube: torch.Tensor) -> torch.Tensor:
        return cube * 2 + 1


def test_statistics_are_carried_through_a_declared_map_of_plain_torch() -> None:
    cubes, _ = scene()
    text = "nodes: {first: {type: IdentityNormalizer}, n: {type: MinMaxNormalizer}, rx: {type: RXGlobal}}"
    module = build_module(typed(text), {"first": Doubled()})
    loader = [{"cube": torch.from_numpy(cubes)}]
    plan = plan_statistics(module.graph)
    assert len(plan.passes) == 1
    fit_statistics(module, plan, lambda: loader)
    oracle = build_module(typed(text), {"first": Doubled()})
    oracle.bind(cubes.shape[-1])
    fit_module(oracle, cubes)
    assert_same_state(module, oracle, 1e-6)
