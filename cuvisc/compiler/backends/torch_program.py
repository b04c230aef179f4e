"""Program to torch: evaluates the ops in any float dtype; in float64, the reference of every export."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from cuvisc.compiler.ir import Operation, Program


class ProgramModule(nn.Module):
    """A program as a torch module: a cube of any numeric dtype in, outputs by their user-visible names out.

    Constants are buffers in ``dtype`` and opaque nodes are copied to it. ``settings`` hold the defaults and may be
    changed before a call.
    """

    def __init__(self, program: Program, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self._outputs = dict(program.outputs)
        self._operations = program.operations
        self._opaque = nn.ModuleDict()
        self._buffer_names: dict[tuple[str, str], str] = {}
        self._settings: dict[str, str] = {}
        for setting in program.settings:
            self._settings[setting.value.name] = self._add(
                setting.value.name, torch.tensor([setting.default]), dtype
            )
        for operation in program.operations:
            for key, value in operation.constants.items():
                exact = operation.op.name == "affine" and (
                    key != "matrix" or "double" in operation.attributes
                )
                held = torch.float64 if exact else dtype
                name = self._add(f"{operation.name}.{key}", torch.from_numpy(value.copy()), held)
                self._buffer_names[operation.name, key] = name
            if operation.op.name == "opaque":
                own = copy.deepcopy(operation.attributes["module"])
                self._opaque[_identifier(operation.name)] = own.to(dtype)

    def _add(self, name: str, value: Tensor, dtype: torch.dtype) -> str:
        identifier = _identifier(name)
        self.register_buffer(identifier, value.to(dtype))
        return identifier

    def forward(self, cube: Tensor) -> dict[str, Tensor]:
        values = {"cube": cube.to(self.dtype)}
        for shown, identifier in self._settings.items():
            values[shown] = getattr(self, identifier)
        for operation in self._operations:
            results = self._compute(operation, [values[name] for name in operation.inputs])
            for value, result in zip(operation.outputs, results, strict=True):
                values[value.name] = result
        return {shown: values[name] for shown, name in self._outputs.items()}

    def _compute(self, operation: Operation, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        if operation.op.name == "opaque":
            ports = operation.attributes["ports"]
            result = self._opaque[_identifier(operation.name)](**dict(zip(ports, inputs, strict=True)))
            return result if isinstance(result, tuple) else (result,)
        constants = {
            key: getattr(self, self._buffer_names[operation.name, key]) for key in operation.constants
        }
        return (operation.op.torch(*inputs, **constants, **operation.attributes),)


def _identifier(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)
