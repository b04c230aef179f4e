"""The op vocabulary: the words node bodies are written in. Each op stands once, in the file of its family."""

from .affine import affine
from .elementwise import add, at_least, divide, floor_at, multiply, sigmoid, subtract
from .reductions import concat, image_maximum, image_minimum, squared_norm

__all__ = [
    "add",
    "affine",
    "at_least",
    "concat",
    "divide",
    "floor_at",
    "image_maximum",
    "image_minimum",
    "multiply",
    "sigmoid",
    "squared_norm",
    "subtract",
]
