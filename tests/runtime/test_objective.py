"""The objective of a sweep: refused, doubted or taken by what is known to be logged, and the best run by it."""

from __future__ import annotations

import math

import pytest

from cuvisc.compiler.logged import Logged
from cuvisc.runtime.objective import Objective, check_objective
from cuvisc.schema.errors import SpecError

LOSS = Logged(("val/loss/total",), ())
OWN = Logged((), ("val/metric/",))


@pytest.mark.parametrize(
    ("name", "logged", "warning"),
    [
        ("val/loss/total", [LOSS, LOSS], ""),
        (
            "val/loss/total",
            [LOSS, OWN],
            "not every combination logs `val/loss/total`: those that do not are not ranked",
        ),
        ("val/metric/mine", [OWN], "whether `val/metric/mine` is logged is known only when a run ends"),
        ("lr", [LOSS], "whether `lr` is logged is known only when a run ends"),
    ],
)
def test_what_is_not_certain_is_a_warning(name: str, logged: list[Logged], warning: str) -> None:
    assert check_objective(Objective(name), logged) == warning


def test_what_no_run_can_log_is_refused_with_what_some_log() -> None:
    with pytest.raises(SpecError) as caught:
        check_objective(Objective("nope"), [LOSS, OWN])
    assert str(caught.value) == (
        "--objective: `nope` is never logged; logged are `val/loss/total` and `val/metric/…`"
    )


def test_the_best_run_has_the_best_finite_value_and_is_the_first_of_equals() -> None:
    values = [math.nan, 2.0, 1.0, 1.0, 0.5, None]
    runs = [
        {
            "run": str(i),
            "status": "failed" if i == 4 else "finished",
            "metrics": {} if v is None else {"x": v},
        }
        for i, v in enumerate(values)
    ]
    assert Objective("x").best(runs) == "2"
    assert Objective("x", "max").best(runs) == "1"
    assert Objective("y").best(runs) is None
