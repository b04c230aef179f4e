"""`cuvisc check-data` prints a table and findings, the same as JSON, and leaves with 3 when training would fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Cuvisc
from memory_data import ANOMALY
from scene_folders import write_png, write_scenes


@pytest.fixture
def cuvisc(cuvisc: Cuvisc) -> Cuvisc:
    data = "type: CubeFolder, data_dir: data, val: s1.hdr, batch_size: 2, num_workers: 1"
    Path("a.yaml").write_text(f"{ANOMALY}datamodule: {{{data}}}\n", encoding="utf-8")
    return cuvisc


def test_the_table_and_what_is_odd(cuvisc: Cuvisc) -> None:
    cubes, masks = write_scenes(Path("data"), 3, 10)
    write_png(Path("data/s1_mask.png"), np.zeros((10, 10), "u1"))
    found = cuvisc("check-data", "a.yaml")
    assert (found.code, found.err) == (0, "")
    anomalies = int(masks[0].sum() + masks[2].sum())
    values = [f"{value:.5g}" for cube in cubes for value in (cube.min(), cube.max(), cube.mean())]
    lines = found.out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["stage", "samples", "files", "pixels", "anomalous", "share"],
        ["train", "2", "2", "200", str(anomalies), f"{anomalies / 200:.3%}"],
        ["val", "1", "1", "100", "0", "0.000%"],
    ]
    assert [line.split() for line in lines[4:8]] == [
        ["image", "size", "dtype", "min", "max", "mean", "no", "data", "not", "finite", "saturated"],
        *(
            [f"data/s{i}.hdr", "10x10x6", "uint16", *values[3 * i : 3 * i + 3], "0", "0", "0"]
            for i in range(3)
        ),
    ]
    ratio = f"{(200 - anomalies) / anomalies:.3g}"
    assert lines[9].split("; ") == [
        "memory: a batch of 2 x 10x10x6 is 2.4 kB (4.8 kB as float32), loaders hold 7.2 kB",
        "all data is 3.6 kB unpacked",
    ]
    assert lines[10:] == [
        "",
        "warning[balance]: val has no anomalous pixel: AUROC and average precision are not defined there",
        "    another `split_seed`, or lists of files, where some have anomalies",
        f"note[balance]: normal / anomalous in training is {ratio}: a `pos_weight` of that balances the two",
        "no errors, 1 warning",
    ]


def test_the_same_for_programs(cuvisc: Cuvisc) -> None:
    cubes, masks = write_scenes(Path("data"), 3, 10)
    found = json.loads(cuvisc("check-data", "a.yaml", "datamodule.val=s0.hdr", "--json").out)
    assert found["spec"] == "a.yaml"
    assert (found["errors"], found["warnings"]) == (0, 0)
    assert found["stages"]["val"] == {
        "samples": 1,
        "files": 1,
        "pixels": 100,
        "anomalous_pixels": int(masks[0].sum()),
        "ignored_pixels": 0,
        "classes": {},
    }
    assert [image["mean"] for image in found["images"]] == pytest.approx([cube.mean() for cube in cubes])
    assert {finding["severity"] for finding in found["findings"]} == {"note"}


def test_errors_leave_with_3_and_a_wrong_spec_with_2(cuvisc: Cuvisc) -> None:
    found = cuvisc("check-data", "a.yaml")
    assert (found.code, found.err) == (3, "")
    assert found.out.splitlines()[1:] == [
        f"error[reading]: CubeFolder: the folder data does not exist (`data_dir` is relative to {Path.cwd()})",
        "1 error, no warnings",
    ]
    assert json.loads(cuvisc("check-data", "a.yaml", "--json").out)["needs"] is None
    assert cuvisc("check-data", "a.yaml", "datamodule.tile=0").code == 2
    contradiction = cuvisc("check-data", "a.yaml", "datamodule.overlap=4")
    assert contradiction.code == 2
    assert "^ `overlap` is of tiles; give `tile` as well" in contradiction.err


def test_a_scene_that_every_stage_sees_is_told(cuvisc: Cuvisc) -> None:
    Path("b.yaml").write_text(f"{ANOMALY}datamodule: {{type: IndianPines}}\n", encoding="utf-8")
    found = cuvisc("check-data", "b.yaml")
    assert found.code == 0
    warnings = [line for line in found.out.splitlines() if line.startswith("warning")]
    assert warnings == [
        "warning[leak]: val shares 21025 pixels with train, of train image 1",
        "warning[leak]: test shares 21025 pixels with train, of train image 1",
        "warning[leak]: test shares 21025 pixels with val, of train image 1",
    ]
