"""The predictor computes what NumPy computes, for any numeric cube, and refuses what it cannot trust."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from fitted_graphs import fitted, spectra
from hypothesis import given, settings
from hypothesis import strategies as st
from small_artifacts import THRESHOLD, SmallArtifact, small_model, write_artifact

from cuvisc.runtime import session
from cuvisc.runtime.artifact import Artifact
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.export import Source, export
from cuvisc.runtime.inference import Predictor, find_non_finite
from cuvisc.runtime.prediction import predict_file
from cuvisc.schema.errors import DataError, DeviceError, SpecError, VerificationError

NUMERIC = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">i4", ">f4", ">f8"]
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}


def cube_of(shape: tuple[int, ...], dtype: str = "u2", seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 120, shape).astype(dtype)


@pytest.mark.parametrize("dtype", NUMERIC)
def test_every_numeric_dtype_and_byte_order_is_accepted_as_it_is(small: SmallArtifact, dtype: str) -> None:
    cube = cube_of((2, 5, 7, 5), dtype)
    outputs = Predictor(small.folder).predict(cube)
    np.testing.assert_allclose(outputs["rx.scores"], small.scores(cube), **TOLERANCE)
    np.testing.assert_array_equal(outputs["decider.decisions"], outputs["rx.scores"] >= THRESHOLD)
    assert outputs["rx.scores"].dtype == np.float32
    assert outputs["decider.decisions"].dtype == bool


@pytest.mark.parametrize(
    "lay_out",
    [np.asfortranarray, lambda cube: cube[::2, ::-1], lambda cube: np.moveaxis(cube.copy(), 0, 1)],
)
def test_memory_layout_does_not_matter(small: SmallArtifact, lay_out: Any) -> None:
    cube = lay_out(cube_of((30, 40, 5)))
    scores = Predictor(small.folder).predict(cube)["rx.scores"]
    np.testing.assert_allclose(scores, small.scores(cube), **TOLERANCE)


@pytest.mark.parametrize("shape", [(6, 7, 5), (3, 6, 7, 5), (11, 5), (1, 1, 1, 5)])
def test_outputs_have_the_axes_of_the_cube(small: SmallArtifact, shape: tuple[int, ...]) -> None:
    scores = Predictor(small.folder).predict(cube_of(shape))["rx.scores"]
    assert scores.shape == (*shape[:-1], 1)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 9)),
    pixels=st.integers(1, 60),
)
@settings(max_examples=40)
def test_blocks_give_the_bits_of_the_whole_image(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], pixels: int
) -> None:
    folder = tmp_path_factory.mktemp("blocks") / "artifact"
    predictor = Predictor(write_artifact(folder).folder, threads=1)
    cube = cube_of((*shape, 5))
    predictor._block_pixels = lambda source: shape[1] * shape[2]  # type: ignore[method-assign]
    whole = predictor.predict(cube)
    predictor._block_pixels = lambda source: pixels  # type: ignore[method-assign]
    for name, values in predictor.predict(cube).items():
        np.testing.assert_array_equal(values, whole[name])


def test_graphs_that_look_at_whole_images_get_whole_images(tmp_path: Path) -> None:
    predictor = Predictor(write_artifact(tmp_path / "artifact", pixelwise=False).folder)
    source = CubeSource.of(cube_of((2, 100, 200, 5)))
    assert [block.pixels for block, _, _ in predictor.run(source)] == [20000, 20000]


def test_a_pixel_with_a_nan_band_has_no_score_and_is_not_decided_for(small: SmallArtifact) -> None:
    cube = cube_of((4, 4, 5), "f4")
    cube[1, 2, 3] = np.nan
    outputs = Predictor(small.folder).predict(cube, {"decider": -1.0})
    nan = np.zeros((4, 4, 1), bool)
    nan[1, 2] = True
    np.testing.assert_array_equal(np.isnan(outputs["rx.scores"]), nan)
    np.testing.assert_array_equal(outputs["decider.decisions"], ~nan)


def test_pixels_that_are_not_finite_are_counted_exactly() -> None:
    spectra = np.full((3, 4, 5), np.float32(3e38))
    assert np.count_nonzero(find_non_finite(spectra)) == 0
    spectra[0, 0, 0], spectra[0, 0, 1], spectra[2, 3, 4] = np.inf, -np.inf, np.nan
    assert np.count_nonzero(find_non_finite(spectra)) == 2
    assert np.count_nonzero(find_non_finite(cube_of((3, 4, 5)))) == 0


@pytest.mark.parametrize("name", ["decider", "decider.threshold", "decider.decisions"])
def test_a_threshold_can_be_moved(small: SmallArtifact, name: str) -> None:
    cube = cube_of((9, 9, 5))
    outputs = Predictor(small.folder).predict(cube, {name: 1.0})
    np.testing.assert_array_equal(outputs["decider.decisions"], outputs["rx.scores"] >= 1.0)


def test_an_unknown_threshold_is_answered_with_the_known_ones(small: SmallArtifact) -> None:
    with pytest.raises(SpecError) as caught:
        Predictor(small.folder).predict(cube_of((2, 2, 5)), {"decidr": 1.0})
    assert str(caught.value) == "`small` has no threshold `decidr`; it has `decider`. did you mean `decider`?"


def test_a_cube_with_other_bands_is_refused_with_both_numbers(small: SmallArtifact) -> None:
    with pytest.raises(DataError) as caught:
        Predictor(small.folder).predict(cube_of((4, 4, 6)))
    assert str(caught.value) == "the cube has 6 bands, its shape is (4, 4, 6); `small` was trained on 5"


@pytest.mark.parametrize("offset", [0, 100, -1])
def test_a_model_with_one_flipped_bit_never_reaches_onnxruntime(
    small: SmallArtifact, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    path = small.folder / "model.onnx"
    model = bytearray(path.read_bytes())
    model[offset] ^= 1
    path.write_bytes(model)
    monkeypatch.setattr("cuvisc.runtime.inference.open_session", lambda *_: pytest.fail("session was made"))
    with pytest.raises(VerificationError, match=r"model\.onnx is not the file that was exported"):
        Predictor(small.folder)


def test_a_model_that_keeps_data_in_other_files_is_refused(small: SmallArtifact) -> None:
    model = small_model(small.mean, small.matrix, "uint16", True)
    onnx.external_data_helper.convert_model_to_external_data(model, location="../secret", size_threshold=0)
    small.replace("model.onnx", model.SerializeToString())
    with pytest.raises(VerificationError) as caught:
        Predictor(small.folder)
    path = small.folder / "model.onnx"
    assert str(caught.value) == f"{path} keeps data in other files, which are never read"


def test_bytes_that_are_no_model_are_refused(small: SmallArtifact) -> None:
    small.replace("model.onnx", b"no model")
    with pytest.raises(VerificationError) as caught:
        Predictor(small.folder)
    assert str(caught.value) == f"{small.folder / 'model.onnx'} is not an ONNX model"


def test_a_manifest_that_misstates_the_dtype_is_refused(small: SmallArtifact) -> None:
    small.rewrite(lambda manifest: manifest["input"].update(dtype="int16"))
    with pytest.raises(VerificationError) as caught:
        Predictor(small.folder)
    path = small.folder / "model.onnx"
    assert str(caught.value) == f"{path}: the input `cube` is not int16, as the manifest says"


def test_a_manifest_that_misstates_the_outputs_is_refused(small: SmallArtifact) -> None:
    small.rewrite(lambda manifest: manifest["outputs"].pop())
    with pytest.raises(VerificationError) as caught:
        Predictor(small.folder)
    path = small.folder / "model.onnx"
    assert str(caught.value) == f"{path} returns rx.scores, decider.decisions; the manifest says rx.scores"


@pytest.mark.parametrize(("device", "provider"), [("cuda", session.CUDA), ("tensorrt", session.TENSORRT)])
def test_a_device_that_is_not_there_is_an_error_that_names_the_provider(
    small: SmallArtifact, monkeypatch: pytest.MonkeyPatch, device: str, provider: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.CPU])
    with pytest.raises(DeviceError) as caught:
        Predictor(small.folder, device=device)
    assert str(caught.value) == (
        f"--device {device}: the installed onnxruntime {onnxruntime.__version__} has no {provider} "
        "(it has CPUExecutionProvider); with an NVIDIA GPU: pip uninstall onnxruntime, then pip install 'cuvisc[gpu]'"
    )


def test_a_gpu_build_without_its_libraries_names_what_the_linker_misses(
    small: SmallArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.CUDA, session.CPU])
    missing = "libcublasLt.so.13: cannot open shared object file: No such file or directory"
    monkeypatch.setattr(session, "_missing_library", lambda runtime, provider: missing)
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    reason = f"CUDAExecutionProvider cannot start: {missing}; install CUDA 13.0 and cuDNN"
    with pytest.raises(DeviceError) as caught:
        Predictor(small.folder, device="cuda")
    assert str(caught.value) == f"--device cuda: {reason}"
    predictor = Predictor(small.folder, device="auto")
    assert (predictor.provider, predictor.passed_over) == (session.CPU, reason)


def test_auto_takes_the_cpu_where_there_is_nothing_else(
    small: SmallArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [session.CPU])
    predictor = Predictor(small.folder, device="auto")
    assert (predictor.provider, predictor.passed_over) == (session.CPU, "")


def test_without_onnxruntime_the_answer_is_what_to_install(
    small: SmallArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError) as caught:
        Predictor(small.folder)
    assert str(caught.value) == (
        "onnxruntime is not installed: pip install 'cuvisc[cpu]', or 'cuvisc[gpu]' for an NVIDIA GPU"
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_prediction_takes_memory_for_some_blocks_not_for_the_cube(
    tmp_path: Path, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cuvisc.runtime.lanes._GROUP_BYTES", 2**19)
    monkeypatch.setattr("cuvisc.runtime.data.raw_file.RUN_BYTES", 2**19)
    small = write_artifact(tmp_path / "artifact", bands=50)
    cube = cube_of((200, 1000, 50))
    save(tmp_path / "scene.npz", cube=cube)
    predictor = Predictor(small.folder)
    predictor._block_pixels = lambda source: 2048  # type: ignore[method-assign]
    tracemalloc.start()
    with CubeSource.open(tmp_path / "scene.npz") as source:
        predict_file(predictor, source, tmp_path / "out.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < cube.nbytes / 4
    with np.load(tmp_path / "out.npz") as written:
        np.testing.assert_allclose(written["rx.scores"], small.scores(cube), **TOLERANCE)


def test_the_predictor_never_imports_torch_lightning_or_onnx(small: SmallArtifact, tmp_path: Path) -> None:
    np.savez(tmp_path / "scene.npz", cube=cube_of((4, 4, 5)), mask=np.eye(4))
    code = f"""
