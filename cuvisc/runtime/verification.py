"""An artifact on this machine to a verdict: checksums, model check, and a replay of the recorded parity cases.

Needs NumPy and ONNX Runtime; the onnx package adds its checker where it is installed. Never torch.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuvisc.runtime.artifact import MANIFEST, MODEL, PARITY, PARITY_ARRAYS, Artifact
from cuvisc.runtime.comparison import Measurement, Tolerance, compare_outputs
from cuvisc.runtime.data.readers import npz
from cuvisc.runtime.data.source import read_array
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.progress import log
from cuvisc.schema.errors import VerificationError

INPUT = "input"


@dataclass(frozen=True)
class Verification:
    """What was verified: files by checksum, cases by replay; `worst` is the largest error, 1 being the limit."""

    files: int
    checker: bool
    cases: int
    outputs: int
    worst: float
    provider: str


def verify_artifact(artifact: Artifact, *, device: str = "cpu", threads: int | None = None) -> Verification:
    """Verify everything; raises :class:`VerificationError` at the first thing that is not as it was exported."""
    artifact.check_files()
    predictor = Predictor(artifact, device=device, threads=threads)
    _check_dtype_offset(artifact, predictor)
    checked = _check_model(artifact)
    tolerance, cases = _read_parity(artifact)
    outputs, worst = 0, 0.0
    for name, case in cases.items():
        cube = case.pop(INPUT)
        log.debug("parity case %s: %s %s", name, " x ".join(map(str, cube.shape)), cube.dtype)
        for found in compare_outputs(case, predictor.predict(cube), tolerance):
            _require(found, name, artifact, predictor)
            outputs += 1
            worst = max(worst, found.error)
    return Verification(len(artifact.manifest.files), checked, len(cases), outputs, worst, predictor.provider)


def _require(found: Measurement, case: str, artifact: Artifact, predictor: Predictor) -> None:
    if not found.ok:
        raise VerificationError(
            f"{artifact.folder / MODEL} does not compute on {predictor.provider} what it was exported to compute: "
            f"`{found.output}` of the case `{case}` {found.problem}"
        )


def _check_dtype_offset(artifact: Artifact, predictor: Predictor) -> None:
    noted, found = artifact.manifest.raw["input"].get("dtype_offset"), predictor.dtype_offset
    if noted is not None and noted != found:
        raise VerificationError(
            f"{artifact.folder / MANIFEST}: `input.dtype_offset` is {noted}; the model has its input's dtype at {found}"
        )


def _check_model(artifact: Artifact) -> bool:
    """Run the full ONNX checker where the onnx package is installed."""
    if importlib.util.find_spec("onnx") is None:
        return False
    import onnx

    model = artifact.read(MODEL)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise VerificationError(f"{artifact.folder / MODEL} is not valid ONNX: {error}") from error
    return True


def _read_parity(artifact: Artifact) -> tuple[Tolerance, dict[str, dict[str, NDArray[Any]]]]:
    """The tolerance, and for every case its input and the outputs expected of it."""
    for name in (PARITY, PARITY_ARRAYS):
        artifact.read(name)
    path = artifact.folder / PARITY_ARRAYS
    try:
        tolerance = Tolerance.from_json(json.loads((artifact.folder / PARITY).read_bytes())["tolerance"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerificationError(f"{artifact.folder / PARITY} is damaged: it has no tolerance") from error
    cases: dict[str, dict[str, NDArray[np.generic]]] = {}
    for key in npz.keys(path):
        case, _, array = key.partition("/")
        cases.setdefault(case, {})[array] = read_array(path, key)
    for case, arrays in cases.items():
        if INPUT not in arrays or len(arrays) < 2:
            raise VerificationError(
                f"{path} is damaged: the case `{case}` has no input or no expected output"
            )
    if not cases:
        raise VerificationError(f"{path} is damaged: it has no case")
    return tolerance, cases
