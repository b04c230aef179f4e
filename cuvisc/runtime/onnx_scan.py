"""Reads three facts from the bytes of an ONNX model: external data, where the input's dtype stands, and what the model
says of itself. Pure Python.

Walks the protobuf wire format, so that a predictor needs no onnx package and refuses external data before ONNX
Runtime could look for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

# ONNX TensorProto.DataType
ELEMENT_TYPES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
}

# Field numbers by which a tensor can be reached: message -> field -> message.
_REACHES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 25: "Function", 20: "Training"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Tensor": {},
}
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_DEEPEST = 64


class MalformedModel(ValueError):
    """Bytes that are not an ONNX model."""


class Field(NamedTuple):
    """One field: its number, wire type, and where its value starts and ends."""

    number: int
    wire: int
    start: int
    end: int


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of one message; raises :class:`MalformedModel` when they do not fill it exactly."""
    position, end = start, len(data) if end is None else end
    while position < end:
        tag, position = _varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            _, stop = _varint(data, position, end)
        elif wire == LENGTH:
            length, position = _varint(data, position, end)
            stop = position + length
        elif wire in (FIXED64, FIXED32):
            stop = position + (8 if wire == FIXED64 else 4)
        else:
            raise MalformedModel(f"wire type {wire}")
        if number == 0 or stop > end:
            raise MalformedModel("truncated")
        yield Field(number, wire, position, stop)
        position = stop


def has_external_data(model: bytes) -> bool:
    """Whether any tensor, at any depth, keeps its values outside the model."""
    pending = [("Model", 0, len(model), 0)]
    while pending:
        message, start, end, depth = pending.pop()
        if depth > _DEEPEST:
            raise MalformedModel("nested too deeply")
        for field in fields(model, start, end):
            if message == "Tensor" and _is_external(model, field):
                return True
            inner = _REACHES[message].get(field.number)
            if inner is not None and field.wire == LENGTH:
                pending.append((inner, field.start, field.end, depth + 1))
    return False


def input_dtype_offset(model: bytes, name: str) -> int:
    """Offset of the one byte that holds the element type of the graph input `name`; raises MalformedModel.

    Changing this byte to another of `ELEMENT_TYPES` makes the model accept that dtype, provided that its first
    operator is a Cast.
    """
    for graph in _inside(model, Field(7, LENGTH, 0, len(model)), 7):
        for value in _inside(model, graph, 11):
            if any(model[field.start : field.end] == name.encode() for field in _inside(model, value, 1)):
                return _element_type(model, value, name)
    raise MalformedModel(f"no input named {name}")


def properties(model: bytes) -> dict[str, str]:
    """The model's metadata, texts by name; raises MalformedModel."""
    found: dict[str, str] = {}
    for entry in _inside(model, Field(0, LENGTH, 0, len(model)), 14):
        read = fields(model, entry.start, entry.end)
        texts = {field.number: model[field.start : field.end].decode(errors="replace") for field in read}
        found[texts.get(1, "")] = texts.get(2, "")
    return found


def _element_type(model: bytes, value: Field, name: str) -> int:
    for kind in _inside(model, value, 2):
        for tensor in _inside(model, kind, 1):
            for field in fields(model, tensor.start, tensor.end):
                if field.number == 1 and field.wire == VARINT and field.end - field.start == 1:
                    return field.start
    raise MalformedModel(f"input {name} has no element type")


def _inside(data: bytes, outer: Field, number: int) -> Iterator[Field]:
    for field in fields(data, outer.start, outer.end):
        if field.number == number and field.wire == LENGTH:
            yield field


def _is_external(model: bytes, field: Field) -> bool:
    if field.number == _TENSOR_EXTERNAL_DATA:
        return True
    return field.number == _TENSOR_DATA_LOCATION and model[field.start : field.end] != b"\0"


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise MalformedModel("truncated")
