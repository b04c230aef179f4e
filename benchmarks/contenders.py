"""The same scoring work in other hands: torch as the documents spell it, ONNX Runtime without fusion, NumPy,
scikit-learn and Spectral Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from benchmarks.scenes import Cube, Exported
from cuvisc.compiler.backends.onnx_model import generate_onnx
from cuvisc.runtime.session import open_session

Scores = Callable[[], NDArray[Any]]
THRESHOLD = 12.0
STRIP_VALUES = 2**19


class AsSpecified(torch.nn.Module):
    """Divide, project by einsum, x^T P x; three outputs."""

    def __init__(self, made: Exported) -> None:
        super().__init__()
        for name, value in made.numbers.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(value)).float())
        precision = made.numbers["whitening"] @ made.numbers["whitening"].T
        self.register_buffer("precision", torch.from_numpy(precision).float())
        self.projects = "components" in made.numbers

    def forward(self, cube: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = (cube - self.minimum) / self.range
        z = torch.einsum("bhwc,kc->bhwk", x - self.mean, self.components) if self.projects else x
        d = z - self.mu
        scores = (torch.einsum("bhwi,ij->bhwj", d, self.precision) * d).sum(dim=-1, keepdim=True)
        return z, scores, scores >= THRESHOLD


def torch_eager(made: Exported, cube: Cube) -> Scores:
    """The module as it stands."""
    return _torch_scores(AsSpecified(made).eval(), cube)


def torch_compiled(made: Exported, cube: Cube) -> Scores:
    """The module through TorchInductor, which needs a C++ compiler on the machine."""
    run = _torch_scores(torch.compile(AsSpecified(made).eval()), cube)
    run()
    return run


def _torch_scores(module: Any, cube: Cube) -> Scores:
    given = torch.from_numpy(cube)

    def run() -> NDArray[Any]:
        with torch.no_grad():
            return np.asarray(module(given)[1])

    return run


def runtime_as_specified(made: Exported, cube: Cube) -> Scores:
    """The same formulas node by node in ONNX Runtime, whose own optimiser may do what it can."""
    n = made.numbers
    values = {"low": n["minimum"], "range": n["range"], "mu": n["mu"], "p": n["whitening"] @ n["whitening"].T}
    nodes = [("Sub", "cube low", "a"), ("Div", "a range", "x")]
    last = "x"
    if "components" in n:
        values |= {"mean": n["mean"], "w": n["components"].T}
        nodes += [("Sub", "x mean", "m"), ("Einsum", "m w", "z")]
        last = "z"
    nodes += [("Sub", f"{last} mu", "d"), ("Einsum", "d p", "q"), ("Mul", "q d", "s")]
    equation = {"equation": "bhwi,ij->bhwj"}
    made_nodes = [
        helper.make_node(op, given.split(), [out], **(equation if op == "Einsum" else {}))
        for op, given, out in nodes
    ]
    made_nodes += [
        helper.make_node("ReduceSum", ["s", "axes"], ["scores"], keepdims=1),
        helper.make_node("GreaterOrEqual", ["scores", "threshold"], ["decisions"]),
    ]
    constants = [
        numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in values.items()
    ]
    constants += [
        numpy_helper.from_array(np.array([-1]), "axes"),
        numpy_helper.from_array(np.array([THRESHOLD], np.float32), "threshold"),
    ]
    outputs = [(last, TensorProto.FLOAT), ("scores", TensorProto.FLOAT), ("decisions", TensorProto.BOOL)]
    graph = helper.make_graph(
        made_nodes,
        "specified",
        [helper.make_tensor_value_info("cube", TensorProto.FLOAT, ["B", "H", "W", cube.shape[-1]])],
        [helper.make_tensor_value_info(name, dtype, None) for name, dtype in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = open_session(model.SerializeToString(), "cpu", 1)
    return lambda: np.asarray(session.run(None, {"cube": cube})[1])


def runtime_plain(made: Exported, cube: Cube) -> Scores:
    """cuvisc's program before any pass, through cuvisc's own code generator, the whole image at once."""
    session = open_session(generate_onnx(made.lowered.plain, "float32", {}).data, "cpu", 1)
    names = [output.name for output in session.get_outputs()]
    return lambda: np.asarray(session.run(None, {"cube": cube})[names.index("rx.scores")])


def numpy_blocked(made: Exported, cube: Cube) -> Scores:
    """The best simple version: one affine map composed by hand, strips of some thousand pixels."""
    n = made.numbers
    gain, center = 1 / n["range"], n["minimum"]
    matrix = np.broadcast_to(gain, cube.shape[-1:])[:, None] * np.eye(cube.shape[-1])
    shift = -center * gain * np.ones(cube.shape[-1])
    if "components" in n:
        matrix, shift = matrix @ n["components"].T, (shift - n["mean"]) @ n["components"].T
    matrix, shift = matrix @ n["whitening"], (shift - n["mu"]) @ n["whitening"]
    a, b = matrix.astype(np.float32), shift.astype(np.float32)
    flat = cube.reshape(-1, cube.shape[-1])
    step = STRIP_VALUES // cube.shape[-1]

    def run() -> NDArray[Any]:
        scores = np.empty(len(flat), np.float32)
        for start in range(0, len(flat), step):
            z = flat[start : start + step] @ a
            z += b
            np.einsum("ij,ij->i", z, z, out=scores[start : start + step])
        return scores

    return run


def scikit_learn(made: Exported, cube: Cube) -> Scores:
    """MinMaxScaler, PCA and EmpiricalCovariance, with the same statistics put in."""
    from sklearn.covariance import EmpiricalCovariance
    from sklearn.decomposition import PCA

    n = made.numbers
    flat = cube.reshape(-1, cube.shape[-1])
    pca = PCA(len(n["components"])) if "components" in n else None
    if pca is not None:
        pca.components_ = n["components"].astype(np.float32)
        pca.mean_ = n["mean"].astype(np.float32)
        pca.explained_variance_ = np.ones(len(pca.components_), np.float32)
    covariance = EmpiricalCovariance()
    covariance.location_ = n["mu"].astype(np.float32)
    covariance.precision_ = (n["whitening"] @ n["whitening"].T).astype(np.float32)
    low, scale = np.float32(n["minimum"]), np.float32(n["range"])

    def run() -> NDArray[Any]:
        x = (flat - low) / scale
        return np.asarray(covariance.mahalanobis(x if pca is None else pca.transform(x)))

    return run


def sklearn_onnx(made: Exported, cube: Cube) -> Scores:
    """MinMaxScaler and PCA, which whitens, as skl2onnx converts them, with a sum of squares appended.

    EmpiricalCovariance has no converter. Raises ImportError where skl2onnx is not installed.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    n, bands = made.numbers, cube.shape[-1]
    scaler = MinMaxScaler().fit(np.zeros((2, bands)))
    scaler.scale_ = np.broadcast_to(1 / n["range"], bands).astype(np.float64)
    scaler.min_ = -n["minimum"] * scaler.scale_
    whitening = n["components"].T @ n["whitening"] if "components" in n else n["whitening"]
    pca = PCA(whitening.shape[1]).fit(np.eye(max(bands, 2)))
    pca.components_, pca.mean_ = whitening.T, n["mean"] if "components" in n else n["mu"]
    # In this opset the axes of a reduction are an attribute, as they are written below.
    given = [("cube", FloatTensorType([None, bands]))]
    model = convert_sklearn(make_pipeline(scaler, pca), initial_types=given, target_opset=17)
    (white,) = model.graph.output
    model.graph.node.append(helper.make_node("ReduceSumSquare", [white.name], ["scores"], axes=[1]))
    model.graph.output.remove(white)
    model.graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 1]))
    session = open_session(model.SerializeToString(), "cpu", 1)
    flat = cube.reshape(-1, bands)
    return lambda: np.asarray(session.run(None, {"cube": flat})[0])


def spectral_python(made: Exported, cube: Cube) -> Scores:
    """``spectral.rx`` after ``PrincipalComponents.transform``, with the same statistics put in."""
    import spectral
    from spectral.algorithms.transforms import LinearTransform

    n = made.numbers
    image = cube[0]
    low, scale = np.float32(n["minimum"]), np.float32(n["range"])
    project = None
    if "components" in n:
        project = LinearTransform(n["components"].astype(np.float32), pre=-n["mean"].astype(np.float32))
    covariance = np.linalg.inv(n["whitening"] @ n["whitening"].T)
    background = spectral.GaussianStats(n["mu"], covariance, nsamples=10**6)

    def run() -> NDArray[Any]:
        x = (image - low) / scale
        return np.asarray(spectral.rx(x if project is None else project(x), background=background))

    return run
