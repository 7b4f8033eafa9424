"""DoodleNet's public files, as ml5.js has them: plain numbers, and a list of what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.doodles.namer_config import NamerConfig
from unprompt.errors import CheckpointError, InputError
from unprompt.storage.files import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MANIFEST = "model.json"
WORDS = "class_names.txt"
LARGEST = 1 << 28  # bytes; the public file has 2.2 MB
# Layers by their names there and here, in the order in which they are computed.
LAYERS = {
    "conv2d": "convolutions.0",
    **{f"conv2d_{n}": f"convolutions.{n}" for n in range(1, 6)},
    "dense": "hidden",
    "dense_1": "say",
}


def read_doodlenet(folder: Path) -> tuple[NamerConfig, Mapping[str, Tensor]]:
    """The network of a folder with model.json, its .bin files and class_names.txt: settings and weights.

    Raises CheckpointError where a file is missing, cut off, or of another network.
    """
    import torch

    arrays = _read_arrays(folder)
    try:
        words = (folder / WORDS).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder} needs {WORDS}, DoodleNet's words in order: {error}") from error
    weights: dict[str, Tensor] = {}
    for layer, ours in LAYERS.items():
        try:
            kernel, bias = arrays[f"{layer}/kernel"], arrays[f"{layer}/bias"]
        except KeyError as error:
            raise CheckpointError(
                f"{folder / MANIFEST} lists no tensor {error}; it is no DoodleNet"
            ) from None
        if kernel.ndim == 4:  # height, width, in, out
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            if layer == "dense":  # its inputs lie there as height, width, channel
                channels = arrays["conv2d_5/bias"].shape[0]
                side = round((kernel.shape[0] / channels) ** 0.5)
                if side * side * channels != len(kernel):
                    raise CheckpointError(
                        f"{folder / MANIFEST}: dense has {len(kernel)} inputs, no square map"
                    )
                kernel = (
                    kernel.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(len(kernel), -1)
                )
            kernel = kernel.T
        weights[f"{ours}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel))
        weights[f"{ours}.bias"] = torch.from_numpy(np.array(bias))
    if len(words) != len(weights["say.bias"]):
        raise CheckpointError(
            f"{folder / WORDS} has {len(words)} words, the network {len(weights['say.bias'])} outputs; "
            "get both again"
        )
    return NamerConfig("doodlenet", words=tuple(word.replace("_", " ") for word in words)), weights


def _read_arrays(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of TensorFlow.js' layers format by their names: float32, one after another."""
    try:
        manifest = read_json(folder / MANIFEST)
        found: dict[str, NDArray[np.float32]] = {}
        for group in manifest["weightsManifest"]:
            paths = [_inside(folder, name) for name in group["paths"]]
            if sum(path.stat().st_size for path in paths) > LARGEST:
                raise CheckpointError(f"the weights in {folder} are larger than any DoodleNet")
            content, at = b"".join(path.read_bytes() for path in paths), 0
            for entry in group["weights"]:
                shape = tuple(int(number) for number in entry["shape"])
                if entry["dtype"] != "float32" or min(shape, default=0) < 0 or "quantization" in entry:
                    raise CheckpointError(f"{folder / MANIFEST}: {entry['name']} is not plain float32")
                count = int(np.prod(shape, dtype=np.int64))
                numbers = np.frombuffer(content, "<f4", count, at)
                found[str(entry["name"])] = numbers.astype(np.float32).reshape(shape)
                at += 4 * count
    except (InputError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder} has no weights as DoodleNet's files have them: {error}") from error
    return found


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise CheckpointError(f"{folder / MANIFEST} names a file outside its folder: {name}")
    return folder / name
