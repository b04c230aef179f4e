"""A loss that compares an output with the cube stands on an output of as many bands, where both numbers are known."""

from __future__ import annotations

import pytest

from cuvisc.compiler.check import check_graph
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_text

MSE = "{type: MSEReconstructionLoss"
MULTI = "{type: WeightedMultiLoss, child_losses: [{type: MSEReconstructionLoss}]"


def parent_of(loss: str, channels: int | None) -> str:
    """The value that the loss is attached to, or why it is not."""
    known = f"graph: {{input: {{channels: {channels}}}}}\n" if channels else ""
    text = f"""{known}
nodes:
  pca: {{type: TrainablePCA, n_components: 3, trainable: true}}
  decoder: {{type: LinearDecoder, inputs: {{codes: pca, cube: input}}}}
loss_leaves: {{loss: {loss}}}
"""
    spec, diagnostics = load_text(text, "s.yaml", catalogue=load(), environment={})
    assert spec is not None
    graph = check_graph(spec, load(), diagnostics)
    found = [finding.message for finding in diagnostics]
    return str(graph.leaves[0].parent) if graph is not None else found[0]


@pytest.mark.parametrize("loss", [MSE, MULTI])
def test_another_width_than_the_cube(loss: str) -> None:
    assert parent_of(f"{loss}, parent: pca}}", 61) == (
        "`loss_leaves.loss` cannot stand on `pca.scores`: MSEReconstructionLoss compares it with the cube, of 61 "
        "bands, and it is float32[B,H,W,3]"
    )
    assert parent_of(f"{loss}, parent: decoder}}", 61) == "decoder.reconstruction"
    assert parent_of(f"{loss}, parent: pca}}", 3) == "pca.scores"


@pytest.mark.parametrize("channels", [61, None])
def test_the_one_output_that_is_as_wide_as_the_cube_is_found(channels: int | None) -> None:
    assert parent_of(f"{MSE}}}", channels) == "decoder.reconstruction"


def test_a_width_that_the_data_may_yet_tell() -> None:
    assert parent_of(f"{MSE}, parent: pca}}", None) == "pca.scores"


def test_labels_have_one_band() -> None:
    assert parent_of(f"{MSE}, use_labels_as_target: true, parent: pca}}", None) == (
        "`loss_leaves.loss` cannot stand on `pca.scores`: MSEReconstructionLoss wants float32[B,H,W,1], and it is "
        "float32[B,H,W,3]"
    )
