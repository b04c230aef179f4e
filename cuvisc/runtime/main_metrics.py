"""Which metrics to look at first where there is room for a few: those of detection, then of components. Pure Python."""

from __future__ import annotations

from collections.abc import Iterable

_MAIN = ("anomaly_f1", "anomaly_auroc", "anomaly_average_precision", "explained_variance_total")


def main_first(names: Iterable[str]) -> list[str]:
    """Names such as val/metric/anomaly_f1, each once: the main ones by their last part, then as they came."""
    known = dict.fromkeys(names)
    main = [name for wanted in _MAIN for name in known if name.rpartition("/")[2] == wanted]
    return list(dict.fromkeys([*main, *known]))
