"""Networks that name drawings on disk: our form, DoodleNet's public files, and the one in the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.doodles.doodlenet import read_doodlenet
from unprompt.doodles.namer_config import NamerConfig
from unprompt.doodles.namer_network import build
from unprompt.networks.checkpoints import locate
from unprompt.networks.shipped import shipped_file
from unprompt.networks.state_dicts import load_strictly
from unprompt.networks.weight_files import WeightsForm

if TYPE_CHECKING:
    from torch import nn

FORM = WeightsForm("namer", "unprompt-namer", 1, "unprompt doodle train")
SHIPPED = "doodle_namer"
CHECKPOINT = "doodlenet"


def write_namer(
    path: Path,
    network: nn.Module,
    config: NamerConfig,
    about: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a namer (.safetensors) and its record beside it; see `WeightsForm.write`."""
    FORM.write(path, network, config, about, half)


def read_namer(path: Path | None = None) -> tuple[NamerConfig, nn.Module]:
    """A namer in evaluation mode, and its settings: of a file, of DoodleNet, or the package's own.

    `path`: a file, a folder with DoodleNet's public files, or `doodlenet` where those lie in one of the usual
    places (networks/checkpoints.py). Raises CheckpointError.
    """
    if path is not None and str(path) == CHECKPOINT and not path.exists():
        path = locate(CHECKPOINT).folder
    if path is not None and path.is_dir():
        config, weights = read_doodlenet(path)
        network = build(config)
        load_strictly(network, weights, str(path))
        return config, network.eval()
    return FORM.read(path or shipped_file(SHIPPED), NamerConfig, build)
