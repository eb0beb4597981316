"""A program as the bytes of a file, and such bytes as something that runs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.export import ExportedProgram

from drawzoo import OutputError
from drawzoo_export.graphs import BATCH, Graph
from drawzoo_export.kinds import KINDS
from drawzoo_export.tracing import quiet, reason, refused

__all__ = ["FORMATS", "Format", "Run"]

Run = Callable[..., Sequence[Tensor]]
"""A graph that was loaded: tensors in, tensors out, in the order of the graph's ports."""


class Format(NamedTuple):
    """How files of a format are made and used."""

    write: Callable[[Graph, ExportedProgram], bytes]
    load: Callable[[bytes], Run]
    """Loads as somebody would who has no drawzoo."""


def _write_torch(graph: Graph, program: ExportedProgram) -> bytes:
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer)
    return buffer.getvalue()


def _load_torch(data: bytes) -> Run:
    with quiet():
        module: Run = torch.export.load(io.BytesIO(data)).module()
    return module


def _write_onnx(graph: Graph, program: ExportedProgram) -> bytes:
    try:
        with quiet():
            exported: Any = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                opset_version=KINDS["onnx"].opset,
                input_names=[port.name for port in graph.inputs],
                output_names=[port.name for port in graph.outputs],
            )
    except ImportError as error:
        raise OutputError(
            f"onnxscript is too old for this torch ({reason(error)}); "
            "pip install --upgrade 'drawzoo[export]'"
        ) from error
    except Exception as error:  # torch's, of many kinds
        raise refused(graph, reason(error)) from error
    model = exported.model_proto
    for value in [*model.graph.input, *model.graph.output]:
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = BATCH
    # Sizes on the way, under the names that torch gave the dimension.
    del model.graph.value_info[:]
    data: bytes = model.SerializeToString()
    return data


def _load_onnx(data: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised too
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]

    def run(*inputs: Tensor) -> list[Tensor]:
        feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, feed)]

    return run


FORMATS: dict[str, Format] = {
    "onnx": Format(_write_onnx, _load_onnx),
    "torch": Format(_write_torch, _load_torch),
}
"""By the names that `--to` takes."""
