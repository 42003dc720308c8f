"""A version as an ONNX file, written by the package `onnx`."""

from __future__ import annotations

import importlib
import random
from types import ModuleType
from typing import Any

from edge_lab.addons.models.versions import INPUTS, ModelVersion
from edge_lab.core.errors import LabError

HIDDEN = 768
"""Units of a hidden layer. With two of them the file has 2.3 MiB, which take a 3G line 12 s. Only
as many as there are inputs are used; no input reaches the others, which are filler."""
OPSET, IR = 13, 8
"""Of ONNX: what runtimes of 2020 and later read."""


def onnx_package() -> ModuleType:
    """The package; LabError if it is not installed."""
    try:
        return importlib.import_module("onnx")
    except ImportError as trouble:
        raise LabError(
            "the models of the add-on models need the Python package onnx, which is not installed",
            remedy="Run `make setup`, or `pip install 'edge-lab[models]'`.",
        ) from trouble


def onnx_file(version: ModelVersion, hidden: int = HIDDEN) -> bytes:
    """The content. Equal versions make equal bytes."""
    import numpy

    onnx: Any = onnx_package()
    helper, numbers = onnx.helper, onnx.numpy_helper
    count = len(INPUTS)
    filler = random.Random(f"filler of {version.tag}").randbytes(4 * hidden * hidden)
    spread = numpy.frombuffer(filler, dtype="<u4").astype(numpy.float32) / numpy.float32(2**32)
    second = (spread.reshape(hidden, hidden) - numpy.float32(0.5)).copy()
    second[:count, :] = 0
    second[:count, :count] = numpy.eye(count, dtype=numpy.float32)
    first = numpy.zeros((count, hidden), dtype=numpy.float32)
    first[:, :count] = numpy.eye(count, dtype=numpy.float32)
    weights, bias = version.scaled
    last = numpy.zeros((hidden, 1), dtype=numpy.float32)
    last[:count, 0] = weights
    tensors = {"first": first, "second": second, "last": last}
    tensors["bias"] = numpy.array([bias], dtype=numpy.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["inputs", "first"], ["a"]),
            helper.make_node("MatMul", ["a", "second"], ["b"]),
            helper.make_node("MatMul", ["b", "last"], ["c"]),
            helper.make_node("Add", ["c", "bias"], ["output"]),
        ],
        "boiler",
        [helper.make_tensor_value_info("inputs", onnx.TensorProto.FLOAT, ["rows", count])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["rows", 1])],
        [numbers.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="edge-lab",
        producer_version=version.tag,
        ir_version=IR,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
