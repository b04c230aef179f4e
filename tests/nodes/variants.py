"""Every registered node in every way its parameters can change it, fitted to data of its own."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from fitted_graphs import fit_module, spectra

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.language.declare import Parameter
from cuvisc.language.node import Node
from cuvisc.language.spectrum import Spectrum
from cuvisc.language.types import parse_type
from cuvisc.runtime.catalogue import registered
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_data
from cuvisc.schema.render import render_text

NODES = [cls for cls in registered() if issubclass(cls, Node)]
BANDS = 5
REQUIRED: dict[Any, Any] = {
    int: 2,
    float: 0.5,
    str: "x",
    bool: True,
    list[int]: [0],
    list[float]: [450.0, 520.0],
}


@dataclass(frozen=True)
class Variant:
    """A node class and some of its parameters."""

    cls: type[Node]
    params: tuple[tuple[str, Any], ...]

    def __str__(self) -> str:
        return ",".join([self.cls.__name__, *(f"{name}={value}" for name, value in self.params)])

    @property
    def channels(self) -> int:
        """A number of bands of the cube that fits every input port of the node."""
        params = {**self.cls.declaration.defaults(), **dict(self.params)}
        for port in self.cls.declaration.inputs.values():
            assert isinstance(port.type, str), "an input's type may depend on a parameter: extend this test"
            bands = parse_type(port.type).dims[-1]
            if isinstance(bands, int) or bands in params:
                return bands if isinstance(bands, int) else int(params[bands])
        return BANDS

    def build(self) -> CompiledGraph:
        """A graph of this node alone, every input of which is the graph's cube."""
        ports = dict.fromkeys(self.cls.declaration.inputs, "input")
        node = {"type": self.cls.__name__, "inputs": ports, **_thawed(self.params)}
        data = {"graph": {"input": {"channels": self.channels}}, "nodes": {"node": node}}
        spec, diagnostics = load_data(data, str(self), environment={})
        assert spec is not None, render_text(diagnostics)
        graph = check_graph(spec, load(), diagnostics)
        assert graph is not None, render_text(diagnostics)
        module = build_module(graph)
        centers = tuple(400.0 + 50 * band for band in range(self.channels))
        module.spectrum = Spectrum(centers, good=tuple(band != 1 for band in range(self.channels)))
        module.bind(self.channels)
        return module

    def cube(self, *image: int, dtype: str = "float32") -> np.ndarray:
        """A cube of the bands that the node reads."""
        return spectra(*(image or (2, 8, 9)), self.channels, seed=str(self), dtype=dtype)

    def fitted(self) -> CompiledGraph:
        """The graph, fitted; every call gives a new one."""
        module = self.build()
        fit_module(module, self.cube())
        return module


def _thawed(params: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in params}


@cache
def variants() -> tuple[Variant, ...]:
    """One variant with the defaults, and one for every other value of a parameter that has few."""
    return tuple(variant for cls in NODES for variant in _of(cls))


def _of(cls: type[Node]) -> Iterator[Variant]:
    declared = cls.declaration.params
    required = {p.name: REQUIRED[p.annotation] for p in declared.values() if p.required}
    yield _variant(cls, required)
    for parameter in declared.values():
        for value in _values(parameter):
            if value != parameter.default:
                yield _variant(cls, {**required, parameter.name: value})


def _variant(cls: type[Node], params: dict[str, Any]) -> Variant:
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    return Variant(cls, tuple(frozen.items()))


def _values(parameter: Parameter) -> tuple[Any, ...]:
    if parameter.annotation is bool:
        return (True, False)
    if typing.get_origin(parameter.annotation) is typing.Literal:
        return typing.get_args(parameter.annotation)
    if parameter.choices:
        return parameter.choices
    return (0.25,) if parameter.annotation == float | None else ()
