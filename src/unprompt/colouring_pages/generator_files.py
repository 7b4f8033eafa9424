"""A generator on disk, as networks/weight_files.py says; and those of pix2pix's authors are read too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.colouring_pages.config import GeneratorConfig
from unprompt.colouring_pages.network import Generator
from unprompt.colouring_pages.reference_checkpoint import load_reference
from unprompt.networks.state_dicts import check_for_weights, is_safetensors
from unprompt.networks.weight_files import WeightsForm

FORM = WeightsForm("generator", "unprompt-generator", 1, "unprompt page train")


def write_generator(
    path: Path, network: Generator, about: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write a generator (.safetensors) and its record beside it; see `WeightsForm.write`."""
    FORM.write(path, network, network.config, about, half)


def read_generator(path: Path) -> Generator:
    """A generator in evaluation mode: one of ours, or latest_net_G.pth of pix2pix's authors.

    Raises CheckpointError for a file that is damaged or another network's, and for one of ours without its
    record or whose record is about another file.
    """
    check_for_weights(path)
    if not is_safetensors(path):
        return load_reference(path)
    return FORM.read(path, GeneratorConfig, Generator)[1]