import sys
from cuvisc.cli.app import main
for argv in (["predict", {str(small.folder)!r}, {str(tmp_path / "scene.npz")!r}, "-o", {str(tmp_path / "o.npz")!r}],
             ["evaluate", {str(small.folder)!r}, {str(tmp_path / "scene.npz")!r}]):
    sys.argv = ["cuvisc", *argv]
    try:
        main()
    except SystemExit as left:
        assert not left.code, left.code
loaded = {{name.partition(".")[0] for name in sys.modules}}
assert "onnxruntime" in loaded
print(sorted(loaded & {{"torch", "lightning", "onnx", "matplotlib", "hydra"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_band_that_is_not_finite_is_never_decided_for(value: float, tmp_path: Path) -> None:
    """Its scores are not a number; 1e300 is infinite in the float32 that models compute in."""
    cube = spectra(1, 12, 12, 5, seed="infinite").astype(np.float64)
    text = (
        "nodes: {rx: {type: RXGlobal}, d: {type: BinaryDecider, threshold: 1.0}, n: {type: IdentityNormalizer, parent: "
        "input}}\ngraph: {outputs: [rx, d, n]}"
    )
    module = fitted(text, cube)
    export(Source(module, "0" * 64, "float64", cube.reshape(-1, 5)), tmp_path / "artifact")
    cube[0, 3, 4, 2] = value
    outputs = Predictor(Artifact.open(tmp_path / "artifact")).predict(cube)
    lost = np.isnan(outputs["rx.scores"][..., 0])
    assert np.argwhere(lost).tolist() == [[0, 3, 4]]
    assert np.argwhere(np.isnan(outputs["n.normalized"]).all(axis=-1)).tolist() == [[0, 3, 4]]
    assert not outputs["d.decisions"][0, 3, 4, 0]


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_bound_inputs_and_outputs_give_the_bits_of_a_plain_run(small: SmallArtifact, dtype: str) -> None:
    predictor = Predictor(small.folder)
    cube = cube_of((1, 5, 7, 5), dtype)
    predictor.predict(cube)
    held = predictor._session
    (threshold,) = held.get_overridable_initializers()
    feeds = {"cube": cube, threshold.name: np.full(threshold.shape, 2.0, np.float32)}
    for bound, plain in zip(session.run_bound(held, feeds), held.run(None, feeds), strict=True):
        np.testing.assert_array_equal(bound, plain)
