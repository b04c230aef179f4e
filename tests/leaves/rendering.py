"""A figure to its pixels, for tests that look whether anything was drawn."""

import io

import numpy as np
from matplotlib import image, pyplot
from matplotlib.text import Text


def pixels(figure):
    """The figure as PNG and back, as [H,W,3] in [0, 1]; no figure is left with pyplot."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert pyplot.get_fignums() == []
    file.seek(0)
    return image.imread(file)[..., :3]


def is_drawn(figure, least=0.02):
    """Whether a fair share of the picture is not background, and it is wide enough to read."""
    picture = pixels(figure)
    return picture.shape[1] >= 800 and (np.abs(picture - 1).max(axis=-1) > 0.1).mean() > least


def texts(figure):
    """Everything written in a figure."""
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(Text)}
