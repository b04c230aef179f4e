"""The plan of phase 1: as few passes over the data as the mathematics allows, and what each of them measures."""

# ruff: noqa: E501 - terminal text is compared line by line, whole

from __future__ import annotations

import pytest
from small_language import checked, says

from cuvisc.compiler.graph import ValueRef
from cuvisc.compiler.plan import Share, Source, Tap, plan_statistics


def described(text: str) -> str:
    return "\n".join(plan_statistics(checked(text)).describe())


PLANS = {
    "one pass carries moments through affine nodes and extrema through diagonal ones": (
        """
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3}
          rx: {type: RX}
        """,
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; solves normalizer, pca, rx",
    ),
    "behind a node that is not affine, the value is measured itself": (
        """
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3}
          rx: {type: RX}
          head: {type: Head}
        """,
        """
        pass 1 of 2: reads the training data once; measures extrema, moments of input.cube; solves normalizer, pca, rx
        pass 2 of 2: reads the training data once; measures moments of rx.scores; solves head
        """,
    ),
    "a node that is not affine and needs no data costs no pass": (
        "nodes: {blur: {type: Blur}, rx: {type: RX}}",
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; moments of blur.blurred; solves rx",
    ),
    "extrema do not follow through a projection": (
        "nodes: {pca: {type: PCA, n_components: 3}, normalizer: {type: MinMax}, again: {type: MinMax}}",
        """
        pass 1 of 2: reads the training data once; measures extrema, moments of input.cube; solves pca
        pass 2 of 2: reads the training data once; measures extrema of pca.scores; solves normalizer, again
        """,
    ),
    "only the first output follows the declared mapping": (
        "nodes: {mix: {type: Mix}, first: {type: RX}, rest: {type: RX, parent: mix.rest}}",
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; moments of mix.rest; solves first, rest",
    ),
    "joined images of one value follow from that value": (
        """
        nodes:
          normalizer: {type: MinMax}
          pca: {type: PCA, n_components: 3}
          rx: {type: RX, parent: [pca, normalizer, input]}
        """,
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; solves normalizer, pca, rx",
    ),
    "joined images of several values are measured together, and serve each of them": (
        """
        nodes:
          blur: {type: Blur}
          other: {type: Blur, parent: input}
          joint: {type: RX, parent: [other, blur]}
          alone: {type: RX, parent: other}
          lows: {type: MinMax, parent: [blur, other]}
        """,
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; extrema of blur.blurred; moments of blur.blurred with other.blurred; extrema of other.blurred; solves joint, alone, lows",
    ),
    "what has to be joined with a later value is measured again with it": (
        "nodes: {rx: {type: RX}, both: {type: RX, parent: [rx, input]}}",
        """
        pass 1 of 2: reads the training data once; measures extrema, moments of input.cube; solves rx
        pass 2 of 2: reads the training data once; measures moments of input.cube with rx.scores; solves both
        """,
    ),
    "a statistic of several ports is one of them joined": (
        "nodes: {blur: {type: Blur}, pair: {type: Pair, inputs: {first: input, second: blur}}}",
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; moments of input.cube with blur.blurred; solves pair",
    ),
    "a diamond of affine nodes is one pass": (
        """
        nodes:
          normalizer: {type: MinMax}
          left: {type: PCA, n_components: 2, parent: normalizer}
          right: {type: PCA, n_components: 1, parent: normalizer}
          rx: {type: RX, parent: [left, right]}
        """,
        "pass 1 of 1: reads the training data once; measures extrema, moments of input.cube; solves normalizer, left, right, rx",
    ),
    "nothing to fit": (
        "nodes: {blur: {type: Blur}, gain: {type: Gain}}",
        "no pass over the training data: nothing has to be fitted",
    ),
}


@pytest.mark.parametrize("promise", PLANS)
def test_plan(promise: str) -> None:
    """Each plan, whole."""
    text, plan = PLANS[promise]
    assert described(text) == says(plan)


def test_sources_say_where_each_statistic_comes_from() -> None:
    """A source names what a node reads, the pass, and the measurement from which the statistic follows."""
    plan = plan_statistics(
        checked("""
            nodes:
              normalizer: {type: MinMax}
              rx: {type: RX}
              both: {type: RX, parent: [rx, normalizer]}
        """)
    )
    cube, scores = ValueRef("input", "cube"), ValueRef("rx", "scores")
    normalized = ValueRef("normalizer", "normalized")
    first, joint = Tap(cube, frozenset({"extrema", "moments"})), Tap(cube, frozenset({"moments"}), (scores,))
    assert plan.sources == {
        "normalizer": (Source("extrema", (cube,), 0, first),),
        "rx": (Source("moments", (normalized,), 0, first),),
        "both": (Source("moments", (scores, normalized), 1, joint),),
    }
    assert joint.parts == (cube, scores)


@pytest.mark.parametrize(
    ("training", "reads"),
    [
        ("{fit_fraction: 0.25}", "25 % of the training data"),
        ("{fit_stride: 4}", "the training data, one row and column in 4,"),
        ("{fit_fraction: 0.125, fit_stride: 2}", "12.5 % of the training data, one row and column in 2,"),
    ],
)
def test_a_plan_says_which_share_of_the_data_it_reads(training: str, reads: str) -> None:
    text = f"training: {training}\nnodes: {{rx: {{type: RX}}}}"
    assert described(text) == (
        f"pass 1 of 1: reads {reads} once; measures extrema, moments of input.cube; solves rx"
    )


def test_a_fraction_of_the_samples_is_spread_evenly() -> None:
    def taken(fraction: float, count: int) -> list[int]:
        return [index for index in range(count) if Share(fraction).takes(index)]

    assert taken(1.0, 5) == [0, 1, 2, 3, 4]
    assert taken(0.5, 6) == [0, 2, 4]
    assert taken(0.3, 11) == [0, 4, 7, 10]
    assert taken(1e-9, 1000) == [0]
    for fraction in (0.1, 0.37, 2 / 3, 0.9):
        assert abs(len(taken(fraction, 1000)) - 1000 * fraction) <= 1
