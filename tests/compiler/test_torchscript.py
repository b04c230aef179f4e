"""TorchScript: the same program, in a file that does not change from run to run."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pytest
import torch
from fitted_graphs import spectra
from test_onnx_model import CUBE, GRAPHS, programs

from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.backends.torchscript import generate_torchscript


@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_on_several_sizes(name: str) -> None:
    """Traced on one small cube, it is right for images of any size."""
    plain, fused = programs(name)
    script = torch.jit.load(io.BytesIO(generate_torchscript(fused, "uint16")))
    reference = ProgramModule(plain, torch.float64)
    for shape in ((1, 1, 1), (1, 1, 9), (5, 1, 1), (3, 4, 6)):
        cube = torch.from_numpy(spectra(*shape, 7, seed=str(shape), dtype="uint16"))
        with torch.no_grad():
            expected, found = reference(cube), script(cube)
        assert list(found) == list(expected)
        for key, value in expected.items():
            if value.is_floating_point():
                assert found[key].dtype == torch.float32
                scale = value.abs().max().item()
                np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-4 * scale)
            else:
                assert torch.equal(found[key], value)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64", "float32", "float64"])
def test_any_numeric_cube(dtype: str) -> None:
    program = programs("chain")[1]
    script = torch.jit.load(io.BytesIO(generate_torchscript(program, dtype)))
    cube = torch.from_numpy((CUBE % 100).astype(dtype))
    expected = ProgramModule(program)(cube)
    assert torch.equal(script(cube)["rx.scores"], expected["rx.scores"])


def test_nothing_of_this_machine() -> None:
    """No debug records, serialisation ids or times; sources name no path."""
    content = generate_torchscript(programs("chain")[1], "uint16")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert not info.filename.endswith((".debug_pkl", "serialization_id"))
            for text in (b"/home", b"/root", b"/usr", b"site-packages"):
                assert text not in archive.read(info)


def members(content: bytes) -> dict[str, bytes]:
    """The archive without the counters that torch puts into class names within one process."""
    counter = rb"___torch_mangle_\d+[./]?"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            re.sub(counter.decode(), "", name): re.sub(counter, b"", archive.read(name))
            for name in archive.namelist()
        }


def test_same_content() -> None:
    """Generating twice gives the same file but for counters of classes, which start anew in every process."""
    program = programs("chain")[1]
    first, second = (members(generate_torchscript(program, "uint16")) for _ in range(2))
    assert list(first.values()) == list(second.values())
