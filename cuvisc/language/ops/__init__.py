"""The op vocabulary: the words node bodies are written in. Each op stands once, in the file of its family."""

from .affine import affine
from .bands import arg_maximum, arg_minimum, concat, gather_bands, squared_norm
from .elementwise import add, at_least, divide, floor_at, multiply, sigmoid, subtract
from .images import image_deviation, image_mahalanobis, image_maximum, image_median, image_minimum
from .validity import keep_pixels, valid_pixels

__all__ = [
    "add",
    "affine",
    "arg_maximum",
    "arg_minimum",
    "at_least",
    "concat",
    "divide",
    "floor_at",
    "gather_bands",
    "image_deviation",
    "image_mahalanobis",
    "image_maximum",
    "image_median",
    "image_minimum",
    "keep_pixels",
    "multiply",
    "sigmoid",
    "squared_norm",
    "subtract",
    "valid_pixels",
]
