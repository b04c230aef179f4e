"""A node whose body is plain torch, into an ONNX graph: exported by torch, then inlined under the node's own name."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto, compose, version_converter

from cuvisc.compiler.ir import Operation

if TYPE_CHECKING:
    from torch import nn


class NotExportable(ValueError):
    """Torch's exporter cannot express a node's body; the message names the node and what stood in the way."""


def inline_opaque(
    nodes: list[onnx.NodeProto],
    initializers: dict[str, TensorProto],
    operation: Operation,
    inputs: list[str],
    opset: int,
) -> list[str]:
    """Append the node's ONNX nodes; return the names of its outputs."""
    model = _export(operation, opset)
    graph = compose.add_prefix_graph(model.graph, f"{operation.name}/")
    renamed = dict(zip((value.name for value in graph.input), inputs, strict=True))
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        node.doc_string = ""
        del node.metadata_props[:]
        nodes.append(node)
    initializers.update({tensor.name: tensor for tensor in graph.initializer})
    return [value.name for value in graph.output]


def _export(operation: Operation, opset: int) -> onnx.ModelProto:
    import torch

    module = copy.deepcopy(operation.attributes["module"]).float().eval()
    wrapper = _positional(module, operation.attributes["ports"])
    sample = tuple(torch.ones(2, 3, 4, _bands(operation, i)) for i in range(len(operation.inputs)))
    batch, rows, columns = (torch.export.Dim(name) for name in ("B", "H", "W"))
    shapes = tuple({0: batch, 1: rows, 2: columns} for _ in sample)
    try:
        with _quiet():
            program = torch.onnx.export(
                wrapper, sample, dynamo=True, dynamic_shapes=(shapes,), opset_version=opset, verbose=False
            )
        assert program is not None
        model = program.model_proto
    except Exception as error:
        raise NotExportable(
            f"`{operation.origin[0]}` is written in plain torch and torch cannot export it to ONNX: {_reason(error)}"
        ) from error
    found = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return model if found == opset else version_converter.convert_version(model, opset)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says of packages that no node needs, and of its own age."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """The first line of what went wrong first; the exporter's own errors say at length how to file a report."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _bands(operation: Operation, index: int) -> int:
    return int(operation.attributes["bands"][index])


def _positional(module: nn.Module, ports: tuple[str, ...]) -> nn.Module:
    import torch

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: Any) -> Any:
            return self.module.forward(**dict(zip(ports, inputs, strict=True)))

    return Positional()
