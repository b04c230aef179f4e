"""A program and some pixels to the moments of its values, where they do not follow from those of the cube."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cuvisc.compiler.backends.torch_program import ProgramModule
from cuvisc.compiler.ir import Program
from cuvisc.language.statistics import BandMoments, finite_pixels


def moments_on(sample: NDArray[Any], program: Program, names: Set[str]) -> dict[str, BandMoments]:
    """Moments of the named values, as the program makes them in float64 of one image of the pixels [N,C].

    Pixels whose value is not a number are left out; a value that has no other is not among the results.
    """
    measuring = ProgramModule(replace(program, outputs={name: name for name in sorted(names)}), torch.float64)
    with torch.no_grad():
        values = measuring.eval()(torch.from_numpy(sample.astype(np.float64))[None, :, None, :])
    found = {}
    for name, value in values.items():
        pixels, _ = finite_pixels(value.numpy().reshape(-1, value.shape[-1]))
        if len(pixels):
            mean = pixels.mean(axis=0)
            found[name] = BandMoments(len(pixels), mean, (pixels - mean).T @ (pixels - mean))
    return found
