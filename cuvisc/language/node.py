"""A node: a torch module that declares its parameters, ports, state and statistics, and spells its mathematics once.

A node's body (``forward``) is written in :mod:`cuvisc.language.ops`; plain torch is legal and opaque (it
trains and exports, it does not fuse).

Pixels without data are NaN in every band. Ops over the pixels of an image leave them out; a body in plain torch that
looks at more than one pixel has to do so itself, and in training sees another pixel's spectrum in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from .choose import Choose, resolve
from .declare import Declared, Port, StateTensor, Unit
from .spectrum import Spectrum
from .statistics import Result, Statistic
from .types import TensorType, parse_type

Mapped = Literal["diagonal", "affine"] | None
Fitted = Mapping[str, Any]


class FitError(ValueError):
    """The data cannot be fitted: the message names the node's reason and what would help."""


class NotFittedError(RuntimeError):
    """A node was asked for its output before phase 1 had filled its state."""


class Node(Declared, nn.Module):
    """Base of every node; see the declared attributes of any node in :mod:`cuvisc.nodes` for an example.

    ``statistics``  what phase 1 must measure, of one of the node's inputs;
    ``mapping``     how the output depends on the input once fitted: ``diagonal`` (band by band), ``affine``, or None;
    ``opening``     where that is None, the affine map that the body begins with: what comes before folds into it;
    ``trained_by``  the name of the boolean parameter that makes the trainable state move in phase 2;
    ``constraints`` such as ``(("n_components", "<=", "C"),)``, or ``disjoint`` and ``as many as`` between lists;
                    two more items say where it holds: ``("k", "<", 1, "apply_sigmoid", True)``;
    ``compared``    parameters that are compared with the input as it is, with the units of input for which they are;
    ``reads_spectrum``  whether it asks what the bands of its input are: ``self.spectrum``, there from ``bind`` on;
    ``selects``     the size of its output, which keeps the bands that a ``Selection`` of its parameters means;
    ``recentres``   the parameter that holds the centres of its output's bands, for which it needs those of its input;
    ``gaussian_widths``  where those bands are gaussian, the parameter that holds their full width at half maximum;
    ``reselects``   whether training it exchanges the bands that leave: what was fitted behind it no longer holds;
    ``marks``       the output that says which pixels hold a measurement: others take no part in what phase 2 learns;
    ``targets``     export targets the node cannot be expressed in, with the reason.
    """

    kind: ClassVar[str] = "node"
    statistics: ClassVar[Statistic | Choose[Statistic | None] | None] = None
    mapping: ClassVar[Mapped | Choose[Mapped]] = None
    opening: ClassVar[Mapped | Choose[Mapped]] = None
    trained_by: ClassVar[str | None] = None
    constraints: ClassVar[tuple[tuple[Any, ...], ...]] = ()
    compared: ClassVar[Mapping[str, Unit | Choose[Unit]]] = {}
    reads_spectrum: ClassVar[bool] = False
    selects: ClassVar[str | None] = None
    recentres: ClassVar[str | None] = None
    gaussian_widths: ClassVar[str | Choose[str | None] | None] = None
    reselects: ClassVar[bool] = False
    marks: ClassVar[str | None] = None
    targets: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.dims: dict[str, int] = {}
        self.spectrum: Spectrum | None = None
        self.fitted = False
        for name, state in self.declaration.state.items():
            self.register_buffer(name, torch.empty(0, dtype=_torch_dtype(state)))

    @property
    def requires_initial_fit(self) -> bool:
        """Whether the body needs state that phase 1 fills."""
        return bool(self.declaration.state)

    @property
    def is_trainable(self) -> bool:
        """Whether phase 2 moves this node's trainable state."""
        return self.trained_by is not None and bool(getattr(self, self.trained_by))

    @property
    def measured(self) -> Statistic | None:
        """The statistic phase 1 must measure for these parameters."""
        return resolve(self.statistics, self.params())

    def bind(self, dims: Mapping[str, int]) -> None:
        """Fix the symbols of the port types, such as ``{"C": 61}``.

        A node whose outputs have a symbol that no input has adds what it is; raises :class:`FitError` where it cannot.
        """
        self.dims = dict(dims)

    def output_spectrum(self) -> Spectrum | None:
        """What the bands of the first output are: those of the first input, where there are as many by declaration."""
        ports = self.declaration.inputs, self.declaration.outputs
        read, given = (self._port_type(next(iter(side.values()))) for side in ports)
        return self.spectrum if read.dims[-1] == given.dims[-1] != 1 else None

    def _port_type(self, port: Port) -> TensorType:
        return parse_type(resolve(port.type, self.params()))

    def solve(self, measured: Result | None) -> Fitted:
        """State values, in float64, from what phase 1 measured; raises :class:`FitError`."""
        return {}

    def fit(self, measured: Result | None) -> None:
        """Solve and load the state."""
        self.load_fitted(self.solve(measured))

    def load_fitted(self, values: Fitted) -> None:
        """Fill the state; the node is fitted from then on."""
        for name, value in values.items():
            held = getattr(self, name)
            # Contiguous, as a file would give it back: sums round differently in another memory order.
            tensor = torch.as_tensor(np.asarray(value), dtype=held.dtype).to(held.device).contiguous()
            if isinstance(held, nn.Parameter):
                held.data = tensor
            else:
                setattr(self, name, tensor)
        self.fitted = True

    def prepare_for_train(self) -> None:
        """Turn trainable state into parameters of its own type; all state keeps the values that were fitted."""
        if not self.is_trainable:
            return
        for name, state in self.declaration.state.items():
            if state.trainable and not isinstance(getattr(self, name), nn.Parameter):
                value = getattr(self, name).detach().clone()
                delattr(self, name)
                self.register_parameter(name, nn.Parameter(value))

    def start_epoch(self, epoch: int) -> None:
        """Called at the start of every epoch of phase 2, counted from 0; schedules live here."""

    def map_labels(self, labels: Tensor) -> Tensor | None:
        """What losses and metrics shall see as ``mask`` instead of these class ids; None leaves the batch alone."""
        return None

    def state_values(self) -> dict[str, Tensor]:
        """The state by name, as it stands now."""
        return {name: getattr(self, name).detach() for name in self.declaration.state}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.requires_initial_fit and not self.fitted:
            raise NotFittedError(
                f"{type(self).__name__} has not been fitted: run phase 1 (`cuvisc train`, `graph.train`) "
                "before asking for its output"
            )
        return super().__call__(*args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in self.declaration.state:
            saved = state_dict.get(prefix + name)
            held = getattr(self, name)
            if saved is not None and saved.shape != held.shape:
                held.data = torch.empty_like(saved, dtype=held.dtype, device=held.device)
        super()._load_from_state_dict(state_dict, prefix, *rest)
        saved_state = [state_dict.get(prefix + name) for name in self.declaration.state]
        self.fitted = self.fitted or all(saved is not None and saved.numel() for saved in saved_state)


def _torch_dtype(state: StateTensor) -> torch.dtype:
    dtype = getattr(torch, parse_type(state.type).dtype)
    assert isinstance(dtype, torch.dtype)
    return dtype
