"""Low-rank updates: counts at full size, peft's own files, and merging bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.tiny_captioners import save_tiny_blip, save_tiny_blip2
from unprompt.errors import CheckpointError, ConfigError
from unprompt.networks.adapters import (
    ADAPTER,
    SETTINGS,
    TENSORS,
    add_adapter,
    count_parameters,
    find_adapter,
    layers_of,
    merge_adapter,
    save_adapter,
    write_merged,
)
from unprompt.networks.captioner import Captioner
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.captioner_files import CaptionNetwork, load_captioner

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = CaptionConfig(length=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip2(tmp_path_factory.mktemp("blip2") / "tiny")


def load(folder: Path) -> CaptionNetwork:
    return load_captioner(folder, None, "fp32")


def stirred(network: Any, targets: str) -> Any:
    """A peft model whose updates are no longer nothing."""
    torch.manual_seed(5)
    adapted = add_adapter(network, targets, rank=4, alpha=8, dropout=0.05)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_B" in name:
                value.normal_(0, 0.5)
    return adapted.eval()


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / ADAPTER
    out.mkdir()
    save_adapter(out, stirred(load(folder).network, "language+vision+qformer"))
    return out


def shown(folder: Path) -> dict[str, torch.Tensor]:
    """Two pictures with three words each."""
    torch.manual_seed(1)
    config = json.loads((folder / "config.json").read_text())
    start = [config["image_token_index"]] * config["num_query_tokens"]
    return {
        "pixel_values": torch.randn(2, 3, 32, 32),
        "input_ids": torch.tensor([[*start, 2, 5, 9, 11], [*start, 2, 7, 4, 20]]),
    }


def salesforce_opt() -> Any:
    """The configuration of Salesforce/blip2-opt-2.7b: sizes as its config.json had them first."""
    from transformers import Blip2Config

    return Blip2Config(
        vision_config={
            "hidden_size": 1408,
            "intermediate_size": 6144,
            "num_hidden_layers": 39,
            "num_attention_heads": 16,
            "image_size": 224,
            "patch_size": 14,
        },
        qformer_config={
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "cross_attention_frequency": 2,
            "encoder_hidden_size": 1408,
        },
        text_config={
            "model_type": "opt",
            "vocab_size": 50272,
            "hidden_size": 2560,
            "word_embed_proj_dim": 2560,
            "ffn_dim": 10240,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
        },
        num_query_tokens=32,
    )


@pytest.mark.parametrize(
    ("targets", "learning"),
    [
        ("language", 5_242_880),  # 32 layers, 2 matrices of 2560 x 2560
        ("vision", 39 * 16 * (1408 + 3 * 1408)),
        ("qformer", 16 * (12 * 2 * (768 + 768) + 6 * ((768 + 768) + (1408 + 768)))),
    ],
)
def test_at_full_size_as_many_numbers_learn_as_in_the_students_project(targets: str, learning: int) -> None:
    from transformers import Blip2ForConditionalGeneration

    with torch.device("meta"):
        network = add_adapter(Blip2ForConditionalGeneration(salesforce_opt()), targets, 16, 32, 0.05)
    assert count_parameters(network) == (learning, 3_744_679_936 + learning)
    if targets == "language":
        assert count_parameters(network)[1] == 3_749_922_816


def test_targets_are_parts_or_names_of_layers() -> None:
    assert layers_of("language") == ("q_proj", "k_proj")
    assert layers_of("language+vision+qformer") == ("q_proj", "k_proj", "qkv", "query", "value")
    assert layers_of("fc1 + language+fc1") == ("fc1", "q_proj", "k_proj")
    with pytest.raises(ConfigError, match="joined by"):
        layers_of("language+")


def test_a_layer_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no layer of this model is called 'to_q'; there are .*q_proj"):
        add_adapter(load(folder).network, "language+to_q", 4, 8, 0)


def test_new_updates_change_nothing(folder: Path) -> None:
    plain = load(folder).network(**shown(folder)).logits
    adapted = add_adapter(load(folder).network, "language+vision+qformer", 4, 8, 0.5).eval()
    assert torch.equal(adapted(**shown(folder)).logits, plain)


def test_peft_reads_what_is_written_and_gives_the_same_bits(folder: Path, adapter: Path) -> None:
    assert sorted(file.name for file in adapter.iterdir()) == [SETTINGS, TENSORS]
    network = stirred(load(folder).network, "language+vision+qformer")
    read = PeftModel.from_pretrained(load(folder).network, str(adapter)).eval()
    given = shown(folder)
    assert torch.equal(read(**given).logits, network(**given).logits)
    assert not torch.allclose(read(**given).logits, load(folder).network(**given).logits)


def test_each_weight_becomes_w_and_the_product_bit_for_bit(folder: Path, adapter: Path) -> None:
    plain = load(folder).network.state_dict()
    merged = merge_adapter(load(folder), adapter).network.state_dict()
    updates = load_file(adapter / TENSORS)
    assert merged.keys() == plain.keys()
    changed = set()
    for name, value in merged.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in updates:
            product = updates[f"{stem}.lora_B.weight"] @ updates[f"{stem}.lora_A.weight"]
            assert torch.equal(value, plain[name] + product * 2.0)  # alpha 8 of rank 4
            changed.add(name.split(".")[-2])
        else:
            assert torch.equal(value, plain[name])
    assert changed == {"q_proj", "k_proj", "qkv", "query", "value"}


def test_merged_says_what_base_and_updates_say(folder: Path, adapter: Path) -> None:
    given = shown(folder)
    given["pixel_values"] = given["pixel_values"].double()
    beside = PeftModel.from_pretrained(load(folder).network.double(), str(adapter)).double().eval()
    network = load(folder)
    network.network.double()
    merged = merge_adapter(network, adapter).network
    assert torch.allclose(merged(**given).logits, beside(**given).logits, rtol=0, atol=1e-9)


def test_a_merged_folder_gives_the_bits_of_model_and_updates(
    folder: Path, adapter: Path, tmp_path: Path
) -> None:
    out = tmp_path / "merged"
    out.mkdir()
    write_merged(folder, adapter.parent, out)  # by the training's folder
    with_updates, alone = merge_adapter(load(folder), adapter).network, load(out).network
    assert all(
        torch.equal(value, alone.state_dict()[name]) for name, value in with_updates.state_dict().items()
    )
    assert torch.equal(alone(**shown(folder)).logits, with_updates(**shown(folder)).logits)
    picture = [Image.new("RGB", (32, 32), "white"), Image.effect_noise((40, 20), 90).convert("RGB")]
    by_updates = Captioner.load("cpu", folder, SHORT, adapter=adapter)
    assert by_updates.caption(picture) == Captioner.load("cpu", out, SHORT).caption(picture)
    assert by_updates.caption(picture) != Captioner.load("cpu", folder, SHORT).caption(picture)
    assert by_updates.identity != Captioner.load("cpu", folder, SHORT).identity


@pytest.mark.parametrize("task", [None, "CAUSAL_LM"])
def test_updates_that_others_trained_are_read(folder: Path, tmp_path: Path, task: str | None) -> None:
    torch.manual_seed(2)
    config = LoraConfig(
        r=2, lora_alpha=3, target_modules=["v_proj", "fc1"], init_lora_weights=False, task_type=task
    )
    theirs = get_peft_model(load(folder).network, config).eval()
    theirs.save_pretrained(str(tmp_path))
    merged = merge_adapter(load(folder), tmp_path).network
    given = shown(folder)
    wanted = theirs.get_base_model()(**given).logits
    assert torch.allclose(merged(**given).logits, wanted, rtol=1e-4, atol=1e-4)


def test_other_captioners_take_updates_too(tmp_path: Path) -> None:
    folder = save_tiny_blip(tmp_path / "blip")
    out = tmp_path / "updates"
    out.mkdir()
    save_adapter(out, stirred(load(folder).network, "query+value"))
    assert Captioner.load("cpu", folder, SHORT, adapter=out).caption([Image.new("RGB", (32, 32))])


def test_what_is_no_set_of_updates(folder: Path, adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no low-rank updates"):
        find_adapter(folder)
    assert find_adapter(adapter.parent) == find_adapter(adapter) == adapter

    def changed(name: str, tensors: dict[str, torch.Tensor]) -> Path:
        copy = tmp_path / name
        shutil.copytree(adapter, copy)
        save_file(tensors, copy / TENSORS)
        return copy

    updates = load_file(adapter / TENSORS)
    first = next(iter(updates))
    for broken in (
        changed("hole", {name: value for name, value in updates.items() if name != first}),
        changed("shape", {**updates, first: torch.zeros(4, 7)}),
        changed("nan", {name: value * float("nan") for name, value in updates.items()}),
    ):
        with pytest.raises(CheckpointError, match="do not fit"):
            merge_adapter(load(folder), broken)
    (tmp_path / "nan" / TENSORS).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="is cut short or damaged"):
        merge_adapter(load(folder), tmp_path / "nan")
