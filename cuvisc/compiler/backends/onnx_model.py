"""Program to ONNX, op by op: deterministic bytes, the user's names, no source paths, one file.

Opaque nodes go through torch's exporter (:mod:`cuvisc.compiler.backends.opaque_onnx`) and are inlined. Where every
op treats pixels alone, the graph computes on pixels [N,C] (:mod:`cuvisc.compiler.backends.onnx_pixels`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cuvisc.compiler.backends.onnx_builder import GraphBuilder
from cuvisc.compiler.backends.opaque_onnx import inline_opaque
from cuvisc.compiler.ir import Operation, Program
from cuvisc.compiler.passes.rotate_norms import only_squared
from cuvisc.language.types import TensorType

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


def generate_onnx(program: Program, dtype: str, metadata: Mapping[str, str]) -> OnnxModel:
    """The model with a cube of ``dtype`` as input; ``metadata`` goes into the model's properties."""
    data = _serialize(program, dtype, metadata)
    other = _serialize(program, "uint8" if dtype != "uint8" else "int8", metadata)
    differing = [i for i, (a, b) in enumerate(zip(data, other, strict=True)) if a != b]
    assert len(differing) == 1, "the input's element type is one byte of the model"
    return OnnxModel(data, differing[0])


def _serialize(program: Program, dtype: str, metadata: Mapping[str, str]) -> bytes:
    builder = GraphBuilder(flat=program.pixelwise)
    inputs = [_value_info("cube", dtype, program.input.type)]
    names = _enter_cube(builder, program)
    for setting in program.settings:
        name = setting.value.name
        inputs.append(_value_info(name, "float32", setting.value.type))
        builder.initializers[name] = numpy_helper.from_array(np.array([setting.default], np.float32), name)
        names[name] = _beside_pixels(builder, name)
    for operation in program.operations:
        if operation.outputs[0].name not in names:
            _emit(builder, names, operation, only_norm=only_squared(program, operation))
    outputs = _leave(builder, program, names)
    initializers = list(builder.initializers.values())
    model = helper.make_model(
        helper.make_graph(builder.nodes, program.name, inputs, outputs, initializers),
        producer_name="cuvisc",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    return bytes(model.SerializeToString(deterministic=True))


def _enter_cube(builder: GraphBuilder, program: Program) -> dict[str, str]:
    """Flatten and cast the cube. Where only selections of bands read it, what is not selected is not even cast."""
    builder.enter("input")
    cube = "cube"
    if builder.flat:
        cube = builder.node(
            "Reshape", cube, builder.constant("pixels", [-1, program.input.type.dims[-1]], "int64")
        )
    readers = program.consumers(program.input.name)
    shown = program.input.name in program.outputs.values()
    if shown or not readers or any(reader.op.name != "gather_bands" for reader in readers):
        return {program.input.name: builder.node("Cast", cube, to=TensorProto.FLOAT)}
    names = {}
    for reader in readers:
        builder.enter(reader.name)
        selected = reader.op.onnx(builder, cube, **reader.attributes)
        names[reader.output.name] = builder.node("Cast", selected, to=TensorProto.FLOAT)
    return names


def _beside_pixels(builder: GraphBuilder, name: str) -> str:
    """A number [1] as [1,1] beside pixels [N,1]: with fewer axes, comparing takes ten times as long."""
    if not builder.flat:
        return name
    builder.enter(name)
    return builder.node("Reshape", name, builder.constant("shape", [1, 1], "int64"))


def _emit(builder: GraphBuilder, names: dict[str, str], operation: Operation, *, only_norm: bool) -> None:
    builder.enter(operation.name, only_norm=only_norm)
    inputs = [names[name] for name in operation.inputs]
    if operation.op.name == "opaque":
        results = inline_opaque(builder.nodes, builder.initializers, operation, inputs, OPSET)
    else:
        results = [operation.op.onnx(builder, *inputs, **operation.constants, **operation.attributes)]
    for value, result in zip(operation.outputs, results, strict=True):
        names[value.name] = result


def _leave(builder: GraphBuilder, program: Program, names: Mapping[str, str]) -> list[onnx.ValueInfoProto]:
    """Give every output its user-visible name, and the shape of the image again."""
    types = {value.name: value.type for value in program.values()}
    builder.enter("output")
    shape: list[str] = []
    if builder.flat:
        image = builder.node("Shape", "cube", start=0, end=3)
        shape = [builder.node("Concat", image, builder.constant("bands", [-1], "int64"), axis=0)]
    operator = "Reshape" if builder.flat else "Identity"
    for shown, value in program.outputs.items():
        inputs = [names[value], *shape]
        builder.nodes.append(helper.make_node(operator, inputs, [shown], name=f"output/{shown}"))
    return [_value_info(shown, types[value].dtype, types[value]) for shown, value in program.outputs.items()]


def _value_info(name: str, dtype: str, type_: TensorType) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[dtype], list(type_.dims))
