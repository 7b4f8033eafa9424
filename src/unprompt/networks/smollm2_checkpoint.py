"""A SmolLM2 on disk, as a GGUF file: loading it as transformers' Llama. Nothing is ever downloaded.

transformers reads GGUF too, in 23 s of a CPU for the 135 million parameters where this takes 2: it parses the
file anew for the settings, the tokenizer and the weights, and builds the tokenizer by a slow detour. Its
tokenizer also leaves out that SmolLM2 reads numbers digit by digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.errors import CheckpointError
from unprompt.networks.extent import Extent, check_numbers, made_within
from unprompt.networks.gguf import read_gguf
from unprompt.networks.huggingface import import_transformers
from unprompt.storage.damage import damaged_weights
from unprompt.text.english import counted

LAYOUT = "one SmolLM2 .gguf file"
NEEDED_FOR = ("SmolLM2", "generate")  # the work, and what installs its packages
NORMAL_TOKEN = 1  # in tokenizer.ggml.token_type

_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_OF_A_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def model_file(folder: Path) -> Path:
    """The GGUF file of a folder. Raises CheckpointError where there is none, or more than one."""
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1:
        there = ", ".join(path.name for path in files) or "none"
        raise CheckpointError(f"{folder} must hold {LAYOUT}; there is {there}")
    return files[0]


def load_smollm2(path: Path, dtype: str) -> tuple[Any, Any]:
    """The LlamaForCausalLM of a GGUF file on the CPU, and its tokenizer.

    Raises CheckpointError where the file is missing, damaged or another model's.
    """
    transformers = import_transformers(*NEEDED_FOR)
    metadata, tensors = read_gguf(path)
    kind = metadata.get("general.architecture"), metadata.get("tokenizer.ggml.pre")
    if kind != ("llama", "smollm"):
        raise CheckpointError(
            f"{path} holds a model of the kind {kind[0]} with the tokenizer {kind[1]}, not SmolLM2's "
            "(llama with smollm); give a SmolLM2"
        )
    extent = Extent.of_state(tensors)
    sizes = {key: value for key, value in metadata.items() if key.startswith("llama.")}
    check_numbers(sizes, str(path), extent)
    with made_within(extent, f"the model in {path}"):
        try:
            config = _config(metadata, tied="output.weight" not in tensors)
            model, report = transformers.LlamaForCausalLM.from_pretrained(
                None,
                config=config,
                state_dict=_renamed(tensors, config, path),
                dtype=dtype,
                output_loading_info=True,
            )
            tokenizer = _tokenizer(metadata)
        except damaged_weights() as error:
            first = str(error).strip().partition("\n")[0]
            raise CheckpointError(f"the model in {path} cannot be loaded ({first}); get it again") from error
    if missing := sorted(report["missing_keys"]):  # transformers fills them with random numbers
        raise CheckpointError(
            f"{path} lacks {counted(len(missing), 'tensor')} of a Llama, first: {missing[0]}; get it again"
        )
    return model.eval().requires_grad_(False), tokenizer


def _config(metadata: Mapping[str, Any], tied: bool) -> Any:
    from transformers import LlamaConfig

    of = {key.removeprefix("llama."): value for key, value in metadata.items()}
    heads = of["attention.head_count"]
    return LlamaConfig(
        vocab_size=len(metadata["tokenizer.ggml.tokens"]),
        hidden_size=of["embedding_length"],
        intermediate_size=of["feed_forward_length"],
        num_hidden_layers=of["block_count"],
        num_attention_heads=heads,
        num_key_value_heads=of.get("attention.head_count_kv", heads),
        max_position_embeddings=of["context_length"],
        rms_norm_eps=of["attention.layer_norm_rms_epsilon"],
        rope_theta=of["rope.freq_base"],
        tie_word_embeddings=tied,
        bos_token_id=metadata["tokenizer.ggml.bos_token_id"],
        eos_token_id=metadata["tokenizer.ggml.eos_token_id"],
    )


def _renamed(tensors: Mapping[str, Any], config: Any, path: Path) -> dict[str, Any]:
    """Tensors by transformers' names.

    llama.cpp turns neighbours in a head's rows of the query and the key, transformers the two halves.
    """
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    renamed = {}
    for name, tensor in tensors.items():
        block, _, rest = name.partition(".")
        layer, _, part = rest.removesuffix(".weight").partition(".")
        if block == "blk" and part in _OF_A_LAYER:
            if part in heads:
                tensor = (
                    tensor.view(heads[part], -1, 2, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
                )
            renamed[f"model.layers.{layer}.{_OF_A_LAYER[part]}.weight"] = tensor
        elif name in _WHOLE:
            renamed[_WHOLE[name]] = tensor
        else:
            raise CheckpointError(f"{path} holds the tensor {name}, which a SmolLM2 does not have")
    return renamed


def _tokenizer(metadata: Mapping[str, Any]) -> Any:
    """Byte pairs after each digit was cut off, as SmolLM2's own tokenizer.json says; texts hold no marks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)
