"""A tiny CLIP with random weights, as open_clip makes it, and its files as a repository lays them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH = 64
LAYERS = 2
CONTEXT = 77
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def tiny_config(
    *, width: int = WIDTH, layers: int = LAYERS, image_size: int = 32, text: dict[str, Any] | None = None
) -> dict[str, Any]:
    """open_clip's config of a tiny CLIP, vocabulary whole; `text` adds to the text tower's settings."""
    return {
        "embed_dim": width,
        "vision_cfg": {
            "image_size": image_size,
            "layers": layers,
            "width": width,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": 49408,
            "width": width,
            "heads": 4,
            "layers": layers,
            **(text or {}),
        },
    }


def tiny_clip(
    seed: int = 0,
    *,
    config: dict[str, Any] | None = None,
    custom_text: bool = False,
    quick_gelu: bool = False,
) -> Any:
    """An open_clip model with random weights, on the CPU, ready to answer; `config` as of tiny_config."""
    import open_clip
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(
            "ViT-B-32",  # a name that open_clip knows; each of its settings is replaced
            load_weights=False,
            force_custom_text=custom_text,
            quick_gelu=quick_gelu,
            **(config or tiny_config()),
        )
    return model.eval()


def write_tiny_clip(
    folder: Path,
    seed: int = 0,
    *,
    file: str = "open_clip_pytorch_model.bin",
    config: dict[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """Write `tiny_clip` as FOLDER/`file` (.bin, .pt or .safetensors) beside its open_clip_config.json."""
    import torch
    from safetensors.torch import save_file

    config = config or tiny_config()
    folder.mkdir(parents=True, exist_ok=True)
    state = tiny_clip(seed, config=config, **settings).state_dict()
    if file.endswith(".safetensors"):
        save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, folder / file)
    else:
        torch.save(state, folder / file)
    described = {
        "model_cfg": {**config, **settings},
        "preprocess_cfg": {"mean": MEAN, "std": STD},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
    return folder
