"""Data modules keep the batch contract, keep the dtype of the data, and answer wrong files with one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cuvisc.runtime import CubeFiles, GraphDataModule, IndianPines
from cuvisc.runtime.data.datamodule import EpochOrder
from cuvisc.schema.errors import DataError


class GivenBatches(GraphDataModule):
    """A module as the seeds' documentation writes one: with loaders of its own."""

    batches: list[Any] = []

    def train_dataloader(self) -> Any:
        return DataLoader(self.batches, batch_size=None)


def cube(*shape: int) -> torch.Tensor:
    return torch.zeros(shape)


def refusal(batch: Any) -> str:
    with pytest.raises(DataError) as caught:
        GivenBatches().on_before_batch_transfer(batch, 0)
    return str(caught.value)


@pytest.mark.parametrize(
    "batch",
    [
        {"cube": cube(2, 3, 4, 5)},
        {"x": cube(2, 3, 4, 5).to(torch.uint16), "anything": "else"},
        {"cube": cube(2, 5, 3, 4).permute(0, 2, 3, 1), "mask": cube(2, 3, 4), "labels": None},
        {"cube": cube(1, 3, 4, 5), "labels": cube(1, 3, 4, 1).long()},
    ],
)
def test_batches_of_the_contract_pass_unchanged(batch: Any) -> None:
    assert GivenBatches().on_before_batch_transfer(batch, 0) is batch


@pytest.mark.parametrize(
    ("batch", "fact"),
    [
        ((cube(1, 2, 3, 4), None), "a tuple; a batch is a dict with `cube` [B,H,W,C]"),
        ({}, "a batch without `cube` (or `x`); it holds nothing"),
        (
            {"Cubes": 1, "mask": 2},
            "a batch without `cube` (or `x`); it holds `Cubes`, `mask`; rename `Cubes`",
        ),
        ({"cube": np.zeros((1, 2, 3, 4))}, "a `cube` that is a ndarray; a tensor is wanted"),
        ({"cube": cube(2, 3, 4)}, "a `cube` of shape [2, 3, 4]; [B,H,W,C] is wanted"),
        ({"x": cube(1, 0, 4, 5)}, "a `x` of shape [1, 0, 4, 5]; [B,H,W,C] is wanted"),
        ({"cube": cube(1, 2, 3, 4).bool()}, "a `cube` of bool; numbers are wanted"),
        (
            {"cube": cube(1, 2, 3, 4), "mask": cube(1, 3, 2)},
            "a `mask` of shape [1, 3, 2]; [1, 2, 3] goes with the cube of this batch",
        ),
        ({"cube": cube(1, 2, 3, 4), "labels": [1]}, "a `labels` that is a list; a tensor is wanted"),
    ],
)
def test_other_batches_are_answered_with_what_was_given(batch: Any, fact: str) -> None:
    assert refusal(batch) == f"GivenBatches gave {fact}"


def test_a_module_with_only_training_loaders_validates_and_tests_on_them() -> None:
    module = GivenBatches()
    module.batches = [{"cube": cube(1, 2, 3, 4)}]
    assert len(list(module.val_dataloader())) == len(list(module.test_dataloader())) == 1


def test_a_module_that_defines_nothing_says_so() -> None:
    with pytest.raises(TypeError) as caught:
        GraphDataModule().train_dataloader()
    assert str(caught.value) == "GraphDataModule defines neither samples(stage) nor train_dataloader()"


