"""What a bundle of all kinds of members needs, tiny: the interrogator's world, a regression and a bank."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.interrogator_world import write_world
from unprompt.members.bank import build_bank
from unprompt.networks.clip import Clip
from unprompt.records import Prompts
from unprompt.regression.config import TrainConfig
from unprompt.storage.files import write_prompts

INTERROGATOR = """
[[members]]
name = "interrogator"
kind = "interrogator"
weight = 0.45
checkpoint = "clip"
captioner = "blip"
phrases = "lists"
"""
ALL = f"""
[[members]]
name = "regression"
kind = "regression"
weight = 0.5
checkpoint = "best.safetensors"
{INTERROGATOR}
[[members]]
name = "retrieval"
kind = "retrieval"
weight = 0.2
checkpoint = "clip"
bank = "BANK"
neighbours = 3
"""


def write_whole_world(folder: Path) -> Path:
    """Write what `write_world` writes, best.safetensors, DATA, its BANK, and all.toml."""
    write_world(folder)
    write_checkpoint(folder / "best.safetensors")
    build_bank(
        [write_folder(folder / "DATA", range(6))],
        folder / "BANK",
        Clip.load("cpu", checkpoint=folder / "clip"),
    )
    (folder / "all.toml").write_text(ALL, encoding="utf-8")
    return folder


def write_checkpoint(path: Path, seed: int = 0, backbone: str = "test_vit") -> Any:
    """A network with random weights in the format that training writes."""
    from unprompt.regression.checkpoint import save_model
    from unprompt.regression.model import new_model

    model = new_model(TrainConfig(backbone=backbone, from_scratch=True, seed=seed)).eval()
    save_model(path, model.spec, model.state_dict(), {})
    return model


def write_folder(folder: Path, numbers: range) -> Path:
    """A data set of loose files, without embeddings."""
    (folder / "images").mkdir(parents=True)
    for number in numbers:
        (folder / "images" / f"id{number:03d}.png").write_bytes(png(number))
    ids = tuple(f"id{n:03d}" for n in numbers)
    write_prompts(folder / "prompts.csv", Prompts(ids, tuple(f"a {n}, of gold" for n in numbers)))
    return folder


def png(number: int) -> bytes:
    """A picture of noise."""
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()
