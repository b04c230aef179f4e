"""What is kept of frozen nodes saves work and changes nothing, whatever the data does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fitted_graphs import typed
from lightning.pytorch.callbacks import Callback
from memory_data import ANOMALY, MemoryScene, scene

from cuvisc import TrainingConfig
from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.module import CompiledGraph, build_module
from cuvisc.compiler.plan import plan_statistics
from cuvisc.language.declare import In, Out
from cuvisc.language.node import Node
from cuvisc.nodes import MinMaxNormalizer, TrainablePCA
from cuvisc.runtime.frozen import FrozenValues, memory_limit
from cuvisc.runtime.statistics import fit_statistics
from cuvisc.runtime.training import Run, train

HEAD = ANOMALY.replace(", trainable: true", "").replace(
    "  orthogonality: {type: OrthogonalityLoss, parent: pca}", ""
)
SCORES = ValueRef("rx", "scores")
NORMALIZED = ValueRef("normalizer", "normalized")


def config(cache: str, **trainer: Any) -> TrainingConfig:
    return TrainingConfig(
        cache=cache, trainer={"max_epochs": 4, "accelerator": "cpu", **trainer}, optimizer={"lr": 0.05}
    )


def run(folder: Path, cache: str, text: str = ANOMALY, data: Any = None, **trainer: Any) -> Run:
    return train(typed(text), data or MemoryScene(), config(cache, **trainer), run_dir=folder)


def assert_same(one: Run, other: Run) -> None:
    files = [(done.folder / "weights.safetensors").read_bytes() for done in (one, other)]
    assert files[0] == files[1]
    lines = [
        [
            {name: value for name, value in json.loads(line).items() if name != "time"}
            for line in (done.folder / "metrics.jsonl").read_text().splitlines()
        ]
        for done in (one, other)
    ]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("text", [ANOMALY, HEAD], ids=["first node frozen", "head alone is trained"])
@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_a_training_is_the_same_bit_for_bit(tmp_path: Path, text: str, precision: str) -> None:
    runs = [run(tmp_path / cache, cache, text, precision=precision) for cache in ("off", "auto", "memory")]
    assert_same(runs[0], runs[1])
    assert_same(runs[0], runs[2])


@pytest.mark.parametrize(
    ("text", "cache", "times"),
    [
        (HEAD, "auto", 5),
        (ANOMALY, "memory", 5),
        (ANOMALY, "auto", 4 * (5 + 5)),  # a gain a band takes no longer than to recognise an image
        (ANOMALY, "off", 4 * (5 + 5)),
    ],
    ids=["much frozen", "little frozen, kept", "little frozen", "off"],
)
def test_every_image_is_normalized_once_where_that_saves_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cache: str, times: int
) -> None:
    images: list[int] = []
    counts: list[int] = []
    forward = MinMaxNormalizer.forward

    def counted(self: Any, cube: Any) -> Any:
        if isinstance(cube, torch.Tensor) and cube.shape[1:3] == (12, 12):
            images.append(len(cube))
        return forward(self, cube)

    monkeypatch.setattr(MinMaxNormalizer, "forward", counted)

    class Phase2(Callback):
        def on_train_start(self, *_: Any) -> None:
            images.clear()

        def on_train_end(self, *_: Any) -> None:
            counts.append(sum(images))

    run(tmp_path, cache, text, callbacks=[Phase2()])
    assert counts == [times]


def test_images_are_kept_without_a_validation_too(tmp_path: Path) -> None:
    kept: list[int] = []

    class Watch(Callback):
        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            kept.append(module._evaluate.frozen.memory.hits)

    run(tmp_path, "auto", HEAD, callbacks=[Watch()], limit_val_batches=0)
    assert kept == [0, 5, 5, 5]


class Augmented(MemoryScene):
    """Images that are never the same twice."""

    def samples(self, stage: Any) -> Any:
        held = super().samples(stage)

        class Samples(torch.utils.data.Dataset[Any]):
            def __len__(self) -> int:
                return len(held)

            def __getitem__(self, index: int) -> Any:
                cube = held[index]["cube"].float()
                return {**held[index], "cube": cube + torch.rand(())}

        return Samples()


def test_augmentation_is_never_answered_from_memory(tmp_path: Path) -> None:
    assert_same(
        run(tmp_path / "off", "off", data=Augmented()), run(tmp_path / "auto", "auto", data=Augmented())
    )


def fitted(text: str = HEAD) -> tuple[CompiledGraph, torch.Tensor]:
    graph = typed(text)
    module = build_module(graph)
    loader = MemoryScene().val_dataloader()
    fit_statistics(module, plan_statistics(graph), lambda: loader)
    return module, torch.from_numpy(scene()[0])


def test_data_that_never_repeats_is_given_up() -> None:
    module, cube = fitted()
    frozen = FrozenValues(module, ("head",), None)
    for epoch in range(3):
        frozen.memory.start_epoch()
        frozen(cube.float() + epoch, {SCORES})
    assert not len(frozen.memory)
    frozen(cube, {SCORES})
    assert not len(frozen.memory)


def test_what_is_kept_stays_within_its_limit() -> None:
    module, cube = fitted()
    one = cube[:1].numel() * 2 + 12 * 12 * 4
    frozen = FrozenValues(module, ("head",), 2 * one + 1)
    for _ in range(2):
        found = frozen(cube, {SCORES})[SCORES]
    assert frozen.memory.hits == 2
    assert torch.equal(found, torch.cat([module.evaluate(image)[SCORES] for image in cube.split(1)]))


def test_one_other_pixel_is_another_image() -> None:
    module, cube = fitted()
    frozen = FrozenValues(module, ("head",), None)
    before = frozen(cube, {SCORES})[SCORES]
    changed = cube.clone()
    changed[3, 7, 5, 2] = 7
    after = frozen(changed, {SCORES})[SCORES]
    assert frozen.memory.hits == 4
    assert (before != after).nonzero().tolist() == [[3, 7, 5, 0]]


def test_a_value_that_someone_wrote_into_is_computed_anew() -> None:
    module, cube = fitted()
    frozen = FrozenValues(module, ("head",), None)
    first = frozen(cube[:1], {NORMALIZED})[NORMALIZED]
    wanted = first.clone()
    first.zero_()
    assert torch.equal(frozen(cube[:1], {NORMALIZED})[NORMALIZED], wanted)


def test_state_that_changes_is_noticed() -> None:
    module, cube = fitted()
    frozen = FrozenValues(module, ("head",), None)
    frozen(cube, {SCORES})
    with torch.no_grad():
        module.node("rx").mu.add_(0.5)
    wanted = torch.cat([module.evaluate(image)[SCORES] for image in cube.split(1)])
    assert torch.equal(frozen(cube, {SCORES})[SCORES], wanted)


def test_values_of_a_validation_serve_a_training() -> None:
    module, cube = fitted()
    frozen = FrozenValues(module, ("head",), None)
    with torch.inference_mode():
        frozen(cube.clone(), {NORMALIZED})
    kept = frozen(cube, {NORMALIZED})[NORMALIZED]
    assert frozen.memory.hits == 5
    weight = torch.ones(cube.shape[-1], 1, requires_grad=True)
    (kept @ weight).sum().backward()


class Noise(Node):
    """The cube and noise."""

    cube = In("float32[B,H,W,C]", "spectra")
    noisy = Out("float32[B,H,W,C]", "spectra with noise")

    def forward(self, cube: Any) -> Any:
        return cube + torch.rand_like(cube)


def test_only_nodes_that_do_the_same_in_every_epoch_are_kept() -> None:
    text = """
    nodes:
      selector: {type: SoftChannelSelector, n_select: 2, trainable: false}
      after: {type: StandardNormalizer}
      noise: {type: Noise, parent: input}
      rx: {type: RXGlobal}
      first: {type: MinMaxNormalizer, parent: input}
      pca: {type: TrainablePCA, n_components: 2}
    """
    graph = typed(text, (Noise,))
    assert FrozenValues(build_module(graph), (), None).nodes == {"first", "pca"}
    assert FrozenValues(build_module(graph), ("pca",), None).nodes == {"first"}


def test_limits_are_what_was_chosen() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert (memory_limit("off", cpu), memory_limit("memory", cpu)) == (0, None)
    assert (memory_limit("auto", gpu), memory_limit("memory", gpu)) == (0, None)
    free = memory_limit("auto", cpu)
    assert free is not None
    assert free > 0


def test_a_loss_of_parameters_alone_computes_no_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    graph: {name: small}
    nodes:
      normalizer: {type: MinMaxNormalizer}
      pca: {type: TrainablePCA, n_components: 3, trainable: true}
    loss_leaves: {orthogonality: {type: OrthogonalityLoss}}
    metric_leaves: {components: {type: ComponentOrthogonalityMetric}}
    """

    def refuse(self: Any, cube: Any) -> Any:
        raise AssertionError("a pixel was projected")

    monkeypatch.setattr(TrainablePCA, "forward", refuse)
    done = run(tmp_path, "auto", text)
    assert done.facts["trained"] == ["pca"]
    assert set(done.facts["metrics"]) >= {"val/loss/orthogonality", "val/metric/orthogonality_error"}


