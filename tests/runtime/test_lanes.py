"""Reading ahead and writing behind change neither order nor errors, and hold only a few items."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from small_artifacts import write_artifact

from cuvisc.runtime.data.pixel_order import PixelOrder
from cuvisc.runtime.data.source import CubeSource
from cuvisc.runtime.inference import Predictor
from cuvisc.runtime.lanes import WriteBehind, group_of, read_ahead
from cuvisc.runtime.output_files import OutputFiles
from cuvisc.runtime.prediction import predict_file
from cuvisc.schema.errors import DataError


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cuvisc")]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 50])
@pytest.mark.parametrize("group", [1, 3, 8])
def test_items_come_and_go_in_order(count: int, group: int) -> None:
    assert list(read_ahead(range(count), group)) == list(range(count))
    written: list[list[int]] = []
    with WriteBehind(written.append, group) as behind:
        for item in range(count):
            behind.put(item)
    assert [item for items in written for item in items] == list(range(count))
    assert all(len(items) == group for items in written[:-1])
    assert not threads()


def test_no_more_is_read_than_two_groups() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            made.append(item)
            yield item

    with closing(read_ahead(items(), 4)) as reading:
        for used in range(20):
            assert next(reading) == used
            assert len(made) <= used + 8
    assert len(made) <= 28
    assert not threads()


def test_what_reading_raises_is_raised_after_the_groups_before() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise DataError("cut short")

    found = []
    with pytest.raises(DataError, match=r"^cut short$"):
        for item in read_ahead(items(), 2):
            found.append(item)
    assert found == [0, 1, 2, 3]
    assert not threads()


def test_what_writing_raises_stops_what_comes_after() -> None:
    written: list[int] = []

    def write(items: list[int]) -> None:
        if 3 in items:
            raise DataError("disk full")
        written.extend(items)

    with pytest.raises(DataError, match=r"^disk full$"), WriteBehind(write, 2) as behind:
        for item in range(100):
            behind.put(item)
    assert written == [0, 1]
    assert not threads()


def test_an_interrupt_leaves_no_thread() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        closing(read_ahead(range(100), 2)) as reading,
        WriteBehind(lambda items: None, 2) as behind,
    ):
        for item in reading:
            behind.put(item)
            if item == 5:
                raise KeyboardInterrupt
    assert not threads()


def test_groups_are_of_a_few_megabytes() -> None:
    assert group_of(2**21) == 4
    assert group_of(2**30) == 1
    assert group_of(0) == 2**23


@pytest.mark.parametrize("side", ["read", "run", "write"])
def test_an_error_on_any_side_leaves_no_file_and_no_thread(
    side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(write_artifact(tmp_path / "artifact").folder, threads=1)
    predictor._block_pixels = lambda source: 16  # type: ignore[method-assign]
    monkeypatch.setattr("cuvisc.runtime.lanes._GROUP_BYTES", 320)
    path, folder = tmp_path / "cube.npy", tmp_path / "out"
    np.save(path, np.random.default_rng(0).integers(0, 4096, (90, 16, 5)).astype(np.uint16))
    folder.mkdir()
    holder, name = {
        "read": (PixelOrder, "put"),
        "run": (Predictor, "_infer"),
        "write": (OutputFiles, "put"),
    }[side]
    right, calls = getattr(holder, name), []

    def fails(*given: object) -> object:
        calls.append(given)
        if len(calls) == 40:
            raise DataError(f"{side} failed")
        return right(*given)

    monkeypatch.setattr(holder, name, fails)
    with CubeSource.open(path) as source, pytest.raises(DataError, match=f"^{side} failed$"):
        predict_file(predictor, source, folder / "scores.npz")
    assert not list(folder.iterdir())
    assert not threads()
