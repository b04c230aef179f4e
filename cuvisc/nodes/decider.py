"""Deciders: scores, logits or probabilities to decisions."""

from typing import Any

from cuvisc.language import ops
from cuvisc.language.choose import Choose
from cuvisc.language.declare import In, Out, Param, ParameterError
from cuvisc.language.node import Node

_LARGEST_PROBABILITY = 0.9999999
"""Above this a float32 probability cannot be told from 1, nor its logit from infinity."""


class BinaryDecider(Node):
    """Decide for an anomaly where a value reaches the threshold.

    decision = x >= threshold, or sigmoid(x) >= threshold with ``apply_sigmoid``

    The threshold has the unit of the input: a score or a probability; logits take ``apply_sigmoid: true`` and
    a probability as threshold. NaN is never an anomaly. The threshold stays adjustable in the exported model
    as ``<node>.threshold``.
    """

    aliases = ("cuvis_ai.deciders.binary_decider.BinaryDecider",)
    values = In(
        "float32[B,H,W,K]",
        "what is compared",
        unit=Choose("apply_sigmoid", {True: "logits"}, otherwise="scores|probabilities"),
    )
    decisions = Out("bool[B,H,W,K]", "true where an anomaly is", unit="decisions")
    threshold: float = Param(0.5, "smallest value that is an anomaly")
    apply_sigmoid: bool = Param(False, "the input is logits, the threshold a probability between 0 and 1")
    compared = {"threshold": Choose("apply_sigmoid", {True: None}, otherwise="scores|probabilities")}
    constraints = (
        ("threshold", ">", 0, "apply_sigmoid", True),
        ("threshold", "<=", _LARGEST_PROBABILITY, "apply_sigmoid", True),
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        if self.apply_sigmoid and not 0 < self.threshold <= _LARGEST_PROBABILITY:
            raise ParameterError(
                f"{type(self).__name__}: with `apply_sigmoid` the threshold is a probability between 0 and 1, "
                f"got {self.threshold:g}"
            )

    def forward(self, values: Any) -> Any:
        if self.apply_sigmoid:
            values = ops.sigmoid(values)
        return ops.at_least(values, self.threshold, setting="threshold")


class LogitDecider(Node):
    """Decide for an anomaly where the probability of a logit reaches the threshold.

    decision = sigmoid(x) >= threshold,  0 < threshold < 1
    """

    values = In("float32[B,H,W,K]", "log odds", unit="logits")
    decisions = Out("bool[B,H,W,K]", "true where an anomaly is", unit="decisions")
    threshold: float = Param(0.5, "smallest probability that is an anomaly", gt=0, le=_LARGEST_PROBABILITY)

    def forward(self, values: Any) -> Any:
        return ops.at_least(ops.sigmoid(values), self.threshold, setting="threshold")


class MultiClassDecider(Node):
    """Decide for the class of the largest value, or of the smallest with ``use_min``.

    class = argmax_c x_c, counted from 0, the first where several are equal; NaN never wins
    """

    aliases = ("cuvis_ai.deciders.multi_class_decider.MultiClassDecider",)
    values = In("float32[B,H,W,class_count]", "one value for every class")
    classes = Out("int32[B,H,W,1]", "class index from 0", unit="classes")
    class_count: int = Param(doc="number of classes, one band each", ge=1)
    use_min: bool = Param(False, "the smallest value wins, as with distances")

    def forward(self, values: Any) -> Any:
        return ops.arg_minimum(values) if self.use_min else ops.arg_maximum(values)
