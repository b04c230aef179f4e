"""A warning where the float32 that an exported model reads cannot tell the training's spectra apart as training did."""

from __future__ import annotations

import numpy as np

from cuvisc.language.statistics import BandMoments
from cuvisc.runtime.progress import log

_EXACT = ("uint8", "int8", "uint16", "int16", "float32")
_SHARE = 1e-3


def warn_of_rounding(dtype: str, moments: BandMoments) -> None:
    """Say which bands vary so little around so large a mean that rounding to float32 is more than 1e-3 of it.

    Neighbouring numbers of float32 around a mean m are 2^-23 |m| to 2^-24 |m| apart. Cubes of `dtype` that float32
    holds exactly are not rounded.
    """
    if dtype in _EXACT:
        return
    apart = np.spacing(np.abs(moments.mean).astype(np.float32)).astype(np.float64)
    deviation = np.sqrt(moments.variance.clip(min=0))
    lost = np.flatnonzero((deviation > 0) & (apart > _SHARE * deviation))
    if lost.size:
        worst = lost[np.argmax(apart[lost] / deviation[lost])]
        log.warning(
            "%d of %d bands vary too little around their mean for float32, which exported models read: band %d by %.3g "
            "around %.10g, where float32 steps by %.3g; take an offset off the data before it is trained on",
            lost.size,
            len(deviation),
            worst,
            deviation[worst],
            moments.mean[worst],
            apart[worst],
        )
