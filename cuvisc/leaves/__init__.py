"""Losses, metrics and figures. Every leaf is found by scanning the files of this package."""

from cuvisc.language.exports import lazy_exports
from cuvisc.language.leaf import LeafNode

__getattr__, __dir__ = lazy_exports(__name__, LeafNode)
