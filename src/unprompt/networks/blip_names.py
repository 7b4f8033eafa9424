"""Parameter names of a BLIP captioner: Salesforce's own `.pth` files <-> transformers.

Salesforce's names are those of `models/vit.py` and `models/med.py` of salesforce/BLIP (Li et al. 2022, "BLIP:
Bootstrapping Language-Image Pre-training"). The image encoder's differ from transformers', the text decoder's
are the same, and so are all tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

BLOCKS = "visual_encoder.blocks."
LAYERS = "vision_model.encoder.layers."
OUTSIDE_BLOCKS = {
    "visual_encoder.cls_token": "vision_model.embeddings.class_embedding",
    "visual_encoder.pos_embed": "vision_model.embeddings.position_embedding",
    "visual_encoder.patch_embed.proj.": "vision_model.embeddings.patch_embedding.",
    "visual_encoder.norm.": "vision_model.post_layernorm.",
}
INSIDE_BLOCKS = {
    "norm1.": "layer_norm1.",
    "norm2.": "layer_norm2.",
    "attn.qkv.": "self_attn.qkv.",
    "attn.proj.": "self_attn.projection.",
}
PARTS = ("visual_encoder.", "text_decoder.")  # all that a captioner has, in Salesforce's names
WORDS = "text_decoder.bert.embeddings.word_embeddings.weight"
OUTPUT_BIAS = "text_decoder.cls.predictions.bias"
TIED = {  # the output layer's names -> the tensors that it shares
    "text_decoder.cls.predictions.decoder.weight": WORDS,
    "text_decoder.cls.predictions.decoder.bias": OUTPUT_BIAS,
}
COUNTER = "text_decoder.bert.embeddings.position_ids"  # 0, 1, 2 …: no parameter, transformers makes it anew
HEAD = 64  # width of one attention head in BLIP base and large, of both sides; no shape tells it
SHAPES_READ = (  # whose shapes say how large the network is
    "visual_encoder.pos_embed",
    "visual_encoder.patch_embed.proj.weight",
    f"{BLOCKS}0.mlp.fc1.weight",
    WORDS,
    "text_decoder.bert.embeddings.position_embeddings.weight",
    "text_decoder.bert.encoder.layer.0.intermediate.dense.weight",
    "text_decoder.bert.encoder.layer.0.crossattention.self.key.weight",
    OUTPUT_BIAS,
)


def transformers_name(name: str) -> str:
    """Salesforce's name of a parameter -> transformers'. A name that it does not know stays as it is."""
    return _renamed(name, (BLOCKS, LAYERS), OUTSIDE_BLOCKS, INSIDE_BLOCKS)


def salesforce_name(name: str) -> str:
    """transformers' name of a parameter -> Salesforce's: the inverse of `transformers_name`."""
    return _renamed(name, (LAYERS, BLOCKS), _inverse(OUTSIDE_BLOCKS), _inverse(INSIDE_BLOCKS))


def blip_sizes(state: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The sizes of a captioner, read off the shapes in Salesforce's state dict.

    Gives the `text_config` and `vision_config` of a transformers BlipConfig, but for what only the vocabulary
    says. All SHAPES_READ must be there.
    """
    _, positions, width = state["visual_encoder.pos_embed"].shape  # (1, 1 + grid * grid, width)
    patch = state["visual_encoder.patch_embed.proj.weight"].shape[-1]
    rows, text_width = state[WORDS].shape
    return {
        "text_config": {
            "vocab_size": rows,
            "hidden_size": text_width,
            "intermediate_size": len(state["text_decoder.bert.encoder.layer.0.intermediate.dense.weight"]),
            "num_hidden_layers": _count(state, "text_decoder.bert.encoder.layer."),
            "num_attention_heads": max(1, text_width // HEAD),
            "max_position_embeddings": len(state["text_decoder.bert.embeddings.position_embeddings.weight"]),
        },
        "vision_config": {
            "hidden_size": width,
            "intermediate_size": len(state[f"{BLOCKS}0.mlp.fc1.weight"]),
            "num_hidden_layers": _count(state, BLOCKS),
            "num_attention_heads": max(1, width // HEAD),
            "image_size": isqrt(positions - 1) * patch,
            "patch_size": patch,
        },
    }


def _renamed(
    name: str, layers: tuple[str, str], outside: Mapping[str, str], inside: Mapping[str, str]
) -> str:
    theirs, ours = layers
    if not name.startswith(theirs):
        return _begun_anew(name, outside)
    number, _, rest = name.removeprefix(theirs).partition(".")
    return f"{ours}{number}.{_begun_anew(rest, inside)}"


def _begun_anew(name: str, new_by_old: Mapping[str, str]) -> str:
    """A name with the beginning that `new_by_old` gives for the one it has."""
    for old, new in new_by_old.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _inverse(new_by_old: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in new_by_old.items()}


def _count(state: Mapping[str, Any], prefix: str) -> int:
    """How many different parts stand after a prefix: the number of layers."""
    return len({name.removeprefix(prefix).partition(".")[0] for name in state if name.startswith(prefix)})
