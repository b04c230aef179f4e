"""The predictor gives the same bits however the cube is cut and on however many threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fitted_graphs import CHAIN, fitted, moments, spectra

from cuvisc.runtime.export import Source, export
from cuvisc.runtime.inference import Predictor

FULL = "nodes: {normalizer: {type: MinMaxNormalizer}, rx: {type: RXGlobal}}"


@pytest.mark.parametrize("text", [CHAIN, FULL])
@pytest.mark.parametrize(("bands", "dtype"), [(61, "uint16"), (61, "float32"), (200, "float32")])
def test_blocks_and_threads_change_no_bit(text: str, bands: int, dtype: str, tmp_path: Path) -> None:
    train = spectra(1, 40, 40, bands, seed="train", dtype=dtype)
    module = fitted(text, train)
    pixels = train.reshape(-1, bands)
    export(Source(module, "0" * 64, dtype, pixels[:100], moments(train)), tmp_path / "artifact")
    cube = spectra(2, 23, 37, bands, dtype=dtype)
    one = Predictor(tmp_path / "artifact", threads=1)
    whole = one.predict(cube)
    for predictor in (one, Predictor(tmp_path / "artifact", threads=2)):
        for count in (1, 5, 37, 64, 333, 10**6):
            predictor._block_pixels = lambda source, count=count: count  # type: ignore[method-assign,misc]
            for name, values in predictor.predict(cube).items():
                np.testing.assert_array_equal(values, whole[name])
    alone = one.predict(cube[1:, 7:8, 11:12])
    np.testing.assert_array_equal(alone["rx.scores"], whole["rx.scores"][1:, 7:8, 11:12])
