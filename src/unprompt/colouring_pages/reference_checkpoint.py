"""Checkpoints of pix2pix's authors (pytorch-CycleGAN-and-pix2pix): latest_net_G.pth and latest_net_D.pth.

There a U-Net is a block in a block: each is a list of layers, of which one is the next block, so that names
grow with the depth (`model.model.1.model.3.model.1.weight`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from unprompt.colouring_pages.config import DiscriminatorConfig, GeneratorConfig
from unprompt.colouring_pages.network import KERNEL, Discriminator, Generator
from unprompt.errors import CheckpointError
from unprompt.networks.extent import Extent, made_within
from unprompt.networks.state_dicts import StateDict, load_strictly, read_tensors

DROPOUT = 0.5  # a checkpoint does not say; it is their default
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def load_reference(path: Path) -> Generator:
    """The U-Net of a latest_net_G.pth, in evaluation mode; nothing but tensors is unpickled.

    Raises CheckpointError for a file that is damaged or has code in it, and for another network's: a
    discriminator, a ResNet, a picture with other than three channels.
    """
    state = read_tensors(path)  # takes away the `model.model.` and `module.` before all names
    config = _generator_config(path, state)
    own_by_theirs = {theirs: own for own, theirs in generator_names(config.levels)}
    with made_within(Extent.of_state(state), str(path)):
        network = Generator(config)
    load_strictly(network, _renamed(state, own_by_theirs, config.norm), str(path))
    network.eval()
    return network


def load_reference_discriminator(path: Path) -> Discriminator:
    """The PatchGAN of a latest_net_D.pth, in evaluation mode. Raises CheckpointError as `load_reference`."""
    state = read_tensors(path)
    convolutions = {name: tensor for name, tensor in state.items() if tensor.ndim == 4}
    names = [f"{place}.weight" for place in (0, *range(2, 3 * len(convolutions) - 3, 3))]
    if len(names) < 3 or list(convolutions) != names or convolutions[names[-1]].shape[0] != 1:
        raise _not_theirs(path, state, "PatchGAN discriminator (netD basic or n_layers)")
    filters, channels = convolutions[names[0]].shape[:2]
    config = DiscriminatorConfig(
        filters, len(names) - 2, _norm_of(state, shift="2.bias", scale="3.weight"), channels
    )
    with made_within(Extent.of_state(state), str(path)):
        network = Discriminator(config)
    own_by_theirs = {name.partition(".")[0]: f"layers.{name.partition('.')[0]}" for name in state}
    load_strictly(network, _renamed(state, own_by_theirs, config.norm), str(path))
    network.eval()
    return network


def generator_names(levels: int) -> Iterator[tuple[str, str]]:
    """Our name of each layer with weights, and theirs without the `model.model.` before it."""
    block = ""
    for level in range(levels):
        if level == 0:
            places = {"down": 0, "up": 3}
        elif level == levels - 1:
            places = {"down": 1, "up": 3, "up norm": 4}
        else:
            places = {"down": 1, "down norm": 2, "up": 5, "up norm": 6}
        for what, place in places.items():
            way, _, norm = what.partition(" ")
            yield f"{way}.{level}.{norm or 'convolution'}", f"{block}{place}"
        block += "1.model." if level == 0 else "3.model."


def _generator_config(path: Path, state: StateDict) -> GeneratorConfig:
    first, last = state.get("0.weight"), state.get("3.weight")
    if (
        first is None
        or last is None
        or "1.model.1.weight" not in state
        or any(tensor.ndim != 4 or tensor.shape[-1] != KERNEL for tensor in (first, last))
    ):
        raise _not_theirs(path, state, "U-Net generator (netG unet_128 or unet_256)")
    if first.shape[1] != 3 or last.shape[1] not in (1, 3):
        raise CheckpointError(
            f"{path} makes pictures of {last.shape[1]} channels of pictures of {first.shape[1]}; expected 3 "
            "in, and 1 or 3 out"
        )
    levels, block = 2, "1.model."
    while f"{block}3.model.1.weight" in state:
        levels, block = levels + 1, f"{block}3.model."
    return GeneratorConfig(
        filters=first.shape[0],
        levels=levels,
        norm=_norm_of(state, shift="0.bias", scale=f"{block}4.weight"),
        dropout=DROPOUT,
        up="transposed",
        channels=last.shape[1],
    )


def _norm_of(state: StateDict, shift: str, scale: str) -> str:
    """Their norm: batch norms have a scale, and with instance norms, which have none, convolutions shift."""
    if scale in state:
        return "batch"
    return "instance" if shift in state else "none"


def _renamed(state: StateDict, own_by_theirs: Mapping[str, str], norm: str) -> StateDict:
    """Tensors by our names; what has none keeps its own. Old instance norms' statistics were never used."""
    renamed = {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if norm == "instance" and kind in STATISTICS:
            continue
        renamed[f"{own_by_theirs.get(layer, layer)}.{kind}"] = tensor
    return renamed


def _not_theirs(path: Path, state: StateDict, what: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is no {what} of pytorch-CycleGAN-and-pix2pix: its {len(state)} tensors begin with "
        f"{next(iter(state))}"
    )
