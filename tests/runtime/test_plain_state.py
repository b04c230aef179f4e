"""Plain values and tensors come back from bytes as they were, and nothing else goes in or comes out."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cuvisc.runtime.plain_state import DamagedError, NotPlainError, pack, unpack

ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner)
    ),
    max_leaves=20,
)


@given(TREES)
def test_plain_trees_come_back_as_they_were(tree: Any) -> None:
    found = unpack(pack(tree))
    assert found == tree
    assert repr(found) == repr(tree)


def test_tensors_come_back_bit_for_bit() -> None:
    tensors: list[Any] = [
        torch.randn(3, 4).T,
        torch.tensor(2.5, dtype=torch.float64),
        torch.tensor([True, False]),
        torch.zeros(0),
        torch.randn(4).to(torch.bfloat16),
        torch.get_rng_state(),
        torch.nn.Parameter(torch.ones(2)),
    ]
    tensors.append(tensors[0])
    found = unpack(pack({"state": OrderedDict(enumerate(tensors))}))["state"]
    for index, tensor in enumerate(tensors):
        assert found[index].dtype == tensor.dtype
        assert torch.equal(found[index], tensor)
    assert pack(tensors) == pack(tensors)


def test_numbers_of_numpy_and_numbers_that_are_not_finite() -> None:
    found = unpack(pack({"a": np.float32(0.5), "b": np.arange(3), "c": [math.inf, -math.inf, math.nan]}))
    assert found["a"] == 0.5
    assert found["b"].tolist() == [0, 1, 2]
    assert found["c"][:2] == [math.inf, -math.inf]
    assert math.isnan(found["c"][2])


def test_what_is_not_plain_is_refused_with_its_place() -> None:
    with pytest.raises(NotPlainError) as caught:
        pack({"callbacks": {"Mine": [1, {2, 3}]}})
    assert str(caught.value) == "`callbacks/Mine/1` is a set"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95.",
        b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
        pack([torch.ones(4)])[:-3],
        pack({"a": 1}).replace(b"dict", b"list"),
        pack("x").replace(rb"\"x\"", rb"[[[[["),
    ],
)
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(DamagedError):
        unpack(content)
