"""The small painter on disk, as networks/weight_files.py says; and the one that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unprompt.colouring.network import Painter
from unprompt.colouring.network_config import PainterConfig, PainterTraining
from unprompt.networks.shipped import shipped_file
from unprompt.networks.weight_files import WeightsForm, check_same_network

FORM = WeightsForm("painter", "unprompt-painter", 1, "unprompt colour train")
SHIPPED = "colour_painter"


def write_painter(
    path: Path, network: Painter, about: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write a painter (.safetensors) and its record beside it; see `WeightsForm.write`."""
    FORM.write(path, network, network.config, about, half)


def read_painter(path: Path | None = None) -> Painter:
    """A painter in evaluation mode; None: the package's own. Raises CheckpointError."""
    return FORM.read(path or shipped_file(SHIPPED), PainterConfig, Painter)[1]


def begin_painter(config: PainterTraining) -> Painter:
    """A painter to teach: a new one, or that of `config.weights`.

    Raises CheckpointError for a file that is none, ConfigError for one of other sizes.
    """
    if config.weights is None:
        return Painter(config.painter)
    network = read_painter(config.weights)
    check_same_network(config.weights, asdict(network.config), asdict(config.painter))
    network.train()
    return network
