"""The proof of an export: real pixels in several image sizes, what the reference makes of them and what targets do.

The reference is the program as the nodes spell it, before any fusion, evaluated in float64 on the cube as
float32 holds it. Pixels that meet a threshold to the last digits, or whose two best bands are equal to the last digits,
prove nothing, since rounding decides for them, and are left out: whole numbers of 0 to 255, scaled to [0, 1], meet 0.4.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.ir import Program
from cuvisc.language.ops.bands import ArgExtremum
from cuvisc.runtime.comparison import Tolerance, compare_outputs

Arrays: TypeAlias = dict[str, NDArray[Any]]
Target: TypeAlias = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]

_MET = 1e-6
"""What is no further from a threshold or another band, relative to it, may lie on either side of it in float32."""

SIZES = ((1, 1, 1), (1, 7, 5), (2, 12, 16))


@dataclass(frozen=True)
class ParityCase:
    """One batch of cubes in the model's own dtype, and the reference's outputs."""

    name: str
    cube: NDArray[Any]
    expected: Arrays


def make_cases(program: Program, sample: NDArray[Any]) -> list[ParityCase]:
    """Cases of every size, filled from ``sample`` [N,C]; float cubes get one pixel that is not a number."""
    reference = ProgramModule(program, torch.float64).eval()
    sample = _without_ties(program, sample)
    cases = []
    for batch, rows, columns in SIZES:
        cube = np.resize(sample, (batch, rows, columns, sample.shape[-1]))
        if cube.dtype.kind == "f" and rows > 1:
            cube[0, 0, 0, 0] = np.nan
        cases.append(ParityCase(f"{batch}x{rows}x{columns}", cube, evaluate(reference, exact_cube(cube))))
    return cases


def _without_ties(program: Program, sample: NDArray[Any]) -> NDArray[Any]:
    """The pixels [n,C] for which rounding decides nothing, as far as single pixels can be told and there are any."""
    if not program.pixelwise:
        return sample
    cube = exact_cube(sample)[np.newaxis, np.newaxis]
    tied = _meets_threshold(program, cube) | _has_equal_bands(program, cube)
    return sample if tied.all() else sample[~tied]


def _meets_threshold(program: Program, cube: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pixels of a cube [1,1,N,C] decide otherwise where thresholds are a little lower or higher."""
    met = np.zeros(cube.shape[2], bool)
    if program.settings:
        below, above = (evaluate(_with_thresholds(program, factor), cube) for factor in (1 - _MET, 1 + _MET))
        for name, decisions in below.items():
            if decisions.dtype == np.bool_:
                met |= (decisions != above[name]).reshape(len(met), -1).any(axis=1)
    return met


def _with_thresholds(program: Program, factor: float) -> torch.nn.Module:
    moved = tuple(replace(setting, default=factor * setting.default) for setting in program.settings)
    return ProgramModule(replace(program, settings=moved), torch.float64).eval()


def _has_equal_bands(program: Program, cube: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pixels of a cube [1,1,N,C] have a largest band that is hardly larger than the next, where that is asked."""
    equal = np.zeros(cube.shape[2], bool)
    asked = [(op.op, op.inputs[0]) for op in program.operations if isinstance(op.op, ArgExtremum)]
    if asked:
        read = ProgramModule(replace(program, outputs={name: name for _, name in asked}), torch.float64)
        found = evaluate(read.eval(), cube)
        for op, name in asked:
            lead = op.lead(torch.from_numpy(found[name])).numpy().ravel()
            equal |= lead <= _MET * np.nanmax(np.abs(found[name]), axis=-1, initial=0).ravel()
    return equal


def exact_cube(cube: NDArray[Any]) -> NDArray[np.float64]:
    """The numbers a float32 model sees, in float64."""
    return cube.astype(np.float32).astype(np.float64)


def evaluate(module: torch.nn.Module, cube: NDArray[Any]) -> Arrays:
    """Outputs of a torch module on a cube, as NumPy arrays."""
    with torch.no_grad():
        return {name: value.numpy() for name, value in module(torch.from_numpy(cube)).items()}


def replay(
    cases: Sequence[ParityCase], targets: Mapping[str, Target], tolerance: Tolerance
) -> dict[str, Any]:
    """Run every case through every target; the evidence that ``parity.json`` keeps.

    ``max_relative_error`` is |difference| / max(|reference|, rms of the reference), over all measured outputs.
    """
    results: list[dict[str, Any]] = []
    relative, flipped = 0.0, 0
    for target, run in targets.items():
        for case in cases:
            got = dict(run(case.cube))
            measured = compare_outputs(case.expected, got, tolerance)
            results.append({"target": target, "case": case.name, "outputs": [m.to_json() for m in measured]})
            found = [_relative(case.expected[name], got[name]) for name in case.expected if name in got]
            relative = max([relative, *found])
            flipped += sum(m.differing for m in measured if _counted(case.expected.get(m.output)))
    return {
        "reference": "float64 evaluation of the graph as its nodes spell it",
        "tolerance": tolerance.to_json(),
        "passed": not any(output["problem"] for result in results for output in result["outputs"]),
        "max_relative_error": relative,
        "flipped_decisions": flipped,
        "results": results,
    }


def problems(evidence: Mapping[str, Any]) -> list[str]:
    """One line for every output that failed."""
    return [
        f"{result['target']}, {result['case']}: `{output['output']}` {output['problem']}"
        for result in evidence["results"]
        for output in result["outputs"]
        if output["problem"]
    ]


def pack_cases(cases: Sequence[ParityCase]) -> bytes:
    """The cases as the bytes of an ``.npz``: ``<case>/input`` and ``<case>/<output>``."""
    arrays: Arrays = {}
    for case in cases:
        arrays[f"{case.name}/input"] = case.cube
        arrays |= {f"{case.name}/{name}": value for name, value in case.expected.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _counted(reference: NDArray[Any] | None) -> bool:
    return reference is not None and reference.dtype.kind in "bui"


def _relative(reference: NDArray[Any], value: NDArray[Any]) -> float:
    finite = np.isfinite(reference)
    if _counted(reference) or reference.shape != value.shape or not finite.any():
        return 0.0
    exact = reference[finite]
    if not np.isfinite(value[finite]).all():
        return float("inf")
    scale = np.maximum(np.abs(exact), np.sqrt(np.mean(exact**2)))
    difference = np.abs(value[finite] - exact)
    return float(np.divide(difference, scale, out=np.zeros_like(scale), where=scale > 0).max())
