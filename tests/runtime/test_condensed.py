"""A few pixels with the mean and covariance of an image train a linear reconstruction as all of them do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from memory_data import MemoryScene

from cuvisc import TrainingConfig
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.compiler.plan import plan_statistics
from cuvisc.language.leaf import LossNode
from cuvisc.leaves import MSEReconstructionLoss
from cuvisc.runtime.attached import attach_leaves, of_kind
from cuvisc.runtime.condensed import CondensedBatches, of_moments
from cuvisc.runtime.statistics import fit_statistics
from cuvisc.runtime.training import train

BANDS = 7
READING = "  reconstruction: {type: MSEReconstructionLoss, parent: decoder, weight: 2.0}\n"
LINEAR = f"""
nodes:
  normalizer: {{type: StandardNormalizer}}
  pca: {{type: TrainablePCA, n_components: 3, trainable: true}}
  decoder: {{type: LinearDecoder, inputs: {{codes: pca, cube: input}}}}
loss_leaves:
{READING}  orthogonality: {{type: OrthogonalityLoss, parent: pca}}
"""
OTHERS = {
    "a sum": LINEAR.replace("weight: 2.0", "reduction: sum"),
    "labels": LINEAR.replace("weight: 2.0", "use_labels_as_target: true"),
    "no pixel is read": LINEAR.replace(
        "  reconstruction: {type: MSEReconstructionLoss, parent: decoder, weight: 2.0}\n", ""
    ),
    "a node that is not affine": LINEAR.replace("StandardNormalizer", "SigmoidNormalizer"),
    "a mask": LINEAR.replace("nodes:\n", "nodes:\n  nodata: {type: NoDataMask, nodata: 0.0}\n"),
    "a loss of every pixel": LINEAR.replace(
        "  orthogonality", "  spread: {type: ScoreSpread, parent: pca}\n  orthogonality"
    ),
}


class ScoreSpread(LossNode):
    """Mean absolute value: no function of mean and covariance."""

    def compute_loss(self, parent_output: Any, batch: Any) -> Any:
        return self.weight * parent_output.abs().mean()


def images(offset: float = 0.0) -> Any:
    random = np.random.default_rng(3)
    mixed = random.normal(size=(4, 12, 12, 4)) @ random.normal(size=(4, BANDS))
    noisy = mixed + 0.1 * random.normal(size=(4, 12, 12, BANDS))
    return (offset + noisy).astype(np.float32)


def data(cubes: Any) -> MemoryScene:
    return MemoryScene(cubes, np.zeros(cubes.shape[:3], np.uint8), batch_size=2)


def fitted(text: str, cubes: Any) -> tuple[CompiledGraph, Any]:
    graph = typed(text, (ScoreSpread,))
    module = build_module(graph)
    loader = data(cubes).train_dataloader()
    fit_statistics(module, plan_statistics(graph), lambda: loader)
    return module, of_kind(attach_leaves(module, {}), LossNode)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_are_those_of_all_pixels(offset: float) -> None:
    cubes = images(offset)
    batch = CondensedBatches(None)({"cube": torch.from_numpy(cubes), "mask": torch.zeros(4, 12, 12)})
    assert list(batch) == ["cube"]
    assert batch["cube"].shape == (4, 1, 2 * BANDS, BANDS)
    for few, all_pixels in zip(batch["cube"].double().numpy(), cubes.astype(np.float64), strict=True):
        few, all_pixels = few.reshape(-1, BANDS), all_pixels.reshape(-1, BANDS)
        np.testing.assert_allclose(few.mean(0), all_pixels.mean(0), rtol=1e-6, atol=1e-7)
        scale = 1e-6 if offset == 0 else 1e-3
        np.testing.assert_allclose(
            np.cov(few.T, bias=True), np.cov(all_pixels.T, bias=True), atol=scale * all_pixels.var()
        )


def test_loss_and_gradients_are_those_of_all_pixels() -> None:
    cubes = images()
    module, losses = fitted(LINEAR, cubes)
    module.prepare_for_train()
    module.train()
    assert of_moments(module, losses)
    assert module.training
    whole: dict[str, Any] = {"cube": torch.from_numpy(cubes)}
    found = []
    for batch in (whole, CondensedBatches(None)(whole)):
        module.zero_grad()
        values = module.evaluate(batch["cube"], {ref for attached, _ in losses for ref in attached.needed})
        total = sum(loss.compute_loss(a.output(values), a.batch(batch, values)) for a, loss in losses)
        total.backward()
        gradients = [p.grad.clone() for p in module.parameters() if p.grad is not None]
        found.append((total.detach(), gradients))
    (one, gradients), (other, few) = found
    torch.testing.assert_close(other, one, rtol=1e-5, atol=0)
    assert len(gradients) == 3
    for whole_one, few_one in zip(gradients, few, strict=True):
        torch.testing.assert_close(few_one, whole_one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
def test_what_depends_on_more_is_left_as_it_is(text: str) -> None:
    assert not of_moments(*fitted(text, images()))


def test_batches_that_lack_data_or_pixels_stay_as_they_are() -> None:
    condensed = CondensedBatches(None)
    lacking = images()
    lacking[1, 2, 3, 4] = np.nan
    for cube in (lacking, images()[:, :4, :4]):
        batch = {"cube": torch.from_numpy(cube), "mask": torch.zeros(cube.shape[:3])}
        assert condensed(batch) is batch
    batch = {"cube": torch.from_numpy(images())}
    assert CondensedBatches(0)(batch) is batch


def test_a_training_is_the_same_to_rounding_and_sees_few_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    compute = MSEReconstructionLoss.compute_loss

    def counted(self: Any, parent_output: Any, batch: Any) -> Any:
        if torch.is_grad_enabled():
            seen.append(parent_output.shape[1] * parent_output.shape[2])
        return compute(self, parent_output, batch)

    monkeypatch.setattr(MSEReconstructionLoss, "compute_loss", counted)
    weights, metrics, counts = [], [], []
    for cache in ("off", "auto"):
        seen.clear()
        config = TrainingConfig(
            cache=cache, trainer={"max_epochs": 4, "accelerator": "cpu"}, optimizer={"lr": 0.01}
        )
        done = train(typed(LINEAR), data(images()), config, run_dir=tmp_path / cache)
        weights.append({name: value.double() for name, value in done.module.state_dict().items()})
        metrics.append(done.facts["metrics"]["train/loss/total"])
        counts.append(set(seen))
    assert counts == [{144}, {2 * BANDS}]
    assert metrics[1] == pytest.approx(metrics[0], rel=1e-4)
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4)
