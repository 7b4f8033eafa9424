"""A trained network on disk: one safetensors file that says all about itself, or a plain timm state dict.

The header of our own format has one entry, `unprompt`, a JSON text with the format's name and version, the
network's description and a record of how it was trained. It is one entry because safetensors writes several
in an order that changes from run to run, and the same network is to give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isqrt
from pathlib import Path
from typing import Any

import torch

from unprompt.errors import CheckpointError, ConfigError
from unprompt.learning.locked_tower import LockedTower
from unprompt.networks.backbones import CLASSIFIERS, CLIP, classifiers_of, create, load, own_preprocess
from unprompt.networks.extent import Extent, check_side, made_within
from unprompt.networks.state_dicts import (
    StateDict,
    is_safetensors,
    load_strictly,
    read_metadata,
    read_safetensors,
    read_tensors,
)
from unprompt.records import DIM
from unprompt.regression.model import EmbeddingRegressor, ModelSpec, build
from unprompt.storage.damage import DAMAGED_JSON
from unprompt.storage.files import writing

MODEL_FILE = "best.safetensors"  # in a folder that training left
ENTRY = "unprompt"
FORMAT = "unprompt-regression"
VERSION = 1

# Mean and standard deviation of the channels, as plain state dicts may have been trained with them.
STATISTICS: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network from disk, in evaluation mode, and the record of its training, empty where none was kept."""

    model: EmbeddingRegressor
    record: Mapping[str, Any] = field(default_factory=dict)


def save_model(
    path: Path, spec: ModelSpec, state: Mapping[str, torch.Tensor], record: Mapping[str, Any]
) -> None:
    """Write a network, whole or not at all. The same input gives the same bytes.

    `state` is the state dict of an `EmbeddingRegressor`; `record` is what JSON can hold.
    """
    from safetensors.torch import save

    about = {"format": FORMAT, "version": VERSION, "spec": spec.as_dict(), "record": dict(record)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    content = save(tensors, {ENTRY: json.dumps(about, ensure_ascii=False)})
    with writing(path) as stream:
        stream.write(content)


def load_model(path: Path, backbone: str = "", size: int = 0, statistics: str = "") -> Loaded:
    """Load a network, from our own format or from a plain timm state dict with 384 classes.

    A plain state dict needs the name of its `backbone`, and may need `statistics` (a key of STATISTICS) and
    `size` where it was not trained as timm's own weights were. With a file of our own they may only repeat
    what it says. Raises CheckpointError for a file that is damaged, of another width or another backbone,
    ConfigError for settings that make no sense.
    """
    if statistics and statistics not in STATISTICS:
        raise ConfigError(f"statistics must be one of {', '.join(STATISTICS)}, got '{statistics}'")
    about = _about(path)
    if about is None:
        if not backbone:
            raise CheckpointError(
                f"{path} is a plain state dict, which does not say what network it is of; name its backbone "
                '(backbone = "vit_base_patch16_224", or another name of timm\'s)'
            )
        return Loaded(_load_plain(path, read_tensors(path), backbone, size, statistics))
    spec = _spec(path, about)
    check_side(spec.preprocess.size, str(path))
    _check_repeats(path, spec, backbone, size, statistics)
    state = read_safetensors(path)
    try:
        with made_within(Extent.of_state(state), f"the network in {path}"):
            model = build(spec)
    except ConfigError as error:
        raise CheckpointError(f"{path} has a network that cannot be built here: {error}") from error
    load_strictly(model, state, str(path))
    return Loaded(model, about["record"])


def read_record(path: Path) -> dict[str, Any]:
    """The record of a network's training, without reading its parameters. CheckpointError for other files."""
    about = _about(path)
    if about is None:
        raise CheckpointError(f"{path} has no record: it was not written by `unprompt train`")
    record: dict[str, Any] = about["record"]
    return record


def _about(path: Path) -> dict[str, Any] | None:
    """What the header of our own format says, None for another format.

    Raises CheckpointError for a header that is damaged or newer than this package.
    """
    if not is_safetensors(path):
        return None
    text = read_metadata(path).get(ENTRY)
    if text is None:
        return None
    try:
        about = json.loads(text)
    except DAMAGED_JSON as error:
        raise CheckpointError(f"{path}: its header cannot be read ({error}); get it again") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise CheckpointError(f"{path} is of another format than {FORMAT}; give a file of `unprompt train`")
    if about.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is of version {about.get('version')} of {FORMAT}, this unprompt reads {VERSION}; "
            "install a newer unprompt"
        )
    if not isinstance(about.get("record"), dict):
        raise CheckpointError(f"{path}: its header has no record; get it again")
    return about


