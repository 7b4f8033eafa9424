"""A tiny Stable Diffusion with random parameters, as a folder in the layout of the real one.

It draws nothing that one could recognise, but every prompt, seed and setting changes its pictures, it takes
milliseconds a step, and the code that loads and runs it cannot tell it from the real one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

WIDTH = 32  # channels of the text encoder's output
LATENT_CHANNELS = 4
MERGES = ("c a", "ca t</w>")  # "cat" is one token, other letters and signs are one each

# As in the real folder: file names, the kind of JSON, and the parameters' names.
MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.8.0",
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.8.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
TOKENIZER = {
    "add_prefix_space": False,
    "bos_token": "<|startoftext|>",
    "do_lower_case": True,
    "eos_token": "<|endoftext|>",
    "errors": "replace",
    "model_max_length": 77,
    "pad_token": "!",
    "tokenizer_class": "CLIPTokenizer",
    "unk_token": "<|endoftext|>",
}


def write_tiny_sd(folder: Path, seed: int = 0, attention_first: bool = False) -> Path:
    """Write the model with parameters drawn from `seed`; returns `folder`.

    As in Stable Diffusion 2, the autoencoder makes 8 x 8 pixels of one latent and the scheduler's prediction
    type is v. `attention_first`: the U-Net's blocks with attention are the outer ones, as in the real ones;
    T2I-Adapters need that.
    """
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    random_state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            block_out_channels=(32, 64),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D")[:: -1 if attention_first else 1],
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D")[:: -1 if attention_first else 1],
            cross_attention_dim=WIDTH,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
        )
        vae = AutoencoderKL(
            sample_size=64,
            latent_channels=LATENT_CHANNELS,
            block_out_channels=(8, 8, 16, 16),
            layers_per_block=1,
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
        )
        vocabulary = tokens()
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=WIDTH,
                intermediate_size=37,
                num_attention_heads=4,
                num_hidden_layers=2,
                vocab_size=len(vocabulary),
                max_position_embeddings=77,
                bos_token_id=vocabulary["<|startoftext|>"],
                eos_token_id=vocabulary["<|endoftext|>"],
                pad_token_id=vocabulary["!"],
            )
        )
        # A new CLIP's embeddings are so small that all prompts would look alike to the UNet.
        text_encoder.get_input_embeddings().weight.data.normal_()
    finally:
        torch.set_rng_state(random_state)
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    text_encoder.save_pretrained(folder / "text_encoder")
    # The published files have names of 2022, which newer libraries read but no longer write.
    rename(folder / "text_encoder" / "model.safetensors", {r"^(text_model\.)?": "text_model."})
    older = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    older = {rf"\.{re.escape(new)}\.": f".{old}." for new, old in older.items()}
    rename(folder / "vae" / "diffusion_pytorch_model.safetensors", older)
    write_tokenizer(folder / "tokenizer", vocabulary)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX))
    return folder


def write_tiny_controlnet(folder: Path, model: Path, seed: int = 1, zero: bool = False) -> Path:
    """Write a ControlNet for the tiny model in `model`, as a training would leave it; returns `folder`.

    A new one's last convolutions are 0, so that no control image changes anything: `zero` leaves them so.
    """
    import torch
    from diffusers import ControlNetModel, UNet2DConditionModel

    random_state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        unet = UNet2DConditionModel.from_pretrained(model / "unet", local_files_only=True)
        network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 16, 16))
        ends = [*network.controlnet_down_blocks, network.controlnet_mid_block]
        for layer in () if zero else (*ends, network.controlnet_cond_embedding.conv_out):
            torch.nn.init.normal_(layer.weight, std=0.5)
            torch.nn.init.normal_(layer.bias, std=0.5)
    finally:
        torch.set_rng_state(random_state)
    network.save_pretrained(folder)
    return folder


def write_tiny_adapter(folder: Path, seed: int = 1, grey: bool = True) -> Path:
    """Write a T2I-Adapter for the tiny model, for sketches: grey as the published one; returns `folder`."""
    import torch
    from diffusers import T2IAdapter

    random_state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        adapter = T2IAdapter(
            in_channels=1 if grey else 3, channels=[32, 64], num_res_blocks=1, downscale_factor=8
        )
    finally:
        torch.set_rng_state(random_state)
    adapter.save_pretrained(folder)
    return folder


def rename(path: Path, changes: dict[str, str]) -> None:
    """Change the names of a safetensors file's tensors: regular expression -> what stands in its place."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    for pattern, text in changes.items():
        tensors = {re.sub(pattern, text, name, count=1): value for name, value in tensors.items()}
    save_file(tensors, path, metadata={"format": "pt"})


def tokens() -> dict[str, int]:
    """CLIP's vocabulary: each byte inside a word, each at a word's end, what is merged, and two marks."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    words = [*characters, *(f"{character}</w>" for character in characters)]
    words += [merge.replace(" ", "") for merge in MERGES]
    return {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}


def write_tokenizer(folder: Path, vocabulary: dict[str, int]) -> None:
    """The four files of a CLIP tokenizer."""
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]))
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER))
    special = {name: TOKENIZER[name] for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))


def bins_only(folder: Path) -> Path:
    """Replace every safetensors file by the .bin of older releases; returns `folder`."""
    import torch
    from safetensors.torch import load_file

    for path in sorted(folder.glob("*/*.safetensors")):
        older = "pytorch_model.bin" if path.parent.name == "text_encoder" else f"{path.stem}.bin"
        torch.save(load_file(path), path.with_name(older))
        path.unlink()
    return folder
