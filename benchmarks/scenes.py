"""Synthetic scenes and the graphs that are measured, fitted by cuvisc and exported; the float64 answers beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cuvisc.compiler.check import check_graph
from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.lowering import Lowered, lower
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.compiler.plan import plan_statistics
from cuvisc.runtime.export import Source, export
from cuvisc.runtime.statistics import Fit, fit_statistics
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_text
from cuvisc.schema.render import render_text

Cube = NDArray[Any]
EPS = 1e-6
COMPONENTS = 3

PCA = f"""
nodes:
  normalizer: {{type: MinMaxNormalizer, eps: {EPS}}}
  pca: {{type: TrainablePCA, n_components: {COMPONENTS}}}
  rx: {{type: RXGlobal}}
  decider: {{type: BinaryDecider, threshold: 12.0}}
graph: {{outputs: [rx.scores, decider.decisions]}}
"""
FULL = f"""
nodes:
  normalizer: {{type: MinMaxNormalizer, eps: {EPS}}}
  rx: {{type: RXGlobal}}
graph: {{outputs: [rx.scores]}}
"""


def scene(height: int, width: int, bands: int, *, seed: int = 0, dtype: str = "float32") -> Cube:
    """A cube [1,H,W,C]: mixtures of eight smooth spectra with 2 % noise; integers are 12-bit counts."""
    random = np.random.default_rng(seed)
    spectra = np.cumsum(random.normal(size=(8, bands)), axis=1) / np.sqrt(bands) / 8
    shares = random.random((height * width, 8), dtype=np.float32)
    cube = shares @ spectra.astype(np.float32)
    cube += 0.4
    cube += 0.02 * random.standard_normal(cube.shape, dtype=np.float32)
    cube = cube.reshape(1, height, width, bands)
    return cube if dtype == "float32" else np.clip(cube * 4000, 0, 4095).astype(dtype)


def typed(text: str) -> TypedGraph:
    """The typed graph of a spec that is known to be right."""
    catalogue = load()
    spec, diagnostics = load_text(text, "benchmark.yaml", catalogue=catalogue, environment={})
    graph = None if spec is None else check_graph(spec, catalogue, diagnostics)
    if graph is None:
        raise ValueError(render_text(diagnostics))
    return graph


def fit(graph: TypedGraph, batches: list[Cube]) -> tuple[CompiledGraph, Fit]:
    """Phase 1 on cubes in memory."""
    module = build_module(graph)
    tensors = [{"cube": torch.from_numpy(cube)} for cube in batches]
    return module, fit_statistics(module, plan_statistics(graph), lambda: tensors)


@dataclass(frozen=True)
class Exported:
    """An artifact, the program it came from, and the numbers its nodes hold."""

    folder: Path
    lowered: Lowered
    numbers: dict[str, NDArray[np.float64]]

    def scores(self, cube: Cube) -> NDArray[np.float64]:
        """The scores in float64, as the nodes spell them."""
        n = self.numbers
        result = []
        for block in np.array_split(cube.reshape(-1, cube.shape[-1]), max(1, cube.size // 2**22)):
            x = (block.astype(np.float64) - n["minimum"]) / n["range"]
            if "components" in n:
                x = (x - n["mean"]) @ n["components"].T
            x = (x - n["mu"]) @ n["whitening"]
            result.append((x * x).sum(axis=1))
        return np.concatenate(result)


def exported(text: str, bands: int, folder: Path, dtype: str = "float32") -> Exported:
    """Fit a graph to a small scene and export it."""
    cube = scene(96, 96, bands, seed=1, dtype=dtype)
    module, found = fit(typed(text), [cube])
    source = Source(module, "0" * 64, dtype, found.profile.sample, found.profile.moments)
    export(source, folder, force=True)
    numbers = {}
    for node in module.graph.nodes:
        state = module.node(node.id).state_values()
        numbers |= {name: value.double().numpy() for name, value in state.items()}
    numbers["range"] = 1 / numbers["gain"]
    return Exported(folder, lower(module, found.profile.moments), numbers)
