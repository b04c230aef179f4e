"""Spec texts to fitted modules, by the front end and a phase 1 that measures every node's own input, one by one."""

from __future__ import annotations

import copy
import textwrap
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.language.describe import describe
from cuvisc.language.node import Node
from cuvisc.language.statistics import ACCUMULATORS, BandMoments, MomentsAccumulator
from cuvisc.runtime.session import open_session
from cuvisc.schema.catalogue import Catalogue, load
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text

CHAIN = """
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 3}
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
  decider: {type: BinaryDecider, apply_sigmoid: true}
graph: {outputs: [rx.scores, decider.decisions]}
"""


def typed(text: str, own: Sequence[type[Node]] = ()) -> TypedGraph:
    """The typed graph of a spec text that must be right; ``own`` are nodes that only this test knows."""
    catalogue = extended(own)
    spec, diagnostics = load_text(textwrap.dedent(text), "graph.yaml", catalogue=catalogue, environment={})
    assert spec is not None, render_text(diagnostics)
    graph = check_graph(spec, catalogue, diagnostics)
    assert graph is not None, render_text(diagnostics)
    return graph


def extended(own: Sequence[type[Node]]) -> Catalogue:
    """The shipped catalogue and the nodes of a test."""
    schema = copy.deepcopy(dict(load().schema))
    listed = schema["$defs"]["node"]
    for cls in own:
        name = cls.__name__
        schema["$defs"][f"node.{name}"] = describe(cls)
        listed["properties"]["type"]["enum"].append(name)
    return Catalogue(schema)


def fitted(text: str, cube: np.ndarray, own: Sequence[type[Node]] = ()) -> CompiledGraph:
    """The module of a spec text, fitted to a cube [B,H,W,C]."""
    module = build_module(typed(text, own))
    module.bind(cube.shape[-1])
    fit_module(module, cube)
    return module


def fit_module(module: CompiledGraph, cube: np.ndarray) -> None:
    """Phase 1 as its definition reads: each node in turn, from the float64 values at its own input."""
    module.eval()
    exact = torch.from_numpy(cube.astype(np.float32).astype(np.float64))
    for node in module.graph.nodes:
        instance = module.node(node.id)
        measured = None
        if instance.measured is not None:
            ports = instance.measured.of
            ports = (ports,) if isinstance(ports, str) else ports
            refs = [ref for port in ports for ref in node.inputs[port]]
            with torch.no_grad():
                values = copy.deepcopy(module).double().evaluate(exact, set(refs))
            joined = np.concatenate([values[ref].numpy() for ref in refs], axis=-1)
            accumulator = ACCUMULATORS[instance.measured.kind]()
            accumulator.update(joined.reshape(-1, joined.shape[-1]))
            measured = accumulator.result()
        instance.fit(measured)


def moments(cube: np.ndarray) -> BandMoments:
    """Moments of the pixels of a cube."""
    accumulator = MomentsAccumulator()
    accumulator.update(cube.reshape(-1, cube.shape[-1]))
    return accumulator.result()


def run_onnx(model: bytes, cube: np.ndarray, **settings: float) -> dict[str, np.ndarray]:
    """Outputs of ONNX Runtime by name; settings are given as ``decider__threshold=0.9``."""
    feeds: dict[str, Any] = {"cube": cube}
    feeds |= {name.replace("__", "."): np.array([v], np.float32) for name, v in settings.items()}
    session: onnxruntime.InferenceSession = open_session(model, "cpu", threads=1)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds), strict=True))


def spectra(*shape: int, seed: int | str = 0, dtype: str = "float32") -> np.ndarray:
    """A cube of correlated spectra: four smooth endmembers mixed, with noise; integers are 12-bit counts."""
    random = np.random.default_rng(zlib.crc32(str(seed).encode()))
    bands = shape[-1]
    centers = np.linspace(0, bands, 4)[:, None]
    endmembers = 0.2 + np.exp(-(((np.arange(bands) - centers) / bands * 3) ** 2))
    cube = random.dirichlet(np.ones(4), shape[:-1]) @ endmembers + 0.02 * random.standard_normal(shape)
    return (cube if np.dtype(dtype).kind == "f" else np.clip(cube * 2000, 0, 4095)).astype(dtype)
