"""`cuvisc bench` runs the artifact on this machine and says what it measured, for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Cuvisc
from small_artifacts import write_artifact

SHOWN = r"""random numbers: 512x512x5 uint16, median of 2 rounds
one thread reads \S+ GB/s of memory
CPUExecutionProvider: \S+ Mpixel/s ±\d+%, \S+ ms for 65536 pixels, \S+ GB/s, \d+% of reading
peak memory \d+ MB
"""


@pytest.fixture
def cuvisc(cuvisc: Cuvisc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cuvisc:
    monkeypatch.setattr("cuvisc.runtime.throughput._BYTES", 2**22)
    write_artifact(tmp_path / "artifact")
    return cuvisc


def test_without_a_cube_random_numbers_are_run(cuvisc: Cuvisc) -> None:
    found = cuvisc("bench", "artifact", "--device", "cpu", "--rounds", "2")
    assert (found.code, found.err) == (0, "")
    rows = 2**22 // (512 * 5 * 2)
    assert re.fullmatch(SHOWN.replace("512x512", f"{min(512, rows)}x512"), found.out)


@pytest.mark.parametrize("shape", [(7, 9, 5), (2, 7, 9, 5), (63, 5), (3000, 200, 5)])
def test_of_a_cube_the_first_rows_are_run(cuvisc: Cuvisc, tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "scene.npy", np.zeros(shape, np.uint16))
    found = cuvisc(
        "bench", "artifact", "scene.npy", "--device", "cpu", "--rounds", "1", "--json", "--threads", "1"
    )
    said = json.loads(found.out)
    assert said["cube"] == "scene.npy"
    whole = {2: (63, 1, 5), 3: shape, 4: shape[1:]}[len(shape)]
    assert tuple(said["shape"]) == (min(whole[0], 2**22 // (whole[1] * 10)), *whole[1:])
    assert (said["dtype"], said["threads"], said["rounds"]) == ("uint16", 1, 1)
    (device,) = said["devices"]
    assert (device["device"], device["provider"]) == ("cpu", "CPUExecutionProvider")
    pixels = np.prod(said["shape"][:2])
    assert device["gigabytes_per_second"] == pytest.approx(device["mpixels_per_second"] * 10 / 1e3)
    assert device["share_of_reading"] == pytest.approx(device["gigabytes_per_second"] / said["reading"])
    assert device["strip_pixels"] <= pixels


def test_a_device_that_is_not_there_is_an_error(cuvisc: Cuvisc) -> None:
    found = cuvisc("bench", "artifact", "--device", "tensorrt")
    assert found.code == 5
    assert found.err.startswith("error: --device tensorrt: ")


def test_a_cube_with_other_bands_is_refused(cuvisc: Cuvisc, tmp_path: Path) -> None:
    np.save(tmp_path / "scene.npy", np.zeros((4, 4, 6), np.uint16))
    found = cuvisc("bench", "artifact", "scene.npy", "--device", "cpu")
    assert found.code == 3
    assert "6 bands" in found.err