def _spec(path: Path, about: Mapping[str, Any]) -> ModelSpec:
    try:
        return ModelSpec.from_dict(about.get("spec"))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check_repeats(path: Path, spec: ModelSpec, backbone: str, size: int, statistics: str) -> None:
    """Raise CheckpointError where settings contradict what the file says of itself."""
    seen = spec.preprocess
    if backbone and backbone != spec.backbone:
        raise CheckpointError(f"{path} is of the backbone {spec.backbone}, not {backbone}")
    if size and size != seen.size:
        raise CheckpointError(f"{path} takes images of {seen.size} pixels, not {size}; leave out size")
    if statistics and STATISTICS[statistics] != (seen.mean, seen.std):
        raise CheckpointError(
            f"{path} was trained with mean {seen.mean} and std {seen.std}, not '{statistics}'; "
            "leave out statistics"
        )


def _load_plain(
    path: Path, state: StateDict, backbone: str, size: int, statistics: str
) -> EmbeddingRegressor:
    """The network of a timm model's state dict whose classifier gives the 384 numbers."""
    if backbone.startswith(CLIP):
        raise CheckpointError(
            f"{path} is a plain state dict, and those are read for timm's models only, not {backbone}"
        )
    weight, bias = _take_classifier(path, state, backbone)
    stored_size, patch = _stored_sizes(state, backbone)
    if size and stored_size and size != stored_size:
        raise CheckpointError(
            f"{path} is for images of {stored_size} pixels, by its position embeddings, not {size}; "
            "leave out size"
        )
    own = own_preprocess(backbone, size or stored_size)
    mean, std = STATISTICS.get(statistics, (own.mean, own.std))
    spec = ModelSpec(backbone, "linear", replace(own, mean=mean, std=std), patch)
    check_side(own.size, str(path))
    with torch.random.fork_rng(devices=[]), made_within(Extent.of_state(state), str(path)):
        network = load(backbone, own.size, patch, 0.0, state, str(path))
        model = EmbeddingRegressor(spec, network)
    load_strictly(model.head, {"weight": weight, "bias": bias}, f"{path}, its classifier,")
    model.eval()
    return model


def _take_classifier(path: Path, state: StateDict, backbone: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Remove the classifier from a state dict: (384, d) and (384,)."""
    names = classifiers_of(backbone)
    if len(names) > 1:
        raise CheckpointError(f"{backbone} has {len(names)} classifiers; only models with one can be read")
    name = next((name for name in (*names, *CLASSIFIERS) if f"{name}.weight" in state), None)
    if name is None:
        raise CheckpointError(
            f"{path} has no classifier of {backbone} ({names[0] if names else 'head'}.weight); its first "
            f"tensor is {next(iter(state))}: another backbone, or not fine-tuned to embeddings"
        )
    weight = state.pop(f"{name}.weight")
    bias = state.pop(f"{name}.bias", torch.zeros(len(weight)))
    if len(weight) != DIM:
        raise CheckpointError(
            f"the classifier {name} in {path} gives {len(weight)} numbers, an embedding has {DIM}; "
            "give a checkpoint that was fine-tuned to embeddings"
        )
    return weight.flatten(1), bias


def _stored_sizes(state: StateDict, backbone: str) -> tuple[int, int]:
    """The input and patch size of a ViT's state dict where they are not the backbone's own, else 0.

    The class token and others stand before the grid's positions and are fewer than would make another row.
    """
    positions, kernel = state.get("pos_embed"), state.get("patch_embed.proj.weight")
    if positions is None or kernel is None or positions.ndim != 3 or kernel.ndim != 4:
        return 0, 0
    with torch.device("meta"):
        own = create(backbone, own_preprocess(backbone).size).state_dict()
    own_positions, own_kernel = own.get("pos_embed"), own.get("patch_embed.proj.weight")
    if own_positions is None or own_kernel is None:
        return 0, 0
    patch, own_patch = kernel.shape[-1], own_kernel.shape[-1]
    if (positions.shape[1], patch) == (own_positions.shape[1], own_patch):
        return 0, 0
    return isqrt(positions.shape[1]) * patch, 0 if patch == own_patch else patch


def locked_tower(path: Path) -> LockedTower:
    """The backbone of a file that `unprompt train` left, as an image tower that stays as it is.

    Raises CheckpointError for another file, ConfigError for what is not one of timm's as timm makes it.
    """
    model = load_model(path).model
    if model.spec.backbone.startswith(CLIP) or model.spec.patch:
        raise ConfigError(
            f"{path} is of {model.spec.backbone} with a patch of {model.spec.patch}; "
            "a locked tower is one of timm's, with its own patch"
        )
    return LockedTower(model.spec.backbone, model.spec.preprocess, model.backbone.requires_grad_(False))
