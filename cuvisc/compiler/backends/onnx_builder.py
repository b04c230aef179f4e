"""What op spellings write ONNX nodes to; names follow the operation that is being emitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cuvisc.compiler.backends.onnx_pixels import Parts, dot, project_in_parts, sum_squares
from cuvisc.language.affine import Array
from cuvisc.language.ops.op import OnnxBuilder
from cuvisc.language.types import Dim


class GraphBuilder:
    """Collects nodes and initializers; implements :class:`cuvisc.language.ops.op.OnnxBuilder`.

    ``flat`` says that values are pixels [N,C] instead of images [B,H,W,C], ``only_norm`` that nothing but a squared
    norm reads what is being emitted.
    """

    def __init__(self, flat: bool = False) -> None:
        self.flat = flat
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.scope = ""
        self._count = 0
        self.only_norm = False
        self._parts: dict[str, Parts] = {}

    def enter(self, scope: str, *, only_norm: bool = False) -> None:
        """Name what follows after this operation."""
        self.scope = scope
        self.only_norm = only_norm
        self._count = 0

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; returns the name of its first output."""
        name = f"{self.scope}/{operator}" if self._count == 0 else f"{self.scope}/{operator}_{self._count}"
        self._count += 1
        outputs = [name, f"{name}.indices"] if operator == "TopK" else [name]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, name=name, **attributes))
        return name

    def constant(self, name: str, value: Any, dtype: str = "float32") -> str:
        """Add an initializer; one number beside pixels [N,1] has two axes as well, else broadcasting it is slow."""
        full = f"{self.scope}.{name}"
        array = np.asarray(value, dtype=dtype)
        if self.flat and dtype == "float32" and array.shape == (1,):
            array = array[np.newaxis]
        self.initializers[full] = numpy_helper.from_array(array, full)
        return full

    def project(self, x: str, matrix: Array, offset: Array | None) -> str:
        """x A + b over the last axis."""
        if self.flat and self.only_norm:
            self._parts[self.scope] = project_in_parts(self, x, matrix, offset)
            return self.scope
        if self.flat and matrix.shape[1] == 1:
            row = dot(self, x, matrix, offset, 0)
            return self.node("Reshape", row, self.constant("column", [-1, 1], "int64"))
        inputs = [x, self.constant("matrix", matrix)]
        bias = [] if offset is None else [self.constant("offset", offset)]
        if self.flat:
            return self.node("Gemm", *inputs, *bias)
        y = self.node("MatMul", *inputs)
        return self.node("Add", y, *bias) if bias else y

    def squared_norm(self, x: str) -> str:
        """Sum of squares over the last axis."""
        if x in self._parts:
            return sum_squares(self, self._parts.pop(x))
        return self.node("ReduceSumSquare", x, self.constant("axes", [-1], "int64"), keepdims=1)

    def loop(
        self, count: int, state: str, shape: Sequence[Dim], body: Callable[[OnnxBuilder, str, str], str]
    ) -> str:
        """Apply ``body(builder, index, state) -> state`` ``count`` times to a float64 state of ``shape``."""
        inner = GraphBuilder()
        inner.enter(f"{self.scope}/body")
        index, before, go_on = (f"{inner.scope}.{name}" for name in ("index", "state", "condition"))
        after = body(inner, index, before)
        same = inner.node("Identity", go_on)
        graph = helper.make_graph(
            inner.nodes,
            inner.scope,
            [
                helper.make_tensor_value_info(index, TensorProto.INT64, []),
                helper.make_tensor_value_info(go_on, TensorProto.BOOL, []),
                helper.make_tensor_value_info(before, TensorProto.DOUBLE, list(shape)),
            ],
            [
                helper.make_tensor_value_info(same, TensorProto.BOOL, []),
                helper.make_tensor_value_info(after, TensorProto.DOUBLE, list(shape)),
            ],
            list(inner.initializers.values()),
        )
        return self.node("Loop", self.constant("trips", count, "int64"), "", state, body=graph)

    def either(
        self,
        condition: str,
        then: Callable[[OnnxBuilder], str],
        otherwise: Callable[[OnnxBuilder], str],
        dtype: str = "float32",
    ) -> str:
        """What one of two bodies gives, as a condition says when the model runs; only that one is computed."""
        bodies = {}
        for branch, body in (("then", then), ("else", otherwise)):
            inner = GraphBuilder()
            inner.enter(f"{self.scope}/{branch}")
            name = body(inner)
            made = helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)
            constants = list(inner.initializers.values())
            bodies[f"{branch}_branch"] = helper.make_graph(inner.nodes, inner.scope, [], [made], constants)
        return self.node("If", condition, **bodies)
