"""What this machine can do at the most, and what it is, without its name."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

from benchmarks.measure import Timing, take_turns
from cuvisc.runtime.session import open_session

_SIDE = 1024
_PACKAGES = ("numpy", "onnxruntime", "torch", "scikit-learn", "spectral")


def ceilings(rounds: int, side: int = _SIDE, megabytes: int = 200) -> dict[str, dict[str, float]]:
    """GFLOP/s of float32 and float64 products of matrices, and GB/s of reading memory once."""
    random = np.random.default_rng(0)
    a = random.random((side, side), dtype=np.float32)
    d = a.astype(np.float64)
    memory = torch.ones(megabytes * 250_000)
    product = helper.make_graph(
        [helper.make_node("MatMul", ["x", "a"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a, "a")],
    )
    model = helper.make_model(product, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = open_session(model.SerializeToString(), "cpu", 1)
    gflop = 2 * side**3 / 1e9
    work: dict[str, tuple[Callable[[], Any], float]] = {
        "sgemm numpy": (lambda: a @ a, gflop),
        "sgemm onnxruntime": (lambda: session.run(None, {"x": a}), gflop),
        "dgemm numpy": (lambda: d @ d, gflop),
        "read": (lambda: memory.sum(), megabytes / 1e3),
    }
    timings = {name: Timing(name) for name in work}
    pairs = [(run, timings[name]) for name, (run, _) in work.items()]
    for run, _ in pairs:
        run()
    take_turns(pairs, rounds)
    return {
        name: {"rate": amount / timings[name].median, "spread": timings[name].spread}
        for name, (_, amount) in work.items()
    }


def describe() -> dict[str, Any]:
    """Processor, cores, BLAS and versions; no name of host or user, no path."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "blas": _blas(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            facts = dict(
                part for line in lines if len(part := tuple(map(str.strip, line.split(":", 1)))) == 2
            )
    except OSError:
        return platform.machine()
    wide = (
        "AVX-512"
        if "avx512f" in facts.get("flags", "")
        else "AVX2"
        if "avx2" in facts.get("flags", "")
        else ""
    )
    return " ".join(part for part in (facts.get("model name", platform.machine()), wide) if part)


def _blas() -> str:
    found = np.show_config(mode="dicts")
    blas = found["Build Dependencies"]["blas"] if isinstance(found, dict) else {}
    return f"{blas.get('name', '?')} {blas.get('version', '')}".strip()
