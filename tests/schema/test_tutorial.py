"""The configuration that the phase 3 tutorial prints is a spec, as printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cuvisc.compiler.check import check_graph
from cuvisc.schema.catalogue import load
from cuvisc.schema.front_end import load_spec
from cuvisc.schema.render import render_text

PRINTED = """\
defaults:
  - general
  - _self_

graph:
  name: trainable_pca

nodes:
  normalizer:
    _target_: cuvis_ai.normalization.normalization.MinMaxNormalizer
    eps: 1.0e-6
  
  pca:
    _target_: cuvis_ai.node.pca.TrainablePCA
    n_components: 3
    trainable: true
    whiten: false

loss_leaves:
  orthogonality_loss:
    _target_: cuvis_ai.training.losses.OrthogonalityLoss
    weight: 1.0

metric_leaves:
  explained_variance:
    _target_: cuvis_ai.training.metrics.ExplainedVarianceMetric
  
  component_orthogonality:
    _target_: cuvis_ai.training.metrics.ComponentOrthogonalityMetric

monitoring:
  dummy:
    _target_: cuvis_ai.training.monitors.DummyMonitor
    output_dir: ./outputs/artifacts
  
  wandb:
    enabled: false
    _target_: cuvis_ai.training.monitors.WandBMonitor
    project: cuvis_ai_phase3
    name: trainable_pca_experiment

datamodule:
  _target_: cuvis_ai.data.lentils_anomaly.LentilsAnomaly
  data_dir: ${oc.env:DATA_ROOT,./data/Lentils}
  batch_size: 4
  num_workers: 0

training:
  seed: 42
  trainer:
    max_epochs: 10
    accelerator: auto
    devices: 1
    precision: "32"
    log_every_n_steps: 10
  optimizer:
    name: adam
    lr: 0.001
    weight_decay: 0.0
"""  # noqa: W293 - as printed


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["training.trainer.max_epochs=20", "training.optimizer.lr=0.01"],
        ["training.trainer.precision=16-mixed"],
        ["monitoring.wandb.enabled=true"],
    ],
    ids=["as printed", "longer", "mixed precision", "with W&B"],
)
def test_the_printed_configuration_compiles(overrides: list[str], tmp_path: Path) -> None:
    (tmp_path / "trainable_pca.yaml").write_text(PRINTED)
    (tmp_path / "general.yaml").write_text("training: {seed: 1, trainer: {max_epochs: 1}}\n")
    spec, diagnostics = load_spec(tmp_path / "trainable_pca.yaml", overrides, environment={})
    assert render_text(diagnostics) == ""
    assert spec is not None
    assert [node.type for node in spec.nodes] == ["MinMaxNormalizer", "TrainablePCA"]
    assert [monitor.id for monitor in spec.monitors] == ["dummy", "wandb"][: 1 + ("wandb" in str(overrides))]
    assert spec.training["seed"] == 42
    assert spec.datamodule is not None
    assert spec.datamodule.params["data_dir"] == "./data/Lentils"
    graph = check_graph(spec, load(), diagnostics)
    assert not diagnostics.has_errors, render_text(diagnostics)
    assert graph is not None
    assert len(graph.leaves) == 3
