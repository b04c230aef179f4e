"""An ONNX Runtime session on the device that was asked for, or a :class:`DeviceError` that names what is missing.

Model bytes in, session out; never a path, so that a model cannot reach other files. Never torch or onnx.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

from cuvisc.schema.errors import DeviceError, SpecError, VerificationError

Device = Literal["auto", "cpu", "cuda", "tensorrt"]
DEVICES: tuple[str, ...] = get_args(Device)

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
_PROVIDERS = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}
_LIBRARIES = {CUDA: "onnxruntime_providers_cuda", TENSORRT: "onnxruntime_providers_tensorrt"}
_MEMORY = {CUDA: "cuda", TENSORRT: "cuda"}
_QUIET = 4
# TF32 rounds the inputs of a product to 10 bits: far outside the parity tolerance of a squared distance.
_OPTIONS = {CUDA: {"use_tf32": "0"}}


def load_onnxruntime() -> ModuleType:
    """The onnxruntime package; raises :class:`DeviceError` when it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError(
            "onnxruntime is not installed: pip install 'cuvisc[cpu]', or 'cuvisc[gpu]' for an NVIDIA GPU"
        ) from error
    module: ModuleType = onnxruntime
    return module


def choose_device(device: str) -> tuple[str, str]:
    """The device to use and, when `auto` passed over a GPU build that cannot run, the reason.

    Raises :class:`DeviceError` when the named device cannot be used here.
    """
    if device not in DEVICES:
        raise SpecError(f"--device is one of {', '.join(DEVICES)}, got {device!r}")
    if device == "cpu":
        return device, ""
    wanted = "cuda" if device == "auto" else device
    obstacle = _obstacle(_PROVIDERS[wanted])
    if device != "auto":
        if obstacle:
            raise DeviceError(f"--device {device}: {obstacle}")
        return device, ""
    installed = CUDA in load_onnxruntime().get_available_providers()
    return ("cpu", obstacle if installed else "") if obstacle else ("cuda", "")


def open_session(model: bytes, device: str, threads: int | None = None) -> Any:
    """A session whose first provider is the one that `device` (not `auto`) names."""
    runtime = load_onnxruntime()
    failures = _failures(runtime)
    provider = _PROVIDERS[device]
    for strict in (True, False):
        try:
            session = _create(runtime, model, provider, threads, strict=strict)
        except failures as error:
            # ONNX Runtime keeps arithmetic on shapes on the CPU even where the data never leaves the GPU.
            if strict and "fallback to CPU EP has been explicitly disabled" in str(error):
                continue
            fact = _first_line(error)
            if provider == CPU:
                raise VerificationError(
                    f"ONNX Runtime {runtime.__version__} cannot load the model: {fact}"
                ) from error
            raise DeviceError(f"--device {device}: {fact}") from error
        if session.get_providers()[0] != provider:
            break
        session.disable_fallback()
        return session
    raise DeviceError(f"--device {device}: ONNX Runtime could not start {provider} on this machine")


def run_session(session: Any, feeds: dict[str, Any]) -> list[Any]:
    """The outputs of one run; raises :class:`DeviceError` when the device gives up.

    On a GPU inputs and outputs are bound: nothing between them leaves it, and nothing is copied there twice.
    """
    runtime = load_onnxruntime()
    bound = session.get_providers()[0] in _MEMORY
    try:
        outputs: list[Any] = run_bound(session, feeds) if bound else session.run(None, feeds)
    except _failures(runtime) as error:
        raise DeviceError(f"{session.get_providers()[0]} failed: {_first_line(error)}") from error
    return outputs


def run_bound(session: Any, feeds: dict[str, Any]) -> list[Any]:
    """The outputs of one run with inputs put into the memory of the session's device, and outputs fetched from it."""
    memory = _MEMORY.get(session.get_providers()[0], "cpu")
    make = load_onnxruntime().OrtValue.ortvalue_from_numpy
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, make(value, memory, 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, memory)
    session.run_with_iobinding(binding)
    outputs: list[Any] = binding.copy_outputs_to_cpu()
    return outputs


def _create(runtime: ModuleType, model: bytes, provider: str, threads: int | None, *, strict: bool) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads or usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == CPU:
        return runtime.InferenceSession(model, options, providers=[CPU], enable_fallback=0)
    if strict:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    chain = [provider] if provider == CUDA else [provider, CUDA]
    return runtime.InferenceSession(
        model,
        options,
        providers=chain,
        provider_options=[_OPTIONS.get(name, {}) for name in chain],
        enable_fallback=0,
    )


def _obstacle(provider: str) -> str:
    """Why a GPU provider cannot run here, with what to do; empty when nothing is in its way."""
    runtime = load_onnxruntime()
    available = runtime.get_available_providers()
    if provider not in available:
        have = ", ".join(name for name in available if name != "AzureExecutionProvider")
        return (
            f"the installed onnxruntime {runtime.__version__} has no {provider} (it has {have}); "
            "with an NVIDIA GPU: pip uninstall onnxruntime, then pip install 'cuvisc[gpu]'"
        )
    runtime.set_default_logger_severity(_QUIET)
    with contextlib.redirect_stdout(io.StringIO()):
        runtime.preload_dlls()
    missing = _missing_library(runtime, provider)
    if not missing:
        return ""
    cuda = f"CUDA {getattr(runtime, 'cuda_version', '')}".rstrip()
    wanted = f"{cuda}, cuDNN and TensorRT" if provider == TENSORRT else f"{cuda} and cuDNN"
    return f"{provider} cannot start: {missing}; install {wanted}"


def _missing_library(runtime: ModuleType, provider: str) -> str:
    """What the dynamic linker says about the provider's library, such as `libcublasLt.so.13: cannot open …`."""
    folder = Path(runtime.capi.__path__[0])
    for stem in ("onnxruntime_providers_shared", _LIBRARIES[provider]):
        path = folder / (f"{stem}.dll" if os.name == "nt" else f"lib{stem}.so")
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            return str(error).replace(f"{folder}{os.sep}", "")
    return ""


def _failures(runtime: ModuleType) -> tuple[type[Exception], ...]:
    """The exceptions of ONNX Runtime, which share no base class."""
    state = runtime.capi.onnxruntime_pybind11_state
    kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*kinds, RuntimeError, ValueError)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
