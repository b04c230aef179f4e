"""What can be seen of the files that a spec names is said at its place; what cannot be told is not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuvisc.compiler.check import check_graph
from cuvisc.runtime.data.named_files import look_at_files
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_text

ENVI = "ENVI\nsamples = 4\nlines = 4\nbands = 6\n"
READS_MASK = """
nodes:
  rx: {type: RXGlobal}
  head: {type: RXLogitHead}
loss_leaves:
  both: {type: WeightedMultiLoss, child_losses: [{type: AnomalyBCEWithLogits}], weights: [1.0]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.hdr").write_text(ENVI)
        (tmp_path / f"{name}.img").write_bytes(bytes(192))
    return tmp_path


def answers(data: str, text: str = "nodes: {rx: {type: RXGlobal}}") -> list[str]:
    spec, found = load_text(f"{text}\ndatamodule: {{{data}}}\n", "s.yaml", environment={"SECRET": "hidden"})
    assert spec is not None
    graph = check_graph(spec, load(), found)
    look_at_files(spec, graph, load(), found)
    return [f"{one.code} {one.message}" for one in found]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("type: CubeFiles, train: a.hdr, val: b.hdr", []),
        ("type: CubeFiles, train: a.hdr, val: a.hdr", []),
        ("type: CubeFiles, train: a.hdr, val: '**/*.hdr'", []),
        (
            "type: CubeFiles, train: a.hdr, val: c.hdr",
            ["W501 `datamodule.val` finds no file: no `c.hdr` there"],
        ),
        (
            "type: CubeFiles, train: a.hdr, val: [b.hdr, '${oc.env:SECRET}.hdr']",
            ["W501 `datamodule.val` finds no file: no `${oc.env:SECRET}.hdr` there"],
        ),
        ("type: CubeFolder, val: a.hdr, test: b.hdr", []),
        (
            "type: CubeFolder, val: a.hdr, test: '*.hdr'",
            ["W502 `datamodule.test` names a file that `datamodule.val` names too"],
        ),
        ("type: CubeFiles, train: a.hdr, data_dir: nowhere, val: c.hdr", []),
        (
            'type: CubeFiles, train: "a.hdr", val: "a\\0.hdr"',
            ["W501 `datamodule.val` finds no file: no `a\0.hdr` there"],
        ),
    ],
)
def test_lists_are_held_against_the_folder(folder: Path, data: str, found: list[str]) -> None:
    assert answers(data) == found


def test_ground_truth_is_looked_for_where_training_will(folder: Path) -> None:
    nothing = "W501 `datamodule.mask` finds no file: no cube has `{}` beside it"
    assert answers("type: CubeFolder, mask: '{stem}_m.png'") == [nothing.format("{stem}_m.png")]
    (folder / "masks").mkdir()
    (folder / "masks" / "a.png").touch()
    assert answers("type: CubeFolder, mask: 'masks/{stem}.png'") == []
    (folder / "a_m.png").touch()
    assert answers("type: CubeFolder, mask: '{stem}_m.png'") == []
    text = "nodes: {rx: {type: RXGlobal}}\ndatamodule: {type: CubeFolder, mask: '{stem}_n.png'}\n"
    spec, found = load_text(text, "s.yaml", environment={})
    assert spec is not None
    look_at_files(spec, None, load(), found)
    assert [one.help for one in found] == ["did you mean `{stem}_m.png`?"]
    shared = ["W502 `datamodule.mask` names one file for several cubes"]
    assert answers("type: CubeFolder, mask: a_m.png") == shared
    assert answers("type: CubeFolder, mask: a_m.png, files: a.hdr") == []
    assert answers("type: CubeFolder, mask: a_m.png, train: a.hdr") == []
    (folder / "all.json").touch()
    assert answers("type: CubeFolder, labels: all.json") == []


def test_a_loss_that_reads_a_mask_is_told_when_the_files_have_none(folder: Path) -> None:
    fact = (
        "W306 `loss_leaves.both` reads `mask` of every batch, "
        "and the first file of `datamodule.{}` has none beside it"
    )
    assert answers("type: CubeFiles, train: a.hdr", READS_MASK) == [fact.format("train")]
    assert answers("type: CubeFolder", READS_MASK) == [fact.format("files")]
    (folder / "c.npz").touch()
    assert answers("type: CubeFiles, train: c.npz", READS_MASK) == []
    for name in ("a.png", "a_mask.tif", "a_label.hdr"):
        (folder / name).touch()
        assert answers("type: CubeFiles, train: a.hdr", READS_MASK) == []
        (folder / name).unlink()
