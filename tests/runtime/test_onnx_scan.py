"""Facts read from a model's bytes agree with the onnx package, and nonsense is always answered with one error."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from small_artifacts import small_model

from cuvisc.runtime.onnx_scan import (
    ELEMENT_TYPES,
    MalformedModel,
    has_external_data,
    input_dtype_offset,
)


def model(dtype: str = "uint16") -> onnx.ModelProto:
    return small_model(np.zeros(5), np.eye(5), dtype, True)


@pytest.mark.parametrize("dtype", ELEMENT_TYPES)
def test_changing_the_byte_changes_the_input_dtype_and_nothing_else(dtype: str) -> None:
    made = bytearray(model().SerializeToString())
    made[input_dtype_offset(bytes(made), "cube")] = ELEMENT_TYPES[dtype]
    changed = onnx.load_from_string(bytes(made))
    assert changed.graph.input[0].type.tensor_type.elem_type == helper.np_dtype_to_tensor_dtype(
        np.dtype(dtype)
    )
    expected = model()
    expected.graph.input[0].type.tensor_type.elem_type = ELEMENT_TYPES[dtype]
    assert changed == expected


def test_an_unknown_input_has_no_offset() -> None:
    with pytest.raises(MalformedModel) as caught:
        input_dtype_offset(model().SerializeToString(), "image")
    assert str(caught.value) == "no input named image"


def test_a_plain_model_has_no_external_data() -> None:
    assert not has_external_data(model().SerializeToString())


def test_external_data_is_found_in_initializers() -> None:
    made = model()
    made.graph.initializer[1].data_location = TensorProto.EXTERNAL
    assert has_external_data(made.SerializeToString())


def test_external_data_is_found_by_its_keys_alone() -> None:
    made = model()
    made.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")
    assert has_external_data(made.SerializeToString())


def test_external_data_is_found_in_constants_of_nested_graphs_and_functions() -> None:
    constant = numpy_helper.from_array(np.ones(3, np.float32), "constant")
    constant.data_location = TensorProto.EXTERNAL
    node = helper.make_node("Constant", [], ["value"], value=constant)
    branch = helper.make_graph([node], "branch", [], [])
    inner = helper.make_node("If", ["condition"], ["value"], then_branch=branch, else_branch=branch)
    nested, called = model(), model()
    nested.graph.node.append(
        helper.make_node("If", ["c"], ["v"], then_branch=helper.make_graph([inner], "b", [], []))
    )
    called.functions.append(helper.make_function("own", "f", [], ["value"], [node], []))
    assert has_external_data(nested.SerializeToString())
    assert has_external_data(called.SerializeToString())


@given(st.binary(max_size=200))
def test_any_bytes_are_either_scanned_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedModel):
        has_external_data(data)
    with contextlib.suppress(MalformedModel):
        input_dtype_offset(data, "cube")


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_model_is_either_scanned_or_malformed(position: int, value: int) -> None:
    made = bytearray(model().SerializeToString())
    made[position % len(made)] = value
    with contextlib.suppress(MalformedModel):
        has_external_data(bytes(made))
    with contextlib.suppress(MalformedModel):
        input_dtype_offset(bytes(made), "cube")
