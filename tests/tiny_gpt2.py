"""A tiny GPT-2 with random weights, in the files of a real one. It likes words, so its texts are prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

END = "<|endoftext|>"
WORDS = re.findall(
    r"\w+",
    """cat dog house tree river mountain castle ship bird robot garden window street forest painting man
    woman child hat red blue green old small giant golden in on of with near under and the a picture""",
)
WIDTH = 32


def write_tiny_gpt2(folder: Path, seed: int = 0, stops: float = 7.5) -> Path:
    """Write config.json, model.safetensors, vocab.json and merges.txt; about 60,000 parameters.

    `stops` is how much the model likes a full stop, a line feed and its end mark (words get 7).
    """
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    vocabulary, merges = byte_level_bpe()
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(vocabulary),
            n_positions=128,
            n_embd=WIDTH,
            n_layer=2,
            n_head=4,
            initializer_range=0.15,
            bos_token_id=vocabulary[END],
            eos_token_id=vocabulary[END],
        )
    )
    with torch.no_grad():  # the last axis is an offset of each token's logit, since ln_f's bias puts 1 on it
        model.transformer.ln_f.weight[-1] = 0
        model.transformer.ln_f.bias[-1] = 1
        model.transformer.wte.weight[:, -1] = 0
        for word in WORDS:
            model.transformer.wte.weight[vocabulary[f"Ġ{word}"], -1] = 7
        for sign in (".", "Ċ", END):
            model.transformer.wte.weight[vocabulary[sign], -1] = stops
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def load(folder: Path) -> tuple[Any, Any]:
    """The model and tokenizer as transformers itself loads them: the reference."""
    from transformers import GPT2LMHeadModel, GPT2TokenizerFast

    model = GPT2LMHeadModel.from_pretrained(folder, local_files_only=True).eval()
    return model, GPT2TokenizerFast.from_pretrained(folder, local_files_only=True)


def byte_level_bpe() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """256 byte signs, each word of WORDS after a space with the merges that build it, and the end mark."""
    from tokenizers.pre_tokenizers import ByteLevel

    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        for length in range(len(word)):
            merges[f"Ġ{word[:length]}", word[length]] = None
    pieces = [*sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges), END]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, list(merges)
