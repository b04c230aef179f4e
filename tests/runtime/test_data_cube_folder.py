"""A folder becomes training, validation and test samples with the ground truth that is meant, or one clear answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from format_files import cube_of, write_envi, write_h5, write_tiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scene_folders import write_coco, write_png, write_scenes

from cuvisc.language.declare import ParameterError
from cuvisc.runtime import CubeFolder
from cuvisc.runtime.data.coco import Coco
from cuvisc.runtime.data.tiles import Box
from cuvisc.schema.errors import DataError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(loader: Any) -> list[str]:
    return sorted(name for batch in loader for name in batch["name"])


def refusal(**params: Any) -> str:
    with pytest.raises(DataError) as caught:
        CubeFolder(**params).train_dataloader()
    return str(caught.value)


def test_a_folder_is_split_by_file_and_every_file_is_used_once(folder: Path) -> None:
    cubes, masks = write_scenes(folder, 6)
    module = CubeFolder(batch_size=2)
    loaders = module.train_dataloader(), module.val_dataloader(), module.test_dataloader()
    assert [len(loader.dataset) for loader in loaders] == [4, 1, 1]
    assert sorted(name for loader in loaders for name in names(loader)) == [f"s{i}" for i in range(6)]
    for loader in loaders:
        for batch in loader:
            assert module.check_batch(batch).dtype == torch.uint16
            for name, cube, mask in zip(batch["name"], batch["cube"], batch["mask"], strict=True):
                np.testing.assert_array_equal(cube.numpy(), cubes[int(name[1:])])
                np.testing.assert_array_equal(mask.numpy(), masks[int(name[1:])])
    assert module.wavelengths == (450, 500, 550, 600, 650, 700)


@pytest.mark.parametrize("write", ["envi", "tiff", "h5", "npz", "compressed", "fortran"])
def test_tiles_are_the_pixels_of_the_whole_in_every_format(folder: Path, write: str) -> None:
    cube = cube_of((17, 23, 5))
    writers: dict[str, Callable[[], Any]] = {
        "envi": lambda: write_envi(folder / "a.hdr", cube, "bsq"),
        "tiff": lambda: write_tiff(folder / "a.tif", cube, tiled=True, blockxsize=16, blockysize=16),
        "h5": lambda: write_h5(folder / "a.h5", {"cube": cube}, chunks=(4, 4, 5)),
        "npz": lambda: np.savez(folder / "a.npz", cube=cube),
        "compressed": lambda: np.savez_compressed(folder / "a.npz", cube=cube),
        "fortran": lambda: np.save(folder / "a.npy", np.asfortranarray(cube)),
    }
    writers[write]()
    samples = CubeFolder(val_fraction=0, test_fraction=0, tile=6, overlap=2).samples("train")
    painted = np.zeros_like(cube)
    for i, region in enumerate(samples.regions):
        tile = samples[i]["cube"].numpy()
        assert tile.shape == (6, 6, 5)
        painted[region.box.top : region.box.bottom, region.box.left : region.box.right] = tile
    np.testing.assert_array_equal(painted, cube)
    np.testing.assert_array_equal(np.concatenate([p["cube"] for p in samples.parts(0)]), samples[0]["cube"])


def test_validation_tiles_count_every_pixel_once_and_come_alone_where_they_differ(folder: Path) -> None:
    _, masks = write_scenes(folder, 3, 20)
    module = CubeFolder(tile=8, overlap=4, batch_size=4)
    (val,) = {name.partition("[")[0] for name in names(module.val_dataloader())}
    batches = list(module.val_dataloader())
    assert {len(batch["name"]) for batch in batches} == {1}
    assert sum(int(batch["mask"].sum()) for batch in batches) == int(masks[int(val[1:])].sum())
    assert sum(batch["mask"].numel() for batch in batches) == 400
    even = CubeFolder(tile=10, batch_size=4)
    assert [len(batch["name"]) for batch in even.val_dataloader()] == [4]


def test_listed_files_go_where_they_are_listed_and_the_rest_is_trained_on(folder: Path) -> None:
    write_scenes(folder, 5)
    module = CubeFolder(val="s4.hdr", test=["s0.*"])
    assert names(module.train_dataloader()) == ["s1", "s2", "s3"]
    assert names(module.val_dataloader()) == ["s4"]
    assert names(module.test_dataloader()) == ["s0"]
    alone = CubeFolder(train=["s1.hdr", "s2.hdr"])
    assert names(alone.train_dataloader()) == names(alone.val_dataloader()) == ["s1", "s2"]
    assert (
        refusal(val="s1*", test="s1*") == "CubeFolder: s1.hdr is listed as `val` and as `test`; name it once"
    )
    assert refusal(val="*") == "CubeFolder: `val` and `test` list every file; none is left to train on"


def test_files_of_one_name_in_two_folders_are_told_apart(folder: Path) -> None:
    write_scenes(folder / "x", 1)
    write_scenes(folder / "y", 1)
    module = CubeFolder(files="**/*", val_fraction=0, test_fraction=0, mask="{stem}_mask.png")
    assert names(module.train_dataloader()) == ["x/s0", "y/s0"]


def test_masks_in_a_folder_of_their_own_are_found_from_the_data_folder(folder: Path) -> None:
    cubes = cube_of()
    for name in ("a", "b"):
        write_tiff(folder / f"{name}.tif", cubes)
    (folder / "masks").mkdir()
    values = np.arange(63, dtype="u1").reshape(7, 9) % 3
    for name in ("a", "b"):
        write_png(folder / "masks" / f"{name}.png", values)
    module = CubeFolder(mask="masks/{stem}.png", val_fraction=0, test_fraction=0)
    for batch in module.train_dataloader():
        np.testing.assert_array_equal(batch["mask"][0], values > 0)
        assert batch["mask"].dtype == torch.uint8


@pytest.mark.parametrize("kind", ["png", "tif", "hdr", "npy"])
def test_classes_become_a_mask_and_ignored_pixels_have_no_spectrum(folder: Path, kind: str) -> None:
    write_tiff(folder / "a.tif", cube_of())
    classes = (np.arange(63).reshape(7, 9) % 5).astype("u1")
    classes[0, :4] = 255
    write = {
        "png": lambda path: write_png(path, classes),
        "tif": lambda path: write_tiff(path, classes[..., None]),
        "hdr": lambda path: write_envi(path, classes[..., None]),
        "npy": lambda path: np.save(path, classes),
    }
    write[kind](folder / f"a_gt.{kind}")
    module = CubeFolder(
        labels=f"{{stem}}_gt.{kind}",
        anomaly_classes=[2, 4],
        ignore_label=255,
        val_fraction=0,
        test_fraction=0,
    )
    (batch,) = module.train_dataloader()
    np.testing.assert_array_equal(batch["labels"][0], classes)
    np.testing.assert_array_equal(batch["mask"][0], (classes == 2) | (classes == 4))
    lost = torch.isnan(batch["cube"][0])
    np.testing.assert_array_equal(lost.all(dim=-1), classes == 255)
    np.testing.assert_array_equal(lost.any(dim=-1), classes == 255)
    np.testing.assert_array_equal(batch["cube"][0][classes != 255], cube_of()[classes != 255])


def test_an_ignored_value_of_a_mask_is_no_anomaly(folder: Path) -> None:
    write_tiff(folder / "a.tif", cube_of())
    mask = np.zeros((7, 9), "u1")
    mask[2, 3], mask[4] = 1, 255
    write_png(folder / "a_mask.png", mask)
    (batch,) = CubeFolder(ignore_label=255, val_fraction=0, test_fraction=0).train_dataloader()
    np.testing.assert_array_equal(batch["mask"][0], mask == 1)
    assert int(torch.isnan(batch["cube"]).all(dim=-1).sum()) == 9


def test_coco_annotations_go_to_the_images_they_name(folder: Path) -> None:
    write_scenes(folder, 3, 10)
    square = {"category_id": 3, "segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]]}
    runs = {"category_id": 1, "segmentation": {"size": [10, 10], "counts": [20, 10, 70]}}
    images = [{"id": i, "file_name": f"exports\\s{i}.png", "height": 10, "width": 10} for i in (2, 0, 1)]
    annotations = [{"image_id": 1, **square}, {"image_id": 2, **runs}]
    write_coco(folder / "all.json", images, annotations)
    module = CubeFolder(labels="all.json", anomaly_classes=["stone"], val_fraction=0, test_fraction=0)
    drawn = np.zeros((10, 10), np.int32)
    drawn[1:4, 2:6] = 3
    column = np.zeros((10, 10), np.int32)
    column[:, 2] = 1
    wanted = {"s0": np.zeros((10, 10)), "s1": drawn, "s2": column}
    for batch in module.train_dataloader():
        np.testing.assert_array_equal(batch["labels"][0], wanted[batch["name"][0]])
        np.testing.assert_array_equal(batch["mask"][0], wanted[batch["name"][0]] == 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(-9, 40), st.integers(-9, 40)), min_size=3, max_size=7),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_polygons_are_those_of_pillow_and_a_tile_of_them_is_part_of_the_whole(
    tmp_path: Path, outlines: list[list[tuple[int, int]]], top: int, left: int
) -> None:
    path = tmp_path / "c.json"
    annotations = [
        {"image_id": 0, "category_id": 1, "segmentation": [[c + 0.25 for point in outline for c in point]]}
        for outline in outlines
    ]
    write_coco(path, [{"id": 0, "file_name": "a"}], annotations)
    coco = Coco.read(path)
    whole = coco.labels(0, 32, 40)
    box = Box(top, top + 12, left, left + 20)
    np.testing.assert_array_equal(
        coco.labels(0, 32, 40, box), whole[box.top : box.bottom, box.left : box.right]
    )
    # Pillow also paints the outline itself; away from it the two agree on simple polygons.
    if len(outlines) == 1 and len(outlines[0]) == 3:
        canvas, rim = Image.new("1", (60, 60)), Image.new("1", (60, 60))
        points = [(x + 10, y + 10) for x, y in outlines[0]]
        ImageDraw.Draw(canvas).polygon(points, fill=1, outline=1)
        ImageDraw.Draw(rim).line([*points, points[0]], fill=1, width=3)
        ImageDraw.Draw(rim).point(
            [(x + i, y + j) for x, y in points for i in (-1, 0, 1) for j in (-1, 0, 1)], 1
        )
        inside, near = (np.array(image)[10:42, 10:50] for image in (canvas, rim))
        np.testing.assert_array_equal((whole == 1)[~near], inside[~near])


def test_blocks_of_one_image_are_its_stages(folder: Path) -> None:
    cubes, _ = write_scenes(folder, 1, 40)
    module = CubeFolder(split="block", buffer=1)
    covered = np.zeros((40, 40), int)
    for place, stage in enumerate(("train", "val", "test"), 1):
        samples = module.samples(stage)
        for i, region in enumerate(samples.regions):
            box = region.box
            np.testing.assert_array_equal(
                samples[i]["cube"], cubes[0][box.top : box.bottom, box.left : box.right]
            )
            assert (covered[box.top : box.bottom, box.left : box.right] == 0).all()
            covered[box.top : box.bottom, box.left : box.right] = place
    assert set(np.unique(covered)) == {0, 1, 2, 3}


def test_workers_and_the_order_of_an_epoch_change_no_sample(folder: Path) -> None:
    cubes, _ = write_scenes(folder, 3, 16)
    for workers in (0, 2):
        module = CubeFolder(tile=8, val_fraction=0, test_fraction=0, batch_size=4, num_workers=workers)
        found: dict[str, Any] = {}
        for batch in module.train_dataloader():
            found |= dict(zip(batch["name"], batch["cube"], strict=True))
        assert len(found) == 12
        np.testing.assert_array_equal(found["s1[8:16, 0:8]"], cubes[1][8:16, :8])


@pytest.mark.parametrize(
    ("break_it", "params", "fact"),
    [
        (
            lambda: Path("s1_mask.png").unlink(),
            {"mask": "{stem}_mask.png"},
            "s1.hdr has no mask: `{stem}_mask.png` means s1_mask.png, which does not exist",
        ),
        (
            lambda: Path("s1_mask.png").unlink(),
            {},
            "s0.hdr has `mask`, s1.hdr has none; all files or none need it",
        ),
        (
            lambda: write_png(Path("s2_mask.png"), np.zeros((12, 13), "u1")),
            {},
            "s2_mask.png has the shape (12, 13, 1); (12, 12) goes with the cube",
        ),
        (
            lambda: write_envi(Path("s2.hdr"), cube_of((12, 12, 7))),
            {},
            "s2.hdr has 7 bands, s0.hdr has 6",
        ),
        (
            lambda: write_envi(
                Path("s1.hdr"),
                cube_of((12, 12, 6)),
                wavelength=[450, 500, 550, 600, 650, 740],
                **{"wavelength units": "nm"},
            ),
            {},
            "s1.hdr and s0.hdr see other bands: band 6 is at 740 nm in one and at 700 nm in the other",
        ),
        (
            lambda: write_coco(Path("c.json"), [{"id": 1, "file_name": "s0.hdr"}], []),
            {"labels": "c.json"},
            "c.json lists no image whose `file_name` is s1; it lists s0.hdr",
        ),
        (
            lambda: write_coco(
                Path("c.json"),
                [{"id": i, "file_name": f"s{i}", "height": 12, "width": 9 + i} for i in range(4)],
                [],
            ),
            {"labels": "c.json"},
            "c.json holds no usable COCO annotations: image 0 is 12x9 pixels, its cube is 12x12",
        ),
        (
            lambda: None,
            {"anomaly_classes": [3]},
            "CubeFolder: s0.hdr has no labels that `anomaly_classes` are of",
        ),
        (lambda: None, {"files": "*.tif"}, "CubeFolder: no file matches *.tif in ."),
        (
            lambda: None,
            {"files": "s0*", "mask": "{stem}.hdr"},
            "CubeFolder: `files` names no cube in ., only ground truth",
        ),
    ],
)
def test_what_is_wrong_in_any_stage_is_answered_before_training(
    folder: Path, break_it: Callable[[], Any], params: dict[str, Any], fact: str
) -> None:
    write_scenes(folder, 4)
    break_it()
    assert refusal(**params) == fact


def test_a_class_that_the_annotations_do_not_name_is_answered(folder: Path) -> None:
    write_scenes(folder, 3)
    write_coco(folder / "c.json", [{"id": i, "file_name": f"s{i}"} for i in range(3)], [])
    assert refusal(labels="c.json", anomaly_classes=["ston"]) == (
        "CubeFolder: there is no class `ston`; there is `grain`, `stone`. did you mean `stone`?"
    )
    assert refusal(labels="{stem}_mask.png", anomaly_classes=["stone"]) == (
        "CubeFolder: the ground truth does not name its classes; give class ids instead of `stone`"
    )


def test_training_images_of_different_sizes_need_tiles(folder: Path) -> None:
    for name, shape in {"a": (9, 9, 5), "b": (12, 12, 5), "c": (9, 9, 5)}.items():
        np.save(f"{name}.npy", np.ones(shape))
    listed = {"val": "c.npy", "batch_size": 2}
    assert refusal(**listed) == (
        "CubeFolder: b is 12x12 pixels, a 9x9; give a `tile` of at most 9, or `batch_size: 1`"
    )
    assert refusal(**listed, tile=10) == (
        "CubeFolder: b[0:10, 0:10] is 10x10 pixels, a 9x9; give a `tile` of at most 9, or `batch_size: 1`"
    )
    assert len(CubeFolder(**listed, tile=8).train_dataloader()) == 4


@pytest.mark.parametrize(
    ("params", "fact"),
    [
        (
            {"overlap": 4},
            "`overlap` cannot be 4 where `tile` is null: `overlap` is of tiles; give `tile` as well",
        ),
        ({"tile": 8, "overlap": 8}, "it needs overlap < tile, but overlap is 8 and tile is 8"),
        (
            {"mask": "{stem}.png", "anomaly_classes": [1]},
            (
                "`anomaly_classes` cannot be [1] where `mask` is given: "
                "`anomaly_classes` are of class ids; name that file as `labels`, not as `mask`"
            ),
        ),
        (
            {"split": "block", "val": "a.npy"},
            "`val` cannot be a.npy where `split` is block: `val` lists whole files; leave it or `split` out",
        ),
        ({"block": 32}, "`block` cannot be 32 where `split` is file: `block` needs `split: block`"),
        (
            {"val_fraction": 0.5, "test_fraction": 0.5},
            "it needs val_fraction + test_fraction < 1, but val_fraction + test_fraction is 1",
        ),
        (
            {"split": "block", "tile": 16, "block": 18},
            "it needs block >= tile + 2*buffer, but block is 18 and tile + 2*buffer is 20",
        ),
        (
            {"split": "block", "block": 4},
            "it needs block > 2*buffer, but block is 4 and 2*buffer is 4",
        ),
        ({"mask": "{stm}.png"}, "`mask` wants a pattern whose only field is {stem}, got '{stm}.png'"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(params: dict[str, Any], fact: str) -> None:
    with pytest.raises(ParameterError) as caught:
        CubeFolder(**params)
    assert str(caught.value) == f"CubeFolder: {fact}"
