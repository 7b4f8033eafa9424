"""Tiny captioners with random weights, saved by transformers' own classes in the files of the real ones.

Their seeds are such that they answer differently to different pictures.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

WORDS = re.findall(
    r"\S+",
    """a an the of in on with and near under cat dog house tree river mountain castle ship bird robot
    garden window street forest painting man woman child hat red blue green old small giant golden
    photo picture ##s ##ing ##ed""",
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIAL, *WORDS)  # of BLIP and GIT; a real one is BERT's
PAD, CLS, SEP = (VOCABULARY.index(sign) for sign in ("[PAD]", "[CLS]", "[SEP]"))
WIDTH = 64  # one attention head, as both sides of BLIP have heads of 64
SIZE = 32  # pixels
PATCH = 8


def save_tiny_blip(folder: Path, seed: int = 3, width: int = WIDTH) -> Path:
    """Write a BlipForConditionalGeneration with its processor; about 250,000 parameters."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor

    heads = width // 64
    torch.manual_seed(seed)
    config = BlipConfig(
        text_config={
            "vocab_size": len(VOCABULARY) + 2,  # [DEC] and [ENC] stand after BERT's
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "max_position_embeddings": 64,
            "bos_token_id": len(VOCABULARY),
            "pad_token_id": PAD,
            "sep_token_id": SEP,
            "initializer_range": 0.3,
        },
        vision_config={
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "image_size": SIZE,
            "patch_size": PATCH,
            "initializer_range": 0.3,
        },
        initializer_range=0.3,
    )
    model = _scattered(BlipForConditionalGeneration(config))
    processor = BlipImageProcessor(size={"height": SIZE, "width": SIZE})
    return _save(folder, model, processor, _bert_tokenizer(folder))


def save_tiny_git(folder: Path, seed: int = 0) -> Path:
    """Write a GitForCausalLM with its processor."""
    import torch
    from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM

    torch.manual_seed(seed)
    config = GitConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": SIZE,
            "patch_size": PATCH,
            "initializer_range": 0.3,
        },
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,
        pad_token_id=PAD,
        bos_token_id=CLS,
        eos_token_id=SEP,
    )
    processor = CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
    return _save(folder, _scattered(GitForCausalLM(config)), processor, _bert_tokenizer(folder))


def save_tiny_blip2(folder: Path, language: str = "opt", seed: int = 18) -> Path:
    """Write a Blip2ForConditionalGeneration with its processor. `language`: opt or t5."""
    import torch
    from transformers import Blip2Config, Blip2ForConditionalGeneration, BlipImageProcessor

    torch.manual_seed(seed)
    tokenizer = _word_tokenizer(language)
    image_token = len(tokenizer)  # the processor adds <image> after the tokenizer's own
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    shared = {
        "vocab_size": 64,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
    }
    text_config: dict[str, Any] = {
        "opt": {
            "model_type": "opt",
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 128,
            "init_std": 0.3,
        },
        "t5": {
            "model_type": "t5",
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": tokenizer.pad_token_id,
            "initializer_factor": 1.0,
        },
    }[language]
    config = Blip2Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": SIZE,
            "patch_size": PATCH,
            "initializer_range": 0.3,
        },
        qformer_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "encoder_hidden_size": 32,
            "vocab_size": 64,
            "initializer_range": 0.3,
        },
        text_config={**shared, **text_config},
        num_query_tokens=4,
        image_token_index=image_token,
        initializer_range=0.3,
    )
    processor = BlipImageProcessor(size={"height": SIZE, "width": SIZE})
    model = _scattered(Blip2ForConditionalGeneration(config))
    if language == "t5":  # left alone, it ends at once, whatever it sees
        with torch.no_grad():
            model.language_model.lm_head.weight[tokenizer.eos_token_id] *= 0.3
            model.language_projection.weight *= 3
    _save(folder, model, processor, tokenizer)
    (folder / "processor_config.json").write_text(
        json.dumps({"num_query_tokens": 4, "processor_class": "Blip2Processor"}), encoding="utf-8"
    )
    return folder


def write_vocabulary(path: Path) -> Path:
    """Write the vocab.txt of the tiny BLIP and GIT."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{piece}\n" for piece in VOCABULARY), encoding="utf-8")
    return path


def _scattered(model: Any) -> Any:
    """The model with every parameter random, also those that begin as zeros or ones: none can be mixed up."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2 or parameter.std() < 1e-6:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return model.eval()


def _bert_tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizerFast

    write_vocabulary(folder / "vocab.txt")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


def _word_tokenizer(language: str) -> Any:
    """A tokenizer of whole words that begins with </s> as OPT's, or ends with it as T5's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<pad>", "<s>", "</s>", "<unk>", *(word for word in WORDS if not word.startswith("#"))]
    tokenizer = Tokenizer(
        models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single={"opt": "</s> $A", "t5": "$A </s>"}[language], special_tokens=[("</s>", 2)]
    )
    bos = {"opt": "</s>", "t5": "<s>"}[language]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token=bos, eos_token="</s>", unk_token="<unk>"
    )


def _save(folder: Path, model: Any, image_processor: Any, tokenizer: Any) -> Path:
    """config.json, model.safetensors, preprocessor_config.json and the tokenizer's files."""
    model.save_pretrained(folder)
    image_processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
