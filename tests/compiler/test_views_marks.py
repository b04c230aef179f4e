"""Every drawing says which node blocks which target, and why."""

from __future__ import annotations

from xml.etree import ElementTree

from small_language import checked

from cuvisc.compiler.views.marks import marks_of
from cuvisc.compiler.views.mermaid import draw_mermaid
from cuvisc.compiler.views.summary import Summary
from cuvisc.compiler.views.svg import draw_svg
from cuvisc.compiler.views.text import draw_text

REASON = "it factors a matrix for every image"
SVG = "{http://www.w3.org/2000/svg}"


def summary(outputs: str) -> Summary:
    return Summary(
        checked(
            f"graph: {{outputs: [{outputs}]}}\nnodes: {{local: {{type: Local}}, rx: {{type: RX, parent: input}}}}"
        )
    )


def test_a_node_that_blocks_a_target_is_named_with_its_reason() -> None:
    shown = summary("local, rx")
    assert f"  local blocks onnx: {REASON}\n" in draw_text(shown)
    assert "every target" not in draw_text(shown)
    assert list(marks_of(shown, "local")) == ["blocks onnx"]
    mermaid = draw_mermaid(shown)
    assert "  class n0 blocked\n" in mermaid
    assert mermaid.endswith(f"\n  %% local blocks onnx: {REASON}")
    drawing = ElementTree.fromstring(draw_svg(shown))
    assert [box.attrib["class"] for box in drawing.iter(f"{SVG}rect")].count("blocked") == 1
    assert "blocks onnx" in [text.text for text in drawing.iter(f"{SVG}text")]
    assert shown.as_dict()["export"] == {
        "folds": [],
        "leaves_out": [],
        "blocked": [{"node": "local", "target": "onnx", "reason": REASON}],
    }


def test_a_node_that_an_export_leaves_out_blocks_nothing() -> None:
    shown = summary("rx")
    assert shown.blocked == ()
    assert list(marks_of(shown, "local")) == ["left out of an export"]
