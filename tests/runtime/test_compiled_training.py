"""Phase 2 through torch.compile trains the same weights, leaves the module as it was, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene

from cuvisc import TrainingConfig
from cuvisc.compiler.lowering import lower
from cuvisc.runtime import compiling
from cuvisc.runtime.training import Run, train
from cuvisc.schema.errors import SpecError


def run(folder: Path, compile: bool) -> Run:
    config = TrainingConfig(compile=compile, trainer={"max_epochs": 2, "accelerator": "cpu"})
    return train(typed(ANOMALY), MemoryScene(), config, run_dir=folder)


# torch hides this warning of its own from users, not from a test that makes errors of warnings.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_compiled_nodes_train_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        seen.append(type(graph).__name__)
        return graph.forward

    monkeypatch.setattr(compiling, "BACKEND", backend)
    plain, fast = run(tmp_path / "plain", False), run(tmp_path / "fast", True)
    assert len(seen) > 1
    for name, value in plain.module.nodes.state_dict().items():
        torch.testing.assert_close(fast.module.nodes.state_dict()[name], value)
    assert all(node._compiled_call_impl is None for node in fast.module.nodes.values())
    assert lower(fast.module).fused.operations


def test_a_machine_that_cannot_compile_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(*_: object) -> None:
        raise RuntimeError("No working C++ compiler found\nwith a long story")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: backend)
    with pytest.raises(SpecError) as caught:
        run(tmp_path, True)
    assert str(caught.value) == (
        "training.compile is true, but torch.compile does not work on this machine: No working C++ compiler found; "
        "install a C++ compiler, or leave it out"
    )
