"""The small painter on disk, as networks/weight_files.py says; and the one that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unprompt.colouring.network import Painter
from unprompt.colouring.network_config import PainterConfig
from unprompt.networks.shipped import shipped_file
from unprompt.networks.state_dicts import check_for_weights
from unprompt.networks.weight_files import WeightsForm

FORM = WeightsForm("painter", "unprompt-painter", 1, "unprompt colour train")
SHIPPED = "colour_painter"


def write_painter(
    path: Path, network: Painter, about: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write a painter (.safetensors) and its record beside it; see `WeightsForm.write`."""
    FORM.write(path, network, network.config, about, half)


def read_painter(path: Path | None = None) -> Painter:
    """A painter in evaluation mode; None: the package's own. Raises CheckpointError."""
    path = path or shipped_file(SHIPPED)
    check_for_weights(path)
    network = Painter(FORM.read_config(path, PainterConfig))
    FORM.load(path, network)
    return network
