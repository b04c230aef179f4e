"""Monitors: where losses, metrics and figures are reported to. Every monitor is found by scanning the files here."""

from cuvisc.language.exports import lazy_exports
from cuvisc.language.leaf import MonitoringNode

__getattr__, __dir__ = lazy_exports(__name__, MonitoringNode)
