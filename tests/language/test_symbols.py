"""Whatever a body does to a symbol outside the vocabulary makes it opaque: never a wrong program, never a crash."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from recorded import Tape

from cuvisc.language import ops
from cuvisc.language.symbol import OpaqueBody, Symbol
from cuvisc.language.types import parse_type

OUTSIDE: dict[str, Callable[[Any], Any]] = {
    "x.shape": lambda x: x.shape,
    "x.sum(-1)": lambda x: x.sum(-1),
    "x + 1": lambda x: x + 1,
    "1 - x": lambda x: 1 - x,
    "x * x": lambda x: x * x,
    "x / 2": lambda x: x / 2,
    "x // 2": lambda x: x // 2,
    "x % 2": lambda x: x % 2,
    "2 ** x": lambda x: 2**x,
    "x @ w": lambda x: x @ torch.ones(4, 4),
    "w * x": lambda x: torch.ones(4) * x,
    "w == x": lambda x: torch.ones(4) == x,
    "-x": operator.neg,
    "+x": operator.pos,
    "~x": operator.invert,
    "abs(x)": abs,
    "round(x)": round,
    "x == 0": lambda x: x == 0,
    "x != x": lambda x: x != x,
    "x < 1": lambda x: x < 1,
    "x & x": lambda x: x & x,
    "x | True": lambda x: x | True,
    "x[..., 0]": lambda x: x[..., 0],
    "0 in x": lambda x: 0 in x,
    "if x": bool,
    "int(x)": int,
    "float(x)": float,
    "len(x)": len,
    "list(x)": list,
    "torch.relu(x)": torch.relu,
    "torch.cat": lambda x: torch.cat([x, x], dim=-1),
    "torch.where": lambda x: torch.where(torch.ones(4) > 0, x, x),
    "torch.einsum": lambda x: torch.einsum("bhwc,cd->bhwd", x, torch.ones(4, 4)),
    "functional": lambda x: torch.nn.functional.softmax(x, dim=-1),
    "np.sqrt(x)": np.sqrt,
    "ops.subtract(x, w)": lambda x: ops.subtract(x, torch.ones(4)),
    "ops.multiply(2.0, x)": lambda x: ops.multiply(2.0, x),
    "ops.concat([x, w])": lambda x: ops.concat([x, torch.ones(1, 1, 1, 4)]),
}


@pytest.mark.parametrize("use", OUTSIDE.values(), ids=OUTSIDE)
def test_outside_the_vocabulary(use: Callable[[Any], Any]) -> None:
    symbol = Symbol(Tape(), parse_type("float32[B,H,W,4]"), "x")
    with pytest.raises(OpaqueBody):
        use(symbol)


def test_a_symbol_shows_its_type() -> None:
    assert repr(Symbol(Tape(), parse_type("float32[B,H,W,4]"), "x")) == "Symbol(float32[B,H,W,4])"
