"""`cuvisc validate`, `nodes`, `schema` and `explain`, as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import Cuvisc

from cuvisc.schema.catalogue import SCHEMA_PATH, load

GOOD = "nodes:\n  norm: {type: MinMaxNormalizer}\n  rx: {type: RXGlobal}\n"
BAD = "nodes:\n  rx: {type: RXGlobal, epss: 1}\nloss_leafs: {}\n"
BAD_ANSWER = """\
bad.yaml:2:24: error[E101]: `nodes.rx.epss`: unknown parameter of RXGlobal
    2 |   rx: {type: RXGlobal, epss: 1}
      |                        ^^^^ did you mean `eps`?
bad.yaml:3:1: error[E101]: `loss_leafs`: unknown section
    3 | loss_leafs: {}
      | ^^^^^^^^^^ did you mean `loss_leaves`?
2 errors
"""


@pytest.fixture
def cuvisc(cuvisc: Cuvisc) -> Cuvisc:
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text(BAD)
    return cuvisc


def test_a_good_spec(cuvisc: Cuvisc) -> None:
    assert cuvisc("validate", "good.yaml") == (0, "good.yaml: ok  (2 nodes, 0 leaves)\n", "")


def test_a_bad_spec(cuvisc: Cuvisc) -> None:
    assert cuvisc("validate", "bad.yaml") == (2, "", BAD_ANSWER)


def test_several_specs_are_all_checked(cuvisc: Cuvisc) -> None:
    found = cuvisc("validate", "good.yaml", "bad.yaml", "none.yaml")
    assert found == (
        2,
        "good.yaml: ok  (2 nodes, 0 leaves)\n",
        BAD_ANSWER + "error[E001]: `none.yaml`: no such file. there is `bad.yaml`, `good.yaml`\n1 error\n",
    )


def test_overrides_come_after_the_specs(cuvisc: Cuvisc) -> None:
    Path("a=b.yaml").write_text(GOOD)
    assert cuvisc("validate", "a=b.yaml", "nodes.rx.eps=1e-3", "~nodes.norm") == (
        0,
        "a=b.yaml: ok  (1 node, 0 leaves)\n",
        "",
    )
    assert cuvisc("validate", "good.yaml", "nodes.rx.epss=1e-3") == (
        2,
        "",
        (
            "<override>:1:10: error[E021]: override `nodes.rx.epss`: `nodes.rx` has no `epss`\n"
            "    1 | nodes.rx.epss=1e-3\n"
            "      |          ^^^^ did you mean `eps`?\n"
            "1 error\n"
        ),
    )
    assert cuvisc("validate", "nodes.rx.eps=1") == (
        2,
        "",
        "error: name at least one spec file, as in: cuvisc validate specs/rx.yaml\n",
    )


def test_validate_for_programs(cuvisc: Cuvisc) -> None:
    found = cuvisc("validate", "good.yaml", "bad.yaml", "--format", "json")
    good, bad = json.loads(found.out)
    assert (found.code, found.err) == (2, "")
    assert good == {
        "file": "good.yaml",
        "ok": True,
        "part_of": None,
        "nodes": 2,
        "leaves": 0,
        "diagnostics": [],
    }
    assert (bad["file"], bad["ok"], bad["nodes"]) == ("bad.yaml", False, None)
    assert [(entry["code"], entry["line"], entry["column"]) for entry in bad["diagnostics"]] == [
        ("E101", 2, 24),
        ("E101", 3, 1),
    ]


def test_validate_for_github(cuvisc: Cuvisc) -> None:
    assert cuvisc("validate", "bad.yaml", "--format=github") == (
        2,
        (
            "::error title=error[E101],file=bad.yaml,line=2,col=24,endColumn=28::"
            "`nodes.rx.epss`: unknown parameter of RXGlobal. did you mean `eps`?\n"
            "::error title=error[E101],file=bad.yaml,line=3,col=1,endColumn=11::"
            "`loss_leafs`: unknown section. did you mean `loss_leaves`?\n"
        ),
        "",
    )


def test_nodes_lists_every_type(cuvisc: Cuvisc) -> None:
    found = cuvisc("nodes")
    assert (found.code, found.err) == (0, "")
    listed = json.loads(cuvisc("nodes", "--json").out)
    catalogue = load()
    assert {(entry["kind"], entry["name"]) for entry in listed} == {
        (kind, name) for kind in catalogue.kinds for name in catalogue.names(kind)
    }
    assert all(f"  {entry['name']} " in found.out and entry["summary"] in found.out for entry in listed)


def test_nodes_shows_one_type(cuvisc: Cuvisc) -> None:
    page = cuvisc("nodes", "RXGlobal").out
    for piece in (
        "RXGlobal  (node)",
        "\nparameters\n",
        "a number > 0 and < 1, default ",
        "float32[B,H,W,1]",
        "scores",
    ):
        assert piece in page
    assert cuvisc("nodes", "cuvis_ai.anywhere.RXGlobal").out == page
    assert json.loads(cuvisc("nodes", "RXGlobal", "--json").out) == load().definition("node", "RXGlobal")
    assert cuvisc("nodes", "RXGlobl") == (
        2,
        "",
        "error: there is no type `RXGlobl`; did you mean `RXGlobal`?\n",
    )


def test_every_type_has_a_page(cuvisc: Cuvisc) -> None:
    catalogue = load()
    for kind in catalogue.kinds:
        for name in catalogue.names(kind):
            found = cuvisc("nodes", name)
            assert (found.code, found.err) == (0, ""), name
            assert found.out.startswith(f"{name}  ("), name


def test_schema(cuvisc: Cuvisc) -> None:
    assert json.loads(cuvisc("schema").out) == json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    assert cuvisc("schema", "--path").out == f"{SCHEMA_PATH}\n"


def test_explain(cuvisc: Cuvisc) -> None:
    page = cuvisc("explain", "e011")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith("E011: duplicate key\n\nThe same key stands twice")
    assert "E011  duplicate key\n" in cuvisc("explain").out
    assert cuvisc("explain", "E999") == (
        2,
        "",
        "error: there is no code `E999`; `cuvisc explain` lists them all\n",
    )


def test_every_verb_has_help_with_an_example(cuvisc: Cuvisc) -> None:
    listed = cuvisc("--help").out.partition("Commands:\n")[2]
    verbs = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    assert {"validate", "nodes", "schema", "explain"} <= set(verbs)
    for verb in verbs:
        found = cuvisc(verb, "--help")
        assert found.code == 0
        assert "xample" in found.out, verb


def test_version(cuvisc: Cuvisc) -> None:
    from cuvisc import __version__

    assert cuvisc("--version") == (0, f"cuvisc {__version__}\n", "")


def test_a_wrong_parameter_hides_no_wrong_reference(cuvisc: Cuvisc) -> None:
    Path("two.yaml").write_text(
        "nodes:\n"
        "  pca: {type: TrainablePCA, n_componets: 3}\n"
        "  rx: {type: RXGlobal, parent: pcaa}\n"
        "  same: {type: IdentityNormalizer, parent: pca}\n"
        "loss_leaves:\n"
        "  o: {type: OrthogonalityLoss, parent: pca, weigth: 2}\n"
    )
    assert cuvisc("validate", "two.yaml") == (
        2,
        "",
        (
            "two.yaml:2:29: error[E101]: `nodes.pca.n_componets`: unknown parameter of TrainablePCA\n"
            "    2 |   pca: {type: TrainablePCA, n_componets: 3}\n"
            "      |                             ^^^^^^^^^^^ did you mean `n_components`?\n"
            "two.yaml:3:32: error[E301]: `nodes.rx.parent` refers to `pcaa`, which is not a node of this graph\n"
            "    3 |   rx: {type: RXGlobal, parent: pcaa}\n"
            "      |                                ^^^^ did you mean `pca`?\n"
            "two.yaml:6:45: error[E101]: `loss_leaves.o.weigth`: unknown parameter of OrthogonalityLoss\n"
            "    6 |   o: {type: OrthogonalityLoss, parent: pca, weigth: 2}\n"
            "      |                                             ^^^^^^ did you mean `weight`?\n"
            "3 errors\n"
        ),
    )
