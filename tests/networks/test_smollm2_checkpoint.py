"""A SmolLM2 from its GGUF file, beside transformers' own loading of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_smollm2 import NAME, load, write_tiny_smollm2
from unprompt.errors import CheckpointError
from unprompt.networks.smollm2_checkpoint import load_smollm2, model_file


@pytest.mark.parametrize("tied", [True, False])
def test_the_model_is_that_of_transformers(tmp_path: Path, tied: bool) -> None:
    folder = write_tiny_smollm2(tmp_path, tied=tied)
    ours, _ = load_smollm2(folder / NAME, "float32")
    theirs, _ = load(folder)
    tokens = torch.randint(3, 300, (4, 17), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours(tokens).logits, theirs(tokens).logits)
    assert not ours.training
    assert ours.config.eos_token_id == theirs.config.eos_token_id == 2
    assert (ours.lm_head.weight is ours.model.embed_tokens.weight) is tied


def test_the_tokenizer_is_that_of_transformers_but_for_digits(tmp_path: Path) -> None:
    folder = write_tiny_smollm2(tmp_path)
    _, ours = load_smollm2(folder / NAME, "float32")
    _, theirs = load(folder)
    for text in ("- a red cat\n", "  giant  castle, café 雪!", "the old mountain's\n\n- a", "-"):
        assert ours.encode(text) == theirs.encode(text)
        assert ours.decode(ours.encode(text), clean_up_tokenization_spaces=False) == text
    assert (len(ours.encode("1990")), len(theirs.encode("1990"))) == (4, 3)
    assert len(ours.encode("<|im_end|>")) == len("<|im_end|>")  # a mark in a text is no mark


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"architecture": "gemma"}, "of the kind gemma with the tokenizer smollm, not SmolLM2's"),
        ({"pre": "llama-bpe"}, "of the kind llama with the tokenizer llama-bpe, not SmolLM2's"),
        ({"without": "blk.1.ffn_up.weight"}, r"lacks 1 tensor of a Llama, first: .*layers\.1\.mlp\.up_proj"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    folder = write_tiny_smollm2(tmp_path, **changed)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_smollm2(folder / NAME, "float32")
    assert "\n" not in str(caught.value)


def test_a_tensor_of_another_model_is_refused(tmp_path: Path) -> None:
    path = write_tiny_smollm2(tmp_path) / NAME
    path.write_bytes(path.read_bytes().replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_us.weight"))
    with pytest.raises(
        CheckpointError, match=r"holds the tensor blk\.1\.ffn_us\.weight, which a SmolLM2 does"
    ):
        load_smollm2(path, "float32")


def test_a_folder_has_one_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must hold one SmolLM2 \.gguf file; there is none"):
        model_file(tmp_path)
    (tmp_path / "a.gguf").touch()
    assert model_file(tmp_path) == tmp_path / "a.gguf"
    (tmp_path / "b.gguf").touch()
    with pytest.raises(CheckpointError, match=r"there is a\.gguf, b\.gguf"):
        model_file(tmp_path)
