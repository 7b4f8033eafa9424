"""A tiny Llama with random weights in a GGUF file as SmolLM2's. It likes words, so its lines are prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.tiny_gpt2 import WORDS, byte_level_bpe

WIDTH, FEED, LAYERS, HEADS, SHARED = 64, 96, 2, 4, 2
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
NAME = "tiny.gguf"


def write_tiny_smollm2(
    folder: Path, seed: int = 0, ends: float = 9.0, tied: bool = False, without: str = "", **changed: Any
) -> Path:
    """Write a GGUF file of a quarter of a megabyte; the folder.

    `ends` is how much the model likes a line feed (words get 7). `tied`: without an output matrix, and then
    without likings. `without`: a tensor that is left out. `changed`: metadata that is other than SmolLM2's.
    """
    import gguf

    pieces, merges = byte_level_bpe()
    tokens = [*MARKS, *(piece for piece in pieces if piece not in MARKS), "19"]
    merges.append(("1", "9"))  # which SmolLM2 never uses, as it reads digit by digit
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.normal(0, 0.1, (rows, columns)).astype(np.float32)

    def norm() -> np.ndarray:
        return random.uniform(0.5, 1.5, WIDTH).astype(np.float32)

    tensors = {"token_embd.weight": matrix(len(tokens), WIDTH), "output_norm.weight": norm()}
    for layer in range(LAYERS):
        shapes = {
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (WIDTH * SHARED // HEADS, WIDTH),
            "attn_v": (WIDTH * SHARED // HEADS, WIDTH),
            "attn_output": (WIDTH, WIDTH),
            "ffn_gate": (FEED, WIDTH),
            "ffn_up": (FEED, WIDTH),
            "ffn_down": (WIDTH, FEED),
        }
        tensors |= {f"blk.{layer}.{part}.weight": matrix(*shape) for part, shape in shapes.items()}
        tensors |= {f"blk.{layer}.{part}.weight": norm() for part in ("attn_norm", "ffn_norm")}
    if (
        not tied
    ):  # the last of the width is the same for all, so its column is an offset of each token's logit
        tensors["output.weight"] = output = matrix(len(tokens), WIDTH)
        tensors["token_embd.weight"][:, -1] = 4
        tensors["output_norm.weight"][-1] = 1
        for layer in range(LAYERS):
            for part in ("attn_output", "ffn_down"):
                tensors[f"blk.{layer}.{part}.weight"][-1] = 0
        output[:, -1] = 0
        likings = {f"Ġ{word}": 7.0 for word in WORDS} | {"Ċ": ends, "<|im_end|>": ends - 1}
        for piece, liking in likings.items():
            output[tokens.index(piece), -1] = liking / 4
    tensors.pop(without, None)

    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(folder / NAME, changed.pop("architecture", "llama"))
    writer.add_block_count(LAYERS)
    writer.add_context_length(changed.pop("context", 512))
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(SHARED)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(changed.pop("pre", "smollm"))
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(MARKS) + [1] * (len(tokens) - len(MARKS)))
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    assert not changed, f"no such metadata: {changed}"
    kinds = gguf.GGMLQuantizationType
    for name, tensor in tensors.items():
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
            continue
        kind = kinds.Q8_0 if name in ("token_embd.weight", "output.weight") else kinds.Q4_1
        writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


def load(folder: Path) -> tuple[Any, Any]:
    """The model and tokenizer as transformers itself loads them: the reference."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=NAME, local_files_only=True)
    return model.eval(), AutoTokenizer.from_pretrained(folder, gguf_file=NAME, local_files_only=True)
