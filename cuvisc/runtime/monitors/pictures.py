"""A matplotlib figure to pixels, without pyplot and without a display."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def figure_pixels(figure: Any) -> NDArray[np.uint8]:
    """The figure as it would be printed: [H,W,3], 0 to 255."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba(), np.uint8)[..., :3]
