"""This machine to what cuvisc can do on it: packages by extra, devices that really compute, threads, places to write.

Never imports torch but to ask for its GPUs, and only where it is installed. Of the environment it tells values that
are settings, and of anything that may be a secret only whether it is set.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cuvisc
from cuvisc.runtime.session import DEVICES, choose_device, open_session, run_session, usable_cores
from cuvisc.schema.catalogue import load
from cuvisc.schema.errors import CuviscError, DeviceError

SETTINGS = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NO_COLOR",
    "CI",
    "MPLBACKEND",
    "WANDB_MODE",
    "LOCAL_RANK",
    "SLURM_NTASKS",
)
"""Variables whose values are settings, and are told."""
PRIVATE = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL", "NETRC", "DATA_ROOT")
"""Variables of which it is told whether they are set, and no more."""
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_NOT_FOR_USERS = ("dev",)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*([^;]*?)\s*(?:;.*extra\s*==\s*['\"]([\w-]+)['\"].*)?")
# y = -x as ONNX: whether a provider computes is found out by computing, and that must not take the onnx package.
_MODEL = bytes.fromhex(
    "08083a320a0b0a017812017922034e65671201675a0f0a0178120a0a0808011204"
    "0a020801620f0a0179120a0a08080112040a02080142040a00100d"
)


@dataclass(frozen=True)
class Package:
    """A package that cuvisc itself (extra "") or one of its extras wants, and the version that is installed.

    `fits` says whether it is a version that is wanted; None where there is none, or nothing to tell it with.
    """

    name: str
    wanted: str
    extra: str
    version: str | None
    fits: bool | None


def examine(device: str | None = None) -> dict[str, Any]:
    """Everything there is to say, as plain data; `problems` are pairs of what is wrong and what to do.

    With a device only that one has to work; without, none but the CPU.
    """
    packages = list(wanted_packages())
    runtimes = {name: version for name in RUNTIMES if (version := version_of(name)) is not None}
    devices = {name: why_not(name) for name in DEVICES if name != "auto"}
    facts: dict[str, Any] = {
        "cuvisc": cuvisc.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": [vars(package) for package in packages],
        "onnxruntime": runtimes,
        "devices": devices,
        "torch": _torch(),
        "threads": {"cores": usable_cores(), "of": os.cpu_count()},
        "blas": _blas(),
        "environment": {name: os.environ.get(name) for name in SETTINGS},
        "private": {name: name in os.environ for name in PRIVATE},
        "folder": _folder(),
    }
    facts["problems"] = list(_problems(facts, packages, device))
    return facts


def why_not(device: str) -> str:
    """Why a device cannot compute here; empty where it did."""
    try:
        choose_device(device)
        import numpy as np

        run_session(open_session(_MODEL, device, threads=1), {"x": np.ones(1, np.float32)})
    except CuviscError as error:
        return str(error).removeprefix(f"--device {device}: ")
    return ""


def wanted_packages() -> Iterator[Package]:
    """What the installed cuvisc says that it and its extras want; nothing where it runs without being installed."""
    try:
        requirements = metadata.requires("cuvisc") or []
    except metadata.PackageNotFoundError:
        return
    for text in requirements:
        name, wanted, extra = _REQUIREMENT.fullmatch(text).groups()  # type: ignore[union-attr] # metadata is valid
        if extra not in _NOT_FOR_USERS:
            version = version_of(name)
            yield Package(name, wanted, extra or "", version, _fits(version, wanted))


def _fits(version: str | None, wanted: str) -> bool | None:
    if version is None:
        return None
    try:
        specifiers = import_module("packaging.specifiers")
    except ImportError:
        return None
    return bool(specifiers.SpecifierSet(wanted).contains(version, prereleases=True))


def version_of(distribution: str) -> str | None:
    """The version of an installed distribution, None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _problems(
    facts: dict[str, Any], packages: Sequence[Package], device: str | None
) -> Iterator[tuple[str, str]]:
    if not packages:
        yield "cuvisc is not installed, it runs from its sources", "pip install '.[train,cpu]'"
    for package in packages:
        if not package.extra and package.version is None:
            yield f"{package.name} is missing", "pip install cuvisc"
        elif package.fits is False:
            fact = f"{package.name} is {package.version}, cuvisc wants {package.wanted}"
            yield fact, f"pip install '{package.name}{package.wanted}'"
    if len(facts["onnxruntime"]) > 1:
        yield (
            "onnxruntime and onnxruntime-gpu are both installed, and each overwrites files of the other",
            "pip uninstall onnxruntime onnxruntime-gpu, then install one: pip install 'cuvisc[gpu]' or 'cuvisc[cpu]'",
        )
    for name in dict.fromkeys(("cpu", device) if device not in (None, "auto") else ("cpu",)):
        if facts["devices"][name]:
            yield f"--device {name} does not work", facts["devices"][name]
    known = load()
    known.complete()
    for problem in known.problems:
        yield problem, "install another version of that package, or none"
    if facts["folder"]["problem"]:
        yield (
            f"{facts['folder']['path']} cannot be written: {facts['folder']['problem']}",
            "change to another folder",
        )


def _torch() -> dict[str, Any] | None:
    """What torch says of GPUs; None where it is not installed."""
    if find_spec("torch") is None:
        return None
    try:
        torch = import_module("torch")
    except (ImportError, OSError) as error:
        return {"problem": f"torch cannot be imported: {error}", "cuda": None, "gpus": []}
    try:
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    except RuntimeError as error:
        return {"problem": str(error).partition("\n")[0], "cuda": torch.version.cuda, "gpus": []}
    return {"problem": "", "cuda": torch.version.cuda, "gpus": gpus}


def _blas() -> str:
    """The BLAS that NumPy was built with."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    found = config.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def _folder() -> dict[str, Any]:
    """Whether runs can be written into this folder, and the bytes that are free there."""
    path, problem = Path(), ""
    try:
        path = Path.cwd()
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"\0")
    except OSError as error:
        problem = error.strerror or str(error)
    try:
        free = shutil.disk_usage(path).free
    except OSError:
        free = None
    return {"path": str(path), "problem": problem, "free": free}


def require(device: str, facts: dict[str, Any]) -> None:
    """Raise :class:`DeviceError` where a device that was asked for does not work."""
    reason = facts["devices"].get(device, "")
    if reason:
        raise DeviceError(f"--device {device}: {reason}")
