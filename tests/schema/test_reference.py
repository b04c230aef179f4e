"""docs/reference.md says everything that is declared, and is fresh."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cuvisc.schema.catalogue import load
from cuvisc.schema.reference import write_reference

ROOT = Path(__file__).parents[2]
CATALOGUE = load()
PAGE = write_reference(CATALOGUE)
TYPES = [(kind, name) for kind in CATALOGUE.kinds for name in CATALOGUE.names(kind)]


def entry(name: str) -> str:
    """The part of the page under one heading."""
    (text,) = re.findall(rf"^### {re.escape(name)}\n(.*?)(?=^##|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    return str(text)


def test_the_page_is_fresh() -> None:
    written = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == PAGE, "python -m cuvisc.schema.reference writes it anew"


@pytest.mark.parametrize(("kind", "name"), TYPES, ids=[name for _, name in TYPES])
def test_every_declared_fact_is_there(kind: str, name: str) -> None:
    text = entry(name)
    definition = CATALOGUE.definition(kind, name)
    assert definition is not None
    facts = definition["x-cuvisc"]
    written = re.sub(r"[`\\]", "", text)
    for word in definition["description"].replace("`", "").split():
        assert word in written
    for parameter in facts["params"]:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{parameter}` |")]
        schema = definition["properties"][parameter]
        assert ("required" in row) == (parameter in definition["required"])
        if isinstance(schema.get("default"), (int, float)) and not isinstance(schema["default"], bool):
            assert f"`{schema['default']}`" in row
    for side in ("inputs", "outputs", "state"):
        for port, declared in facts.get(side, {}).items():
            assert f"| `{port}` |" in text
            if isinstance(declared["type"], str):
                assert f"`{declared['type']}`" in text
    for alias in facts["aliases"]:
        assert f"`{alias}`" in text
    (source,) = re.findall(r"^- source: `(.*)`$", text, flags=re.MULTILINE)
    assert (ROOT / source).exists()


def test_links_lead_to_entries() -> None:
    anchors = {heading.lower() for heading in re.findall(r"^#{2,3} (.*)$", PAGE, flags=re.MULTILINE)}
    links = re.findall(r"\]\(#(.*?)\)", PAGE)
    assert len(links) == len(TYPES) + 1
    assert anchors.issuperset(links)


def test_tables_have_as_many_cells_in_every_row() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, flags=re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table


def test_options_of_training_are_there() -> None:
    assert "| `max_epochs` |" in entry("training.trainer")
    assert "| `lr` |" in entry("training.optimizer")
    scheduler = entry("training.optimizer.scheduler")
    assert "| `patience` |" in scheduler
    assert "| `pct_start` |" in scheduler
    kinds = "reduce_on_plateau, cosine, step, exponential, one_cycle, none"
    assert f"| `name` | one of {kinds} | `reduce_on_plateau` | kind of scheduler |" in scheduler


CLASSES = """
Decide for the class of the largest value, or of the smallest with `use_min`.

```text
class = argmax_c x_c, counted from 0, the first where several are equal; NaN never wins
```

| parameter | value | default | meaning |
| --- | --- | --- | --- |
| `class_count` | a whole number >= 1 | required | number of classes, one band each |
| `use_min` | true or false | `false` | the smallest value wins, as with distances |

| input | type | meaning |
| --- | --- | --- |
| `values` | `float32[B,H,W,class_count]` | one value for every class |

| output | type | unit | meaning |
| --- | --- | --- | --- |
| `classes` | `int32[B,H,W,1]` | classes | class index from 0 |

- source: `cuvisc/nodes/decider.py`
- also: `cuvis_ai.deciders.multi_class_decider.MultiClassDecider`

"""


def test_the_entry_of_a_type_as_a_whole() -> None:
    assert entry("MultiClassDecider") == CLASSES
