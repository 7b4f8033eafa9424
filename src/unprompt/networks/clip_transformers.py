"""A CLIP in the layout of transformers' CLIPModel, as open_clip has it: settings and tensors' names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.errors import CheckpointError, InputError
from unprompt.networks.huggingface import WEIGHTS
from unprompt.storage.files import read_json

if TYPE_CHECKING:
    from unprompt.networks.state_dicts import StateDict

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
ACTIVATIONS = {"quick_gelu": True, "gelu": False}
RESAMPLED = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
MARK = "text_model.embeddings.token_embedding.weight"  # what such a state dict has, and open_clip's has not
VISION = {  # what transformers' classes fill in where the file is silent: of ViT-B/32
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
TEXT = {
    "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
    "num_attention_heads": 8, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}  # fmt: skip
NAMES = {
    "logit_scale": "logit_scale",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
}
TRANSPOSED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
NORMS = {
    "text_model.final_layer_norm.": "ln_final.",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",  # the typing error is theirs
    "vision_model.post_layernorm.": "visual.ln_post.",
}
LAYER = re.compile(r"(text|vision)_model\.encoder\.layers\.(\d+)\.(.+)")
IN_LAYER = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
    "self_attn.out_proj.": "attn.out_proj.",
}
COUNTERS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def is_transformers_clip(folder: Path) -> bool:
    """Whether a folder's config.json is that of a CLIPModel. Raises CheckpointError for a damaged one."""
    return (folder / CONFIG).is_file() and read_settings(folder / CONFIG).get("model_type") == "clip"


def weights_of(folder: Path) -> Path:
    """The file of weights in a folder of transformers. Raises CheckpointError for none or several parts."""
    for name in WEIGHTS:
        if (folder / name).is_file() and not name.endswith(".json"):
            return folder / name
    raise CheckpointError(
        f"{folder} has a {CONFIG} but no {WEIGHTS[0]} in one piece; get that from where its {CONFIG} is from"
    )


def settings_of(folder: Path) -> dict[str, Any]:
    """open_clip's settings for the network of a folder: embed_dim, vision_cfg, text_cfg, quick_gelu.

    Raises CheckpointError for what open_clip's classes cannot do, and for settings that no network has.
    """
    config = read_settings(folder / CONFIG)
    try:
        return _in_open_clips_keys(folder, config)
    except (ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{folder / CONFIG} is no CLIP's ({error}); get it again") from error


def _in_open_clips_keys(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    image = {**VISION, **(config.get("vision_config") or {}), **(config.get("vision_config_dict") or {})}
    text = {**TEXT, **(config.get("text_config") or {}), **(config.get("text_config_dict") or {})}
    activations = {image["hidden_act"], text["hidden_act"]}
    if len(activations) > 1 or not activations <= ACTIVATIONS.keys():
        raise CheckpointError(
            f"{folder / CONFIG} wants the activations {' and '.join(sorted(activations))}; a CLIP here has "
            f"one of {' or '.join(ACTIVATIONS)} in both towers"
        )

    def tower(config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "width": config["hidden_size"],
            "layers": config["num_hidden_layers"],
            "mlp_ratio": config["intermediate_size"] / config["hidden_size"],
            "norm_kwargs": {"eps": config["layer_norm_eps"]},
        }

    return {
        "embed_dim": config.get("projection_dim", 512),
        "vision_cfg": {
            **tower(image),
            "head_width": image["hidden_size"] // image["num_attention_heads"],
            "image_size": image["image_size"],
            "patch_size": image["patch_size"],
        },
        "text_cfg": {
            **tower(text),
            "heads": text["num_attention_heads"],
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
        },
        "quick_gelu": ACTIVATIONS[image["hidden_act"]],
    }


def preprocess_of(folder: Path) -> dict[str, Any]:
    """open_clip's settings for what the folder's image processor does; empty where it has none.

    Where the image is cut, its shorter side is fitted; where it is not, it is squeezed into the square.
    """
    if not (folder / PREPROCESSOR).is_file():
        return {}
    config = read_settings(folder / PREPROCESSOR)
    cut = config.get("do_center_crop", True)
    found = {
        "mean": config.get("image_mean"),
        "std": config.get("image_std"),
        "interpolation": RESAMPLED.get(config.get("resample", 3)),
        "resize_mode": "shortest" if cut else "squash",
    }
    return {name: value for name, value in found.items() if value is not None}


def in_open_clips_names(state: StateDict) -> StateDict:
    """A CLIPModel's tensors with the names and shapes of open_clip's CLIP; names not known stay."""
    import torch

    found: dict[str, Any] = {}
    for name, tensor in state.items():
        if name in COUNTERS:
            continue
        if name in TRANSPOSED:
            found[TRANSPOSED[name]] = tensor.T.contiguous()
        elif layer := LAYER.fullmatch(name):
            tower, number, rest = layer.groups()
            prefix = f"{'visual.' if tower == 'vision' else ''}transformer.resblocks.{number}."
            if projection := re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", rest):
                if projection[1] == "q":  # the three lie one above the other in open_clip's
                    stem = name.removesuffix(rest)
                    parts = [state.get(f"{stem}self_attn.{one}_proj.{projection[2]}") for one in "qkv"]
                    there = [part for part in parts if part is not None]
                    if len(there) == 3:
                        found[f"{prefix}attn.in_proj_{projection[2]}"] = torch.cat(there)  # (3 C, …)
            else:
                found[prefix + _renamed(rest, IN_LAYER)] = tensor
        else:
            found[NAMES.get(name) or _renamed(name, NORMS)] = tensor
    return found


def _renamed(name: str, beginnings: Mapping[str, str]) -> str:
    for old, new in beginnings.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def read_settings(path: Path) -> dict[str, Any]:
    """A model's settings. Raises CheckpointError where they cannot be read."""
    try:
        content = read_json(path)
    except InputError as error:
        raise CheckpointError(f"{error}; get it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no model's settings; get it again")
    return content
