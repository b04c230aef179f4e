"""Program to ONNX, op by op: deterministic bytes, the user's names, no source paths, one file.

Opaque nodes go through torch's exporter (:mod:`cuvisc.compiler.backends.opaque_onnx`) and are inlined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cuvisc.compiler.backends.opaque_onnx import inline_opaque
from cuvisc.compiler.ir import Operation, Program
from cuvisc.language.ops.op import OnnxBuilder
from cuvisc.language.types import Dim, TensorType

OPSET = 20
IR_VERSION = 9

ELEMENT_TYPES = {
    "float32": TensorProto.FLOAT,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "uint16": TensorProto.UINT16,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "float64": TensorProto.DOUBLE,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "bool": TensorProto.BOOL,
}


@dataclass(frozen=True)
class OnnxModel:
    """The bytes of ``model.onnx`` and where in them the input's element type stands.

    The graph begins with a cast to float32, so that changing this one byte makes the model take another dtype.
    """

    data: bytes
    dtype_offset: int


class _Builder:
    """Collects ONNX nodes and initializers under the name of one operation; what op spellings write to."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.scope = ""
        self._count = 0

    def enter(self, scope: str) -> None:
        self.scope = scope
        self._count = 0

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self.scope}/{operator}" if self._count == 0 else f"{self.scope}/{operator}_{self._count}"
        self._count += 1
        outputs = [name, f"{name}.indices"] if operator == "TopK" else [name]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, name=name, **attributes))
        return name

    def constant(self, name: str, value: Any, dtype: str = "float32") -> str:
        full = f"{self.scope}.{name}"
        self.initializers[full] = numpy_helper.from_array(np.asarray(value, dtype=dtype), full)
        return full

    def loop(
        self, count: int, state: str, shape: Sequence[Dim], body: Callable[[OnnxBuilder, str, str], str]
    ) -> str:
        inner = _Builder()
        inner.enter(f"{self.scope}/body")
        index, before, go_on = (f"{inner.scope}.{name}" for name in ("index", "state", "condition"))
        after = body(inner, index, before)
        same = inner.node("Identity", go_on)
        double = TensorProto.DOUBLE
        graph = helper.make_graph(
            inner.nodes,
            inner.scope,
            [
                helper.make_tensor_value_info(index, TensorProto.INT64, []),
                helper.make_tensor_value_info(go_on, TensorProto.BOOL, []),
                helper.make_tensor_value_info(before, double, list(shape)),
            ],
            [
                helper.make_tensor_value_info(same, TensorProto.BOOL, []),
                helper.make_tensor_value_info(after, double, list(shape)),
            ],
            list(inner.initializers.values()),
        )
        return self.node("Loop", self.constant("trips", count, "int64"), "", state, body=graph)


def generate_onnx(program: Program, dtype: str, metadata: Mapping[str, str]) -> OnnxModel:
    """The model with a cube of ``dtype`` as input; ``metadata`` goes into the model's properties."""
    data = _serialize(program, dtype, metadata)
    other = _serialize(program, "uint8" if dtype != "uint8" else "int8", metadata)
    differing = [i for i, (a, b) in enumerate(zip(data, other, strict=True)) if a != b]
    assert len(differing) == 1, "the input's element type is one byte of the model"
    return OnnxModel(data, differing[0])


def _serialize(program: Program, dtype: str, metadata: Mapping[str, str]) -> bytes:
    builder = _Builder()
    names: dict[str, str] = {}
    selected = [op.name for op in program.consumers(program.input.name) if op.op.name == "gather_bands"]
    if len(selected) < len(program.consumers(program.input.name)) or not selected:
        builder.enter("input")
        names[program.input.name] = builder.node("Cast", "cube", to=TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info("cube", ELEMENT_TYPES[dtype], _shape(program.input.type))]
    for setting in program.settings:
        names[setting.value.name] = setting.value.name
        inputs.append(helper.make_tensor_value_info(setting.value.name, TensorProto.FLOAT, [1]))
        default = numpy_helper.from_array(np.array([setting.default], np.float32), setting.value.name)
        builder.initializers[setting.value.name] = default
    for operation in program.operations:
        if operation.name in selected:
            names[operation.output.name] = _select(builder, operation)
        else:
            _emit(builder, names, operation)
    types = {value.name: value.type for value in program.values()}
    outputs = []
    for shown, value in program.outputs.items():
        builder.nodes.append(helper.make_node("Identity", [names[value]], [shown], name=f"output/{shown}"))
        outputs.append(
            helper.make_tensor_value_info(shown, ELEMENT_TYPES[types[value].dtype], _shape(types[value]))
        )
    _name_outputs(builder.nodes, {shown: names[value] for shown, value in program.outputs.items()})
    graph = helper.make_graph(
        builder.nodes, program.name, inputs, outputs, list(builder.initializers.values())
    )
    model = helper.make_model(
        graph, producer_name="cuvisc", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    return bytes(model.SerializeToString(deterministic=True))


def _select(builder: _Builder, operation: Operation) -> str:
    """Bands straight from the cube in its own dtype: what is not selected is not even cast."""
    builder.enter(operation.name)
    return builder.node(
        "Cast", operation.op.onnx(builder, "cube", **operation.attributes), to=TensorProto.FLOAT
    )


def _emit(builder: _Builder, names: dict[str, str], operation: Operation) -> None:
    builder.enter(operation.name)
    inputs = [names[name] for name in operation.inputs]
    if operation.op.name == "opaque":
        results = inline_opaque(builder.nodes, builder.initializers, operation, inputs, OPSET)
    else:
        results = [operation.op.onnx(builder, *inputs, **operation.constants, **operation.attributes)]
    for value, result in zip(operation.outputs, results, strict=True):
        names[value.name] = result


def _name_outputs(nodes: list[onnx.NodeProto], outputs: Mapping[str, str]) -> None:
    """Let the producing node write an output itself, without the Identity, where it writes nothing else's output."""
    sources = list(outputs.values())
    for shown, source in outputs.items():
        producer = next((node for node in nodes if source in node.output), None)
        if producer is None or sources.count(source) > 1:
            continue
        nodes[:] = [node for node in nodes if node.name != f"output/{shown}"]
        for node in nodes:
            for edge in (node.input, node.output):
                for index, name in enumerate(edge):
                    if name == source:
                        edge[index] = shown


def _shape(type_: TensorType) -> list[int | str]:
    return list(type_.dims)
