"""Program to TorchScript: the torch evaluation of the program, traced.

Thin on purpose: torch announces the end of ``torch.jit``.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import torch

from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.ir import Program

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_SAMPLE = (2, 3, 4)


def generate_torchscript(program: Program, dtype: str) -> bytes:
    """The bytes of ``model.ts``: ``forward(cube) -> dict`` of outputs by name; ``dtype`` is that of the cube."""
    module = ProgramModule(program).eval()
    cube = torch.from_numpy(np.ones((*_SAMPLE, int(program.input.type.dims[-1])), dtype=dtype))
    with _fresh_names(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, (cube,), strict=False, check_trace=False)  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    return _reproducible(buffer.getvalue())


@contextmanager
def _fresh_names() -> Iterator[None]:
    """Trace as if nothing had been traced before: torch numbers classes through the life of a process."""
    state: Any = import_module("torch.jit._state")
    before = state._python_cu
    state._python_cu = torch._C.CompilationUnit()
    try:
        yield
    finally:
        state._python_cu = before


def _reproducible(archive: bytes) -> bytes:
    """The archive without debug records, serialisation id and time stamps, which differ from run to run."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as target,
    ):
        for info in source.infolist():
            if info.filename.endswith((".debug_pkl", "serialization_id")):
                continue
            _, _, inside = info.filename.partition("/")
            target.writestr(zipfile.ZipInfo(f"model/{inside}", _FIXED_TIME), source.read(info))
    return result.getvalue()
