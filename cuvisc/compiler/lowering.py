"""The order of passes from a fitted module to the program that code is generated from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from cuvisc.compiler.ir import Program, verify
from cuvisc.compiler.module import CompiledGraph
from cuvisc.compiler.passes.certify_affine import Certificate, certify_affine
from cuvisc.compiler.passes.fold_constants import fold_constants
from cuvisc.compiler.passes.fold_decisions import fold_decisions
from cuvisc.compiler.passes.fuse_affine import fuse_affine
from cuvisc.compiler.passes.hoist_selection import hoist_selection
from cuvisc.compiler.passes.rotate_norms import rotate_norms
from cuvisc.compiler.passes.strip_leaves import strip_leaves
from cuvisc.compiler.sampling import moments_on
from cuvisc.compiler.tracing import trace
from cuvisc.language.statistics import BandMoments

# A folded decision may leave a map with affine readers alone: they are fused after it.
PASSES = (fold_constants, hoist_selection, fuse_affine, fold_decisions, fuse_affine, rotate_norms)


@dataclass(frozen=True)
class Lowered:
    """The program as the nodes spell it, the same after fusion, and the evidence for how it was written."""

    plain: Program
    fused: Program
    certificates: tuple[Certificate, ...]


def lower(
    module: CompiledGraph, profile: BandMoments | None = None, sample: NDArray[Any] | None = None
) -> Lowered:
    """Strip, trace, fold, fuse; the program is verified after every pass.

    ``profile`` and ``sample`` are the moments and some pixels [N,C] of the training cubes, which certificates rest on.
    """
    plain = trace(module, strip_leaves(module.graph))
    program = plain
    for rewrite in PASSES:
        program = verify(rewrite(program))
    measure = None if sample is None else partial(moments_on, sample)
    fused, certificates = certify_affine(program, profile, measure)
    return Lowered(plain, verify(fused), certificates)
