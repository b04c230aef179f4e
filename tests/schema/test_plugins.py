"""A package that adds types is found through its entry point, and by its header alone: nothing of it is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import plugin_packages
import pytest
from test_import_law import ENVIRONMENT, heavy, imported, run

from cuvisc.schema import catalogue
from cuvisc.schema.catalogue import Catalogue, load
from cuvisc.schema.front_end import load_text
from cuvisc.schema.plugins import find_plugins
from cuvisc.schema.render import render_text

SPEC = """\
graph: {input: {channels: 4}}
nodes:
  mean: {type: MeanRemover}
  ratio: {type: BandRatio, first: 0, second: 3}
"""
OWN = "nodes: {rx: {type: RXGlobal}}\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path in which packages can be installed."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]]))
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


def answer(text: str) -> str:
    """The whole terminal text for a spec, with the catalogue as it is installed now."""
    load.cache_clear()
    return render_text(load_text(text, "s.yaml", environment={})[1])


def test_the_header_in_the_tests_is_what_the_verb_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cuvisc", "schema", "--package", "spectral_extras"],
        cwd=plugin_packages.PROJECT,
        env={**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (plugin_packages.PACKAGE / "cuvisc.schema.json").read_text(encoding="utf-8")


def test_validate_reads_the_header_and_imports_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_packages.install(path)
    (path / "spectral_extras" / "nodes.py").write_text("raise SystemExit('imported')\n")
    (path / "s.yaml").write_text(SPEC)
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", os.environ["PYTHONPATH"])
    modules = imported(run("validate", "s.yaml"), path)
    assert heavy(modules) == set()
    assert not any(name.startswith("spectral_extras") for name in modules)


def test_its_types_are_checked_like_any_other(path: Path) -> None:
    plugin_packages.install(path)
    assert answer(SPEC) == ""
    assert answer(SPEC.replace("BandRatio", "spectral_extras.nodes.BandRatio")) == ""
    assert (
        answer(SPEC.replace("second: 3", "secnd: -3").replace("MeanRemover", "MeanRemove"))
        == """\
s.yaml:3:16: error[E106]: `nodes.mean.type`: there is no node `MeanRemove`
    3 |   mean: {type: MeanRemove}
      |                ^^^^^^^^^^ did you mean `MeanRemover`?
s.yaml:4:38: error[E101]: `nodes.ratio.secnd`: unknown parameter of BandRatio
    4 |   ratio: {type: BandRatio, first: 0, secnd: -3}
      |                                      ^^^^^ did you mean `second`?
2 errors"""
    )


def test_a_package_without_header_is_imported_by_a_child_when_its_types_are_used(path: Path) -> None:
    plugin_packages.install(path, header=False)
    assert answer(OWN) == ""
    assert "node.BandRatio" not in load().schema["$defs"]
    assert answer(SPEC) == ""
    assert "node.BandRatio" in load().schema["$defs"]
    assert "spectral_extras" not in sys.modules


def test_a_package_without_header_costs_nothing_until_then(path: Path) -> None:
    plugin_packages.install(path, header=False)
    (path / "spectral_extras" / "__init__.py").write_text("raise OSError('no licence')\n")
    assert answer(OWN) == ""
    assert answer(SPEC).splitlines()[0] == (
        "warning[W106]: the types of `spectral_extras` are left out: it cannot be imported: OSError: no licence"
    )


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("{", "its cuvisc.schema.json is not JSON"),
        ("[" * 100_000, "its cuvisc.schema.json is not JSON"),
        ("[]", "its cuvisc.schema.json is not a header of format 1"),
        ('{"format": 2, "$defs": {}}', "its cuvisc.schema.json is not a header of format 1"),
        ('{"format": 1}', "its cuvisc.schema.json has no definitions"),
        (
            '{"format": 1, "$defs": {"node.X": 3}}',
            "its cuvisc.schema.json has an unsound definition `node.X`",
        ),
    ],
)
def test_a_damaged_header_is_a_warning(path: Path, header: str, why: str) -> None:
    plugin_packages.install(path, header=header)
    assert answer(OWN) == (
        f"warning[W106]: the types of `spectral_extras` are left out: {why}; "
        "`cuvisc schema --package spectral_extras` writes it anew\n1 warning"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"implementation": "subprocess:Popen"},
        {"implementation": "spectral_extrasX:Popen"},
        {"kind": "callback"},
        {"name": "Other"},
        {"inputs": {"cube": {"type": "float32[B,"}}},
        {"params": ["none"]},
        {"outputs": None},
    ],
    ids=str,
)
def test_a_definition_that_could_mislead_is_refused(path: Path, change: dict[str, object]) -> None:
    header = json.loads((plugin_packages.PACKAGE / "cuvisc.schema.json").read_text())
    header["$defs"]["node.BandRatio"]["x-cuvisc"] |= change
    plugin_packages.install(path, header=json.dumps(header))
    assert "has an unsound definition `node.BandRatio`" in answer(OWN)


def test_a_name_that_is_taken_stays_with_who_had_it_first(path: Path) -> None:
    text = (plugin_packages.PACKAGE / "cuvisc.schema.json").read_text().replace("MeanRemover", "RXGlobal")
    plugin_packages.install(path, header=text)
    assert answer(OWN) == (
        "warning[W106]: `spectral_extras` declares RXGlobal once more: that is left out\n1 warning"
    )
    entry = load().entry("node", "RXGlobal")
    assert entry is not None
    assert entry["implementation"] == "cuvisc.nodes.rx:RXGlobal"
    assert load().entry("node", "BandRatio") is not None


def test_editors_are_offered_its_types(path: Path) -> None:
    plugin_packages.install(path)
    load.cache_clear()
    own = Catalogue(json.loads(catalogue.SCHEMA_PATH.read_text()))
    schema = load().schema
    offered = schema["$defs"]["node"]["properties"]["type"]["enum"]
    assert set(offered) == {*own.names("node"), "BandRatio", "MeanRemover"}
    assert {"$ref": "#/$defs/node.BandRatio"} in [case["then"] for case in schema["$defs"]["node"]["allOf"]]


def test_distributions_are_found_as_installers_write_them(tmp_path: Path) -> None:
    plugin_packages.install(tmp_path / "first")
    plugin_packages.install(tmp_path / "second", header=False)
    (tmp_path / "second" / "broken-1.dist-info").mkdir()
    (tmp_path / "second" / "binary-1.dist-info").mkdir()
    (tmp_path / "second" / "binary-1.dist-info" / "entry_points.txt").write_bytes(
        b"\xff[cuvisc.nodes]\na=b\n"
    )
    plugin_packages.announce(tmp_path / "second", "not a module")
    plugin_packages.announce(tmp_path / "second", "missing")
    found = find_plugins([str(tmp_path / name) for name in ("none", "first", "second")])
    assert [(plugin.package, plugin.header is not None) for plugin in found] == [
        ("spectral_extras", True),
        ("missing", False),
    ]