def test_only_finished_modules_can_be_named_in_a_spec() -> None:
    assert (GraphDataModule.kind, IndianPines.kind, CubeFiles.kind) == ("", "datamodule", "datamodule")


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    def orders(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        order = EpochOrder(list(range(20)))  # type: ignore[arg-type]
        torch.rand(3)
        made = []
        for epoch in (0, 1, 0):
            order.set_epoch(epoch)
            made.append(list(order))
        return made

    first, second, again = orders(1)
    assert first == again == orders(1)[0] != second
    assert sorted(first) == list(range(20))
    assert orders(2)[0] != first


def test_indian_pines_gives_the_scene_as_published() -> None:
    module = IndianPines()
    for loader in (module.train_dataloader(), module.val_dataloader(), module.test_dataloader()):
        (batch,) = loader
        assert module.check_batch(batch).dtype == torch.uint16
        assert batch["cube"].shape == (1, 145, 145, 200)
        assert int(batch["mask"].sum()) == 93
        assert torch.equal(batch["mask"] == 1, batch["labels"] == 16)
    from tensorly.datasets import load_indian_pines

    np.testing.assert_array_equal(batch["cube"][0].numpy().astype(float), load_indian_pines().tensor)
    wavelengths = module.wavelengths
    assert wavelengths is not None
    assert (len(wavelengths), wavelengths[0], wavelengths[-1]) == (200, 400.02, 2498.96)


def test_indian_pines_reads_files_of_its_name_where_there_are_some(tmp_path: Path) -> None:
    small = np.arange(24, dtype="u2").reshape(2, 3, 4)
    np.save(tmp_path / "Indian_pines_corrected.npy", small)
    np.save(tmp_path / "Indian_pines_gt.npy", np.array([[0, 1, 2], [2, 2, 5]], "u1"))
    module = IndianPines(data_dir=str(tmp_path), anomaly_class=2)
    (batch,) = module.train_dataloader()
    np.testing.assert_array_equal(batch["cube"][0].numpy(), small)
    assert batch["mask"][0].tolist() == [[0, 0, 1], [1, 1, 0]]
    assert module.wavelengths is None


def test_indian_pines_takes_no_other_data_than_the_folder_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        IndianPines(data_dir=str(tmp_path / "nope")).train_dataloader()
    assert str(caught.value) == (
        f"IndianPines: the folder {tmp_path / 'nope'} does not exist (relative to {Path.cwd()})"
    )
    np.save(tmp_path / "Indian_pines_gt.npy", np.zeros((2, 3), "u1"))
    with pytest.raises(DataError) as caught:
        IndianPines(data_dir=str(tmp_path)).train_dataloader()
    assert str(caught.value) == (
        f"IndianPines: {tmp_path} holds no Indian_pines_corrected.npy; "
        "without `data_dir` the scene is the tensorly package's"
    )


def test_without_tensorly_the_answer_is_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorly.datasets", None)
    with pytest.raises(DataError) as caught:
        IndianPines().train_dataloader()
    assert str(caught.value) == (
        "Indian Pines is read from the tensorly package, which cannot be imported "
        "(import of tensorly.datasets halted; None in sys.modules): pip install 'cuvisc[data]'"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scene(
    path: str, shape: tuple[int, ...] = (4, 6, 5), dtype: str = "u2", **more: Any
) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(len(path)).integers(0, 99, shape).astype(dtype)
    np.savez(path, cube=values, **more)
    return values


def test_every_file_is_one_sample_with_what_it_holds(folder: Path) -> None:
    mask, labels = np.eye(4, 6), np.arange(24).reshape(4, 6, 1)
    centers = np.linspace(400, 800, 5)
    first = scene("a.npz", mask=mask, labels=labels, wavelengths=centers)
    second = scene("bb.npz", mask=mask, labels=labels)
    module = CubeFiles(train="*.npz", batch_size=2)
    (batch,) = module.val_dataloader()
    module.check_batch(batch)
    assert batch["name"] == ["a", "bb"]
    np.testing.assert_array_equal(batch["cube"].numpy(), np.stack([first, second]))
    assert batch["cube"].dtype == torch.uint16
    np.testing.assert_array_equal(batch["mask"].numpy(), np.stack([mask, mask]))
    assert batch["labels"].shape == (2, 4, 6)
    assert module.wavelengths == tuple(centers)


def test_stages_have_their_own_files_and_fall_back(folder: Path) -> None:
    for name in ("a.npz", "b.npz", "c.npz"):
        scene(name)

    def names(loader: Any) -> list[str]:
        return sorted(name for batch in loader for name in batch["name"])

    module = CubeFiles(train=["a.npz", "b.npz", "a.npz"], test="c.npz")
    assert names(module.train_dataloader()) == names(module.val_dataloader()) == ["a", "b"]
    assert names(module.test_dataloader()) == ["c"]
    assert names(CubeFiles(train="a.npz", val="b.npz").test_dataloader()) == ["b"]


def test_files_of_different_dtypes_share_one_that_holds_both(folder: Path) -> None:
    first, second = scene("a.npz", dtype="u2"), scene("b.npz", dtype=">i2")
    (batch,) = CubeFiles(train=["a.npz", "b.npz"], batch_size=2).val_dataloader()
    assert batch["cube"].dtype == torch.int32
    np.testing.assert_array_equal(batch["cube"].numpy(), np.stack([first, second]))


def test_npy_files_are_cubes_without_truth(folder: Path) -> None:
    np.save("a.npy", np.asfortranarray(np.ones((4, 6, 5))))
    (batch,) = CubeFiles(train="a.npy").train_dataloader()
    assert set(batch) == {"cube", "name"}


def test_images_of_different_sizes_go_one_at_a_time(folder: Path) -> None:
    scene("a.npz", (4, 6, 5))
    scene("b.npz", (3, 6, 5))
    assert len(list(CubeFiles(train="*.npz").train_dataloader())) == 2
    with pytest.raises(DataError) as caught:
        CubeFiles(train="*.npz", batch_size=2).train_dataloader()
    assert (
        str(caught.value) == "b.npz is 3x6 pixels, a.npz 4x6; images of different sizes need `batch_size: 1`"
    )


SEVERAL = "one image [H,W,C] a file is wanted, the shape of this one is"


@pytest.mark.parametrize(
    ("made", "params", "fact"),
    [
        ({"b": {"shape": (4, 6, 7)}}, {"train": "*.npz"}, "b.npz has 7 bands, a.npz has 5"),
        (
            {"b": {"mask": np.eye(4, 6)}},
            {"train": "*.npz"},
            "b.npz has `mask`, a.npz has none; all files or none need it",
        ),
        (
            {"b": {"shape": (2, 4, 6, 5)}},
            {"train": "b.npz"},
            f"b.npz: {SEVERAL} (2, 4, 6, 5); write each image to a file of its own",
        ),
        (
            {"b": {"shape": (1, 4, 6, 5)}},
            {"train": "b.npz"},
            f"b.npz: {SEVERAL} (1, 4, 6, 5); leave out its first axis",
        ),
        ({}, {"train": []}, "CubeFiles: `train` lists no file"),
        ({}, {"train": "aa.npz"}, "CubeFiles: no file matches aa.npz in .; did you mean `a.npz`?"),
        (
            {},
            {"train": "a.npz", "cube_key": "cubes"},
            "a.npz has no array `cubes`; it holds `cube`. did you mean `cube`?",
        ),
    ],
)
def test_wrong_files_are_answered_before_training(
    folder: Path, made: dict[str, Any], params: dict[str, Any], fact: str
) -> None:
    scene("a.npz")
    for name, more in made.items():
        scene(f"{name}.npz", **more)
    with pytest.raises(DataError) as caught:
        CubeFiles(**params).train_dataloader()
    assert str(caught.value) == fact


def test_a_missing_folder_is_answered_with_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        CubeFiles(train="*.npz", data_dir="data").train_dataloader()
    assert (
        str(caught.value) == f"CubeFiles: the folder data does not exist (`data_dir` is relative to {folder})"
    )


def test_a_mask_of_another_size_is_answered_when_it_is_read(folder: Path) -> None:
    scene("a.npz", mask=np.eye(6, 4))
    with pytest.raises(DataError) as caught:
        list(CubeFiles(train="a.npz").train_dataloader())
    assert str(caught.value) == "a.npz: `mask` has the shape (6, 4); (4, 6) goes with the cube"
