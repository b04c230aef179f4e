"""Draw one output of `cuvisc predict` as a heat map: python examples/heatmap.py scores.npz heatmap.png [node.port]."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt


def main(source: str, target: str, name: str | None = None) -> None:
    """Draw the named output, or the first one of scores; the colours span its 2nd to 99.8th percentile."""
    with np.load(source) as outputs:
        name = name or next(key for key in outputs.files if outputs[key].dtype.kind == "f")
        scores = outputs[name].astype(np.float64)
    image = scores.reshape(-1, *scores.shape[-3:])[0, :, :, 0]
    low, high = np.nanpercentile(image, (2, 99.8))
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    shown = axes.imshow(image, cmap="inferno", vmin=low, vmax=high)
    axes.set(title=name, xlabel="column", ylabel="row")
    figure.colorbar(shown, label=name.rpartition(".")[2], extend="both")
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)
    print(target)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("source", help="what `cuvisc predict` wrote, .npz")
    parser.add_argument("target", help="picture to write, such as .png")
    parser.add_argument("name", nargs="?", help="output to draw, as node.port")
    try:
        main(**vars(parser.parse_args()))
    except (OSError, KeyError, StopIteration, ValueError) as error:
        parser.exit(3, f"error: {error or 'no output holds scores'}\n")
