"""The standard library of the language. Every node is found by scanning the files of this package."""

from cuvisc.language.exports import lazy_exports
from cuvisc.language.node import Node

__getattr__, __dir__ = lazy_exports(__name__, Node)
