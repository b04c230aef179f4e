"""Phase 1 on two processes fits what one process fits; no sample is read twice to make the shares even."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene
from torch.utils.data import DataLoader, SubsetRandomSampler, WeightedRandomSampler

from cuvisc.compiler.module import build_module
from cuvisc.compiler.plan import Share, plan_statistics
from cuvisc.runtime.batches import phase_one_batches
from cuvisc.runtime.sample import PixelSample
from cuvisc.runtime.statistics import fit_statistics

RANK = """
import sys
from pathlib import Path
import numpy as np
import torch
sys.path.insert(0, sys.argv[1])
from fitted_graphs import typed
from memory_data import ANOMALY, MemoryScene
from cuvisc.compiler.module import build_module
from cuvisc.compiler.plan import plan_statistics
from cuvisc.runtime.batches import phase_one_batches
from cuvisc.runtime.ranks import rank_and_world
from cuvisc.runtime.statistics import fit_statistics

folder, rank = Path(sys.argv[2]), int(sys.argv[3])
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
module = build_module(typed(ANOMALY))
batches = phase_one_batches(MemoryScene().train_dataloader(), *rank_and_world())
fit = fit_statistics(module, plan_statistics(module.graph), lambda: batches)
state = {name: value.numpy() for name, value in module.nodes.state_dict().items()}
np.savez(folder / f"{rank}.npz", sample=fit.profile.sample, count=fit.profile.moments.count, **state)
torch.distributed.destroy_process_group()
"""


def test_two_processes_fit_what_one_fits(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", RANK, str(tests), str(tmp_path)]
    ranks = [subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True) for rank in (0, 1)]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    alone = build_module(typed(ANOMALY))
    batches = phase_one_batches(MemoryScene().train_dataloader())
    fit = fit_statistics(alone, plan_statistics(alone.graph), lambda: batches)
    with np.load(tmp_path / "0.npz") as first, np.load(tmp_path / "1.npz") as second:
        assert first["count"] == second["count"] == fit.profile.moments.count
        np.testing.assert_array_equal(first["sample"], second["sample"])
        for name, value in alone.nodes.state_dict().items():
            np.testing.assert_array_equal(first[name], second[name])
            np.testing.assert_allclose(first[name], value.numpy(), rtol=1e-6, atol=1e-9)


def indices(loader: object, **share: Any) -> list[int]:
    return [int(value) for batch in phase_one_batches(loader, **share) for value in batch]


@pytest.mark.parametrize("world", [1, 2, 3, 7, 12])
def test_every_sample_is_read_by_exactly_one_rank(world: int) -> None:
    loader = DataLoader(torch.arange(10), batch_size=3, shuffle=True, drop_last=True)
    shares = [indices(loader, rank=rank, world=world) for rank in range(world)]
    assert sorted(chain.from_iterable(shares)) == list(range(10))
    assert all(share == sorted(share) for share in shares)


def test_a_sampler_of_the_users_own_is_respected() -> None:
    few = DataLoader(torch.arange(10), batch_size=2, sampler=SubsetRandomSampler([1, 3, 5]))
    assert sorted(indices(few)) == [1, 3, 5]
    weighted = DataLoader(torch.arange(10), sampler=WeightedRandomSampler([0.0] * 9 + [1.0], 4))
    assert indices(weighted) == [9, 9, 9, 9]


def test_a_limit_reads_the_first_batches() -> None:
    assert indices(DataLoader(torch.arange(10), batch_size=3, shuffle=True), limit=2) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_fraction_reads_the_same_samples_on_any_number_of_ranks(world: int) -> None:
    loader = DataLoader(torch.arange(20), batch_size=3, shuffle=True)
    takes = Share(0.25).takes
    shares = [indices(loader, rank=rank, world=world, takes=takes) for rank in range(world)]
    assert sorted(chain.from_iterable(shares)) == [0, 4, 8, 12, 16]


def test_a_fraction_of_a_loader_with_its_own_sampler_is_of_its_batches() -> None:
    loader = DataLoader(torch.arange(10), batch_size=2, sampler=list(range(9, -1, -1)))
    assert indices(loader, takes=Share(0.5).takes) == [9, 8, 5, 4, 1, 0]


def test_samples_of_ranks_join_to_one_sample() -> None:
    pixels = np.arange(12_000, dtype=np.float32).reshape(-1, 2)
    first, second = PixelSample(0, 100), PixelSample(1, 100)
    first.update(pixels[:3000])
    second.update(pixels[3000:])
    first.merge(second)
    assert first.pixels is not None
    assert len(np.unique(first.pixels, axis=0)) == 100
    assert 25 < int((first.pixels[:, 0] < 6000).sum()) < 75
