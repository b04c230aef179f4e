"""What accumulates over an epoch and is added up over all processes: torchmetrics' states without its wrappers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypeVar

from torchmetrics import Metric

R = TypeVar("R")


class Accumulator(Metric, Generic[R]):
    """States that ``update`` fills and ``reset`` clears; ``gathered`` is their result over all processes."""

    full_state_update = False

    @abstractmethod
    def result(self) -> R:
        """The result of what this process has seen, or of what was just gathered."""

    def gathered(self) -> R:
        """The result of what all processes have seen. Every process must call it."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn):
            return self.result()

    def compute(self) -> Any:
        """The same under torchmetrics' name."""
        return self.gathered()
