"""A fitted module to an artifact folder; nothing is kept unless it computes what the float64 reference computes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import cuvisc
from cuvisc.compiler.backends.onnx_model import IR_VERSION, OPSET, generate_onnx
from cuvisc.compiler.backends.opaque_onnx import NotExportable
from cuvisc.compiler.backends.torchscript import generate_torchscript
from cuvisc.compiler.graph import TypedGraph
from cuvisc.compiler.ir import Program
from cuvisc.compiler.lowering import Lowered, lower
from cuvisc.compiler.module import CompiledGraph
from cuvisc.compiler.reads import bands_read
from cuvisc.language.ops.elementwise import SIGMOID
from cuvisc.language.statistics import BandMoments
from cuvisc.runtime import parity
from cuvisc.runtime.artifact import FORMAT, MANIFEST, MODEL, PARITY, PARITY_ARRAYS
from cuvisc.runtime.atomic import atomic_folder
from cuvisc.runtime.comparison import Tolerance
from cuvisc.runtime.imprint import IMPRINT, imprint
from cuvisc.runtime.progress import log, timed
from cuvisc.runtime.session import open_session, run_session
from cuvisc.schema.errors import SpecError, VerificationError

TORCHSCRIPT, README = "model.ts", "README.md"
_FILES = (MODEL, TORCHSCRIPT, PARITY, PARITY_ARRAYS, README)
_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Source:
    """What an export is made from: the fitted module and what training has seen of the data.

    ``profile`` are the moments of the training cubes, ``sample`` some of their pixels [N,C] in their own dtype,
    ``extremes`` the smallest and the largest of all their values.
    """

    module: CompiledGraph
    spec_sha256: str
    input_dtype: str
    sample: NDArray[Any]
    profile: BandMoments | None = None
    wavelengths: tuple[float, ...] | None = None
    extremes: tuple[float, float] | None = None


def export(source: Source, folder: Path, *, force: bool = False) -> dict[str, Any]:
    """Write the artifact; returns the parity evidence.

    Raises :class:`VerificationError` when a target does not compute what the reference computes; then nothing is kept.
    """
    with timed("Lowered"):
        lowered = lower(source.module, source.profile, source.sample)
    log.debug(
        "  %d operations as the nodes spell them, %d after passes: %s",
        len(lowered.plain.operations),
        len(lowered.fused.operations),
        ", ".join(operation.op.name for operation in lowered.fused.operations),
    )
    manifest = _manifest(source, lowered)
    try:
        model = generate_onnx(lowered.fused, source.input_dtype, _properties(source, lowered.fused, manifest))
    except NotExportable as error:
        raise SpecError(str(error)) from error
    files = {MODEL: model.data, TORCHSCRIPT: generate_torchscript(lowered.fused, source.input_dtype)}
    with timed("Compared %s with the float64 reference", " and ".join(files)):
        cases = parity.make_cases(lowered.plain, source.sample)
        evidence = parity.replay(cases, _targets(files), Tolerance())
    evidence["certificates"] = [certificate.to_dict() for certificate in lowered.certificates]
    if not evidence["passed"]:
        raise VerificationError(_refusal(evidence))
    files[PARITY_ARRAYS] = parity.pack_cases(cases)
    files[PARITY] = _json(evidence)
    files[README] = _readme(source, lowered.fused).encode()
    manifest["input"]["dtype_offset"] = model.dtype_offset
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    with atomic_folder(folder, mark=MANIFEST, force=force) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
            log.debug("%s: %.1f kB", folder / name, len(content) / 1000)
        (temporary / MANIFEST).write_bytes(_json(manifest))
    return evidence


def _targets(files: Mapping[str, bytes]) -> dict[str, parity.Target]:
    session = open_session(files[MODEL], "cpu")
    names = [output.name for output in session.get_outputs()]
    script = torch.jit.load(io.BytesIO(files[TORCHSCRIPT]))  # type: ignore[no-untyped-call]
    return {
        "onnx": lambda cube: dict(zip(names, run_session(session, {"cube": cube}), strict=True)),
        "torchscript": lambda cube: parity.evaluate(script, cube),
    }


def _refusal(evidence: Mapping[str, Any]) -> str:
    lines = [
        "the exported model does not compute what its float64 reference computes; nothing was kept",
        *(f"  {line}" for line in parity.problems(evidence)),
    ]
    for certificate in evidence["certificates"]:
        if certificate["centered_bound"] > evidence["tolerance"]["relative"]:
            lines.append(
                f"  `{certificate['operation']}` amplifies float32 rounding to {certificate['centered_bound']:.1g}: "
                "its statistics are close to singular; raise eps, reduce the bands before it, "
                "or ask for fewer outputs between"
            )
    return "\n".join(lines)


def _manifest(source: Source, lowered: Lowered) -> dict[str, Any]:
    """The manifest, but for digests and for what is known of a finished model alone."""
    program = lowered.fused
    graph = source.module.graph
    types = {value.name: value.type for value in program.values()}
    units = {str(ref): graph.port(ref).unit for ref in graph.outputs}
    return {
        "format": FORMAT,
        "cuvisc": cuvisc.__version__,
        "name": graph.name,
        "spec_sha256": source.spec_sha256,
        "files": dict.fromkeys(_FILES),
        "input": {
            "name": "cube",
            "type": str(program.input.type).replace("float32", source.input_dtype),
            "dtype": source.input_dtype,
            "dtype_offset": None,
            "channels": source.module.channels,
            "wavelengths": None if source.wavelengths is None else list(source.wavelengths),
            "bands": bands_read(program),
            "range": None if source.extremes is None else list(source.extremes),
        },
        "outputs": [
            {"name": shown, "type": str(types[value]), "unit": units[shown]}
            for shown, value in program.outputs.items()
        ],
        "thresholds": _thresholds(graph, lowered.plain),
        "pixelwise": program.pixelwise,
        "onnx": {"opset": OPSET, "ir_version": IR_VERSION},
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _thresholds(graph: TypedGraph, program: Program) -> list[dict[str, Any]]:
    """Every threshold with the decisions that it moves, and the unit of what it is compared with."""
    shown = {name.rpartition(".")[0]: name for name in program.outputs}
    made_by = {output.name: operation.op for operation in program.operations for output in operation.outputs}
    found = []
    for setting in program.settings:
        name = setting.value.name
        node = name.rpartition(".")[0]
        if node not in shown:
            continue
        compared = next(operation.inputs[0] for operation in program.operations if name in operation.inputs)
        units = {graph.port(ref).unit for ref in graph.by_id[node].reads()}
        unit = "probabilities" if made_by.get(compared) is SIGMOID else next(iter(units))
        found.append({"input": name, "output": shown[node], "default": setting.default, "unit": unit})
    return found


def _properties(source: Source, program: Program, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Metadata inside the ONNX file; nothing that varies with machine, time or dtype."""
    properties = {
        "cuvisc.version": cuvisc.__version__,
        "cuvisc.spec_sha256": source.spec_sha256,
        "cuvisc.pixelwise": str(program.pixelwise).lower(),
        IMPRINT: imprint(json.loads(_json(manifest))),
    }
    for setting in program.settings:
        properties[f"cuvisc.threshold.{setting.value.name}"] = repr(setting.default)
    if source.wavelengths is not None:
        properties["cuvisc.wavelengths_nm"] = ",".join(f"{w:g}" for w in source.wavelengths)
    return properties


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False, default=_plain) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _readme(source: Source, program: Program) -> str:
    cube = str(program.input.type).replace("float32", source.input_dtype)
    types = {value.name: value.type for value in program.values()}
    outputs = "\n".join(f"- `{name}`: {types[value]}" for name, value in program.outputs.items())
    settings = "".join(
        f"- optional input `{s.value.name}`: float32[1], default {s.default:g}\n" for s in program.settings
    )
    return f"""# {source.module.graph.name}

Exported by cuvisc {cuvisc.__version__}; everything from the raw cube to the outputs is in `{MODEL}`, one file.

- input `cube`: {cube}
{settings}{outputs}

    cuvisc verify .                       # checksums and a replay of parity.npz on this machine
    cuvisc predict . cube.npz -o scores.npz

or with ONNX Runtime alone:

    session = onnxruntime.InferenceSession("{MODEL}")
    outputs = session.run(None, {{"cube": cube}})

`{TORCHSCRIPT}` is the same program as TorchScript: `torch.jit.load("{TORCHSCRIPT}")(cube)` gives the outputs by name.
A pixel with a band that is not a number has scores that are not a number, and is never decided for. `cuvisc predict`
treats infinite bands alike; replace them by NaN where you run the model yourself.
"""
