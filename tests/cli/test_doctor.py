"""`cuvisc doctor` says what is there, tries what it says that works, and tells no secret."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cli_runs import run
from packaging.requirements import Requirement

from cuvisc.runtime import machine
from cuvisc.schema.errors import DeviceError

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
sys.argv = ["cuvisc", "doctor", "--json"]
from cuvisc.cli.app import main
main()
"""


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *arguments: run(capsys, monkeypatch, "doctor", *arguments)


def test_every_package_of_every_extra_is_told(doctor: Any) -> None:
    found = json.loads(doctor("--json").out)
    told = {(package["extra"], package["name"].lower()) for package in found["packages"]}
    requirements = [Requirement(text) for text in metadata.requires("cuvisc") or []]
    extras = ["", *(metadata.metadata("cuvisc").get_all("Provides-Extra") or [])]
    assert told == {
        (extra, wanted.name.lower())
        for wanted in requirements
        for extra in extras
        if extra != "dev"
        and (wanted.marker.evaluate({"extra": extra}) if wanted.marker is not None else not extra)
    }
    versions = {package["name"]: package["version"] for package in found["packages"]}
    assert versions["numpy"] == metadata.version("numpy")
    assert found["devices"]["cpu"] == ""


def test_no_secret_is_told(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "DATA_ROOT"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    told = doctor()
    assert "hunter2" not in told.out + told.err + doctor("--json").out
    rows = {line.split()[0]: line.split()[1:] for line in told.out.splitlines() if line.startswith("  ")}
    assert rows["WANDB_API_KEY"] == rows["DATA_ROOT"] == ["set"]
    assert rows["NETRC"] == ["unset"]
    assert rows["OMP_NUM_THREADS"] == ["'3'"]


def test_a_device_that_was_asked_for_and_does_not_work_is_exit_5(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(device: str) -> tuple[str, str]:
        if device != "cpu":
            raise DeviceError(f"--device {device}: libcublas.so.13: cannot open shared object file")
        return device, ""

    monkeypatch.setattr(machine, "choose_device", choose)
    assert doctor().code == 0
    assert doctor("--device", "auto").code == 0
    told = doctor("--device", "cuda")
    assert (told.code, told.err) == (
        5,
        "error: --device cuda: libcublas.so.13: cannot open shared object file\n",
    )
    assert told.out.splitlines()[-1] == (
        "problem: --device cuda does not work: libcublas.so.13: cannot open shared object file"
    )


def test_a_provider_that_loads_and_does_not_compute_does_not_work(
    doctor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(session: Any, feeds: Any) -> Any:
        raise DeviceError("CUDAExecutionProvider failed: no kernel image")

    monkeypatch.setattr(machine, "run_session", fail)
    told = doctor("--device", "cpu")
    assert (told.code, told.err) == (
        5,
        "error: --device cpu: CUDAExecutionProvider failed: no kernel image\n",
    )


def test_both_runtimes_at_once_are_a_problem(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "version_of", lambda name: "1.22.0")
    told = doctor()
    assert told.code == 0
    assert (
        "problem: onnxruntime and onnxruntime-gpu are both installed, and each overwrites files of the other: "
        "pip uninstall onnxruntime onnxruntime-gpu, then install one: pip install 'cuvisc[gpu]' or 'cuvisc[cpu]'"
    ) in told.out.splitlines()
    assert "problem: numpy is 1.22.0, cuvisc wants >=2.0: pip install 'numpy>=2.0'" in told.out.splitlines()


def test_a_folder_that_cannot_be_written_is_a_problem(
    doctor: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(dir: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    told = doctor()
    assert told.out.splitlines()[-1] == (
        f"problem: {tmp_path} cannot be written: Permission denied: change to another folder"
    )


def test_an_unknown_device_is_a_wrong_call(doctor: Any) -> None:
    told = doctor("--device", "tpu")
    assert (told.code, told.out, told.err) == (
        2,
        "",
        "error: --device is one of auto, cpu, cuda, tensorrt, got 'tpu'\n",
    )


def test_it_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["torch"] is None
