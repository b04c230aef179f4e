"""A loss of its own."""

from torch import Tensor

from cuvisc.language.leaf import Batch, LossNode


class SmallComponents(LossNode):
    """Mean square of the components of a trained projection."""

    required_parent_attributes = ("components",)

    def compute_loss(self, parent_output: Tensor, batch: Batch) -> Tensor:
        return self.weight * parent_output.square().mean()
