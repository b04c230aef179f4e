"""Lines of progress are few, begin and end with the training, and come at least once a minute."""

from __future__ import annotations

from cuvisc.runtime.pace import Pace


def told(total: int | None, steps: int, seconds: float = 0.0, first: int = 1) -> list[int]:
    now = 0.0
    pace = Pace(total, lambda: now)
    lines = []
    for step in range(first, steps + 1):
        now += seconds
        if pace.due(step):
            lines.append(step)
    return lines


def test_a_long_training_has_a_line_for_every_tenth() -> None:
    assert told(100, 100) == [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert len(told(1234, 1234)) <= 12
    assert told(1234, 1234)[-1] == 1234


def test_a_short_training_has_every_line() -> None:
    assert told(2, 2) == [1, 2]
    assert told(10, 10) == list(range(1, 11))


def test_slow_epochs_are_told_every_minute() -> None:
    assert told(1000, 10, seconds=30.0) == [1, 3, 5, 7, 9]
    assert told(1000, 5, seconds=600.0) == [1, 2, 3, 4, 5]


def test_a_training_without_an_end_is_told_ever_more_rarely() -> None:
    assert told(None, 100) == [1, 2, 4, 8, 16, 32, 64]


def test_a_resumed_training_tells_of_its_first_epoch() -> None:
    assert told(100, 100, first=42)[:3] == [42, 50, 60]
