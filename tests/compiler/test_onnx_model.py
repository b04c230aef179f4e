"""The ONNX model: valid, deterministic, in the user's names, dynamic where it says so, adjustable where promised."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from fitted_graphs import CHAIN, fitted, moments, run_onnx, spectra

from cuvisc.compiler.backends.onnx_model import ELEMENT_TYPES, OnnxModel, generate_onnx
from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.ir import Program
from cuvisc.compiler.lowering import lower

CUBE = spectra(2, 14, 15, 7, seed="onnx", dtype="uint16")
GRAPHS = {
    "chain": CHAIN,
    "rx": "nodes: {rx: {type: RXGlobal}}",
    "pca": "nodes: {pca: {type: TrainablePCA, n_components: 2, whiten: true}}",
    "identity": "nodes: {n: {type: IdentityNormalizer}}",
    "two names for one value": """
        nodes: {a: {type: IdentityNormalizer}, b: {type: IdentityNormalizer}}
        graph: {outputs: [a, b]}
        """,
    "everything shown": CHAIN.replace(
        "[rx.scores, decider.decisions]", "[normalizer, pca, rx, head, decider]"
    ),
    "branches": """
        nodes:
          normalizer: {type: MinMaxNormalizer, per_channel: true}
          pca: {type: TrainablePCA, n_components: 2, parent: normalizer}
          z: {type: StandardNormalizer, parent: normalizer}
          rx: {type: RXGlobal, parent: [pca, z]}
        graph: {outputs: [rx, pca]}
        """,
    "selection": """
        nodes:
          z: {type: StandardNormalizer}
          normalizer: {type: MinMaxNormalizer}
          selector: {type: SoftChannelSelector, n_select: 3, init_method: variance, reduce: true}
          rx: {type: RXGlobal}
        """,
    "images": """
        nodes:
          normalizer: {type: MinMaxNormalizer, use_running_stats: false}
          sigmoid: {type: SigmoidNormalizer, parent: normalizer}
          rx: {type: RXPerBatch, eps: 0.01, parent: sigmoid}
          global: {type: RXGlobal, parent: normalizer}
        graph: {outputs: [rx, global]}
        """,
    "two decisions": """
        nodes:
          rx: {type: RXGlobal}
          low: {type: BinaryDecider, threshold: 5.0, parent: rx}
          high: {type: BinaryDecider, threshold: 12.0, parent: rx}
        graph: {outputs: [low, high]}
        """,
    "classes": """
        nodes:
          pca: {type: TrainablePCA, n_components: 4}
          classes: {type: MultiClassDecider, class_count: 4}
        """,
}


def programs(name: str) -> tuple[Program, Program]:
    lowered = lower(fitted(GRAPHS[name], CUBE), moments(CUBE))
    return lowered.plain, lowered.fused


def model(name: str = "chain", dtype: str = "uint16", **metadata: str) -> OnnxModel:
    return generate_onnx(programs(name)[1], dtype, metadata)


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_on_several_sizes(name: str) -> None:
    """ONNX Runtime in float32 agrees with the plain program in float64, down to a single pixel."""
    plain, fused = programs(name)
    made = generate_onnx(fused, "uint16", {})
    onnx.checker.check_model(onnx.load_from_string(made.data), full_check=True)
    reference = ProgramModule(plain, torch.float64)
    for shape in ((1, 1, 1), (1, 1, 9), (5, 1, 1), (3, 4, 6)):
        cube = spectra(*shape, 7, seed=str(shape), dtype="uint16")
        with torch.no_grad():
            expected = {key: value.numpy() for key, value in reference(torch.from_numpy(cube)).items()}
        found = run_onnx(made.data, cube)
        assert list(found) == list(expected)
        for key, value in expected.items():
            if value.dtype.kind in "bi":
                assert (found[key] == value).all()
            else:
                assert found[key].dtype == np.float32
                scale = np.abs(value).max()
                np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("broken", [0, 1])
def test_deviation_of_a_large_image(broken: int) -> None:
    """Adding up many pixels far from zero loses nothing of a deviation that is small beside the mean."""
    cube = np.random.default_rng(0).normal(10_000, 10, size=(1, 500, 800, 2)).astype(np.float32)
    cube[0, 0, :broken] = np.nan
    made = generate_onnx(lower(fitted("nodes: {s: {type: SigmoidNormalizer}}", cube)).fused, "float32", {})
    pixels = cube.astype(np.float64).reshape(-1, 2)[broken:]
    median = np.sort(pixels, axis=0)[(len(pixels) - 1) // 2]
    expected = 1 / (1 + np.exp(-(pixels - median) / pixels.std(axis=0)))
    found = run_onnx(made.data, cube)["s.normalized"].reshape(-1, 2)[broken:]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_same_bytes(name: str) -> None:
    """Fitting, lowering and generating twice gives the same bytes."""
    assert model(name, cuvisc="x", a="b") == model(name, a="b", cuvisc="x")


def test_interface() -> None:
    """Inputs and outputs have the user's names; B, H and W are named and free."""
    session = onnxruntime.InferenceSession(model().data, providers=["CPUExecutionProvider"])
    (cube,) = session.get_inputs()
    assert (cube.name, cube.shape, cube.type) == ("cube", ["B", "H", "W", 7], "tensor(uint16)")
    assert [(o.name, o.shape, o.type) for o in session.get_outputs()] == [
        ("rx.scores", ["B", "H", "W", 1], "tensor(float)"),
        ("decider.decisions", ["B", "H", "W", 1], "tensor(bool)"),
    ]
    overridable = session.get_overridable_initializers()
    assert [(o.name, o.shape, o.type) for o in overridable] == [("decider.threshold", [1], "tensor(float)")]