SELECTED = """
graph: {{name: small}}
nodes:
  normalizer: {{type: MinMaxNormalizer}}
  selector: {{type: SoftChannelSelector, n_select: 2, init_method: variance{frozen}}}
  rx: {{type: RXGlobal}}
  head: {{type: RXLogitHead, parent: rx}}
  pca: {{type: TrainablePCA, parent: normalizer, n_components: 2, trainable: true}}
loss_leaves: {{{loss}: {{type: {loss}}}}}
metric_leaves: {{scores: {{type: ScoreStatisticsMetric, parent: rx}}}}
"""


@pytest.mark.parametrize(
    ("frozen", "loss"),
    [(", trainable: false", "AnomalyBCEWithLogits"), ("", "OrthogonalityLoss")],
    ids=["by its parameter", "no loss reaches it"],
)
def test_a_selector_that_is_not_trained_stays_as_phase_one_left_it(
    tmp_path: Path, frozen: str, loss: str
) -> None:
    """Its temperature too: the background of RX was fitted to the weights that this temperature gives."""
    text = SELECTED.format(frozen=frozen, loss=loss)
    fitted = run(tmp_path / "fitted", "off", text, max_epochs=0)
    trained = run(tmp_path / "trained", "off", text)
    assert "selector" not in trained.facts["trained"]
    names = [name for name in fitted.facts["metrics"] if "score_" in name]
    assert len(names) == 8
    for name in names:
        assert trained.facts["metrics"][name] == fitted.facts["metrics"][name], name
