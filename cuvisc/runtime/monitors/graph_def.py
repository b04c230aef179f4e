"""A typed graph to the GraphDef that TensorBoard draws: nodes with types and shapes, leaves grouped by section."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DataType
from tensorboard.compat.proto.versions_pb2 import VersionDef

from cuvisc.compiler.graph import INPUT_NODE, TypedGraph, TypedLeaf, TypedNode, TypedPort, ValueRef

_DTYPES = {"float16": "DT_HALF", "float32": "DT_FLOAT", "float64": "DT_DOUBLE"}
_PRODUCER = 22


def graph_def(graph: TypedGraph) -> GraphDef:
    """One NodeDef for the input, every node and every leaf; values are edges, parameters attributes."""
    made = [NodeDef(name=INPUT_NODE, op="Placeholder", attr=_types([graph.input]))]
    made += [
        NodeDef(
            name=node.id,
            op=node.type,
            input=[_edge(graph, value) for value in node.reads()],
            attr={**_params(_spelled(graph, "nodes", node)), **_types(node.outputs.values())},
        )
        for node in graph.nodes
    ]
    made += [
        NodeDef(
            name=f"{leaf.section}/{leaf.id}",
            op=leaf.type,
            input=[_edge(graph, leaf.parent)],
            attr=_params(_spelled(graph, leaf.section, leaf)),
        )
        for leaf in graph.leaves
    ]
    return GraphDef(node=made, versions=VersionDef(producer=_PRODUCER))


def _edge(graph: TypedGraph, value: ValueRef) -> str:
    """`node` for a first output, `node:1` for the one after it."""
    if value.node == INPUT_NODE:
        return INPUT_NODE
    index = list(graph.by_id[value.node].outputs).index(value.port)
    return f"{value.node}:{index}" if index else value.node


def _spelled(graph: TypedGraph, section: str, what: TypedNode | TypedLeaf) -> dict[str, Any]:
    """Parameters as the spec spells them, without what it takes from the environment."""
    entries: Any = graph.spec.to_dict()[section]
    return {name: entries[what.id].get(name, value) for name, value in what.params.items()}


def _params(params: Mapping[str, Any]) -> dict[str, AttrValue]:
    return {
        name: AttrValue(s=json.dumps(value, default=str, ensure_ascii=False).encode())
        for name, value in params.items()
    }


def _types(ports: Iterable[TypedPort]) -> dict[str, AttrValue]:
    types = [port.type for port in ports]
    dtype = _DTYPES.get(types[0].dtype, f"DT_{types[0].dtype.upper()}")
    shapes = [
        TensorShapeProto(
            dim=[TensorShapeProto.Dim(size=size if isinstance(size, int) else -1) for size in type_.dims]
        )
        for type_ in types
    ]
    return {
        "dtype": AttrValue(type=DataType.Value(dtype)),
        "type": AttrValue(s=", ".join(map(str, types)).encode()),
        "_output_shapes": AttrValue(list=AttrValue.ListValue(shape=shapes)),
    }