def test_node_names_carry_the_users_ids() -> None:
    """Every node says which nodes of the graph it computes, so that profiles can be read."""
    ids = {"normalizer", "pca", "rx", "head", "decider"}
    names = [node.name for node in onnx.load_from_string(model().data).graph.node]
    assert len(names) == len(set(names))
    for name in names:
        head = name.partition("/")[0]
        assert head in ("input", "output") or set(head.partition(".")[0].split("+")) <= ids, name
    assert any(name.startswith("normalizer+pca+rx/") for name in names)


def test_one_file_without_traces() -> None:
    """No external data, no documentation strings, no paths; what is said about the model stands in its properties."""
    made = onnx.load_from_string(model(answer="42").data)
    assert {(p.key, p.value) for p in made.metadata_props} == {("answer", "42")}
    assert (made.producer_name, made.producer_version, made.doc_string) == ("cuvisc", "", "")
    assert all(not tensor.HasField("data_location") for tensor in made.graph.initializer)
    assert all(not node.doc_string and not node.metadata_props for node in made.graph.node)
    for text in (b"/home", b"/root", b"/usr", b"site-packages", b".py"):
        assert text not in made.SerializeToString()


def test_threshold_as_an_optional_input() -> None:
    """Left out it is the spec's; given, every decision follows it, in the unit the user knows."""
    made, plain = model(), programs("chain")[0]
    reference = ProgramModule(plain, torch.float64)
    logits = fitted(CHAIN, CUBE)(torch.from_numpy(CUBE.astype(np.float64)))["head.logits"].detach().numpy()
    assert (run_onnx(made.data, CUBE)["decider.decisions"] == (logits >= 0)).all()
    for threshold in (1e-4, 0.25, 0.9, 0.999):
        found = run_onnx(made.data, CUBE, decider__threshold=threshold)["decider.decisions"]
        exact = np.float64(np.float32(threshold))
        assert (found == (logits >= np.log(exact / (1 - exact)))).all()
    assert [s.default for s in plain.settings] == [0.5]
    assert (reference(torch.from_numpy(CUBE))["decider.decisions"].numpy() == (logits >= 0)).all()


def test_each_decision_has_its_own_threshold() -> None:
    made = model("two decisions")
    before, moved = run_onnx(made.data, CUBE), run_onnx(made.data, CUBE, low__threshold=12.0)
    assert (before["high.decisions"] == moved["high.decisions"]).all()
    assert (moved["low.decisions"] == before["high.decisions"]).all()
    assert before["low.decisions"].sum() > before["high.decisions"].sum()


@pytest.mark.parametrize("dtype", [dtype for dtype in ELEMENT_TYPES if dtype != "bool"])
def test_dtype_byte(dtype: str) -> None:
    """One byte of the model says the cube's dtype; any numeric dtype may be put there."""
    for generated in ("uint16", dtype):
        made = model(dtype=generated)
        assert made.data[made.dtype_offset] == ELEMENT_TYPES[generated]
        patched = bytearray(made.data)
        patched[made.dtype_offset] = ELEMENT_TYPES[dtype]
        assert bytes(patched) == model(dtype=dtype).data
        cube = (CUBE % 100).astype(dtype)
        found = run_onnx(bytes(patched), cube)["rx.scores"]
        np.testing.assert_array_equal(
            found, run_onnx(model(dtype="float32").data, cube.astype(np.float32))["rx.scores"]
        )


def test_unselected_bands_are_not_even_cast() -> None:
    """With a reduced selection in front, the first node of the model gathers bands of the raw cube."""
    operators = [node.op_type for node in onnx.load_from_string(model("selection").data).graph.node]
    assert operators.index("Gather") < operators.index("Cast")


def test_pixels_that_are_not_numbers() -> None:
    """They get scores that are not numbers, are decided for nothing, and leave their neighbours alone."""
    made = model(dtype="float32")
    cube = CUBE.astype(np.float32)
    clean = run_onnx(made.data, cube)
    cube[0, 2, 3, 4] = np.nan
    found = run_onnx(made.data, cube)
    assert np.isnan(found["rx.scores"][0, 2, 3]).all()
    assert not found["decider.decisions"][0, 2, 3].any()
    keep = np.ones(cube.shape[:3], bool)
    keep[0, 2, 3] = False
    for name, value in clean.items():
        assert (found[name][keep] == value[keep]).all()


def test_torch_onnx_export_agrees() -> None:
    """Torch's own exporter, of the plain program, as an independent oracle of the generator."""
    plain, fused = programs("branches")
    sample = torch.from_numpy(CUBE.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(ProgramModule(plain).eval(), (sample,), dynamo=True, verbose=False)
    assert exported is not None
    session = onnxruntime.InferenceSession(
        exported.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    theirs = session.run(None, {session.get_inputs()[0].name: sample.numpy()})
    ours = run_onnx(generate_onnx(fused, "uint16", {}).data, CUBE)
    for value, expected in zip(ours.values(), theirs, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
