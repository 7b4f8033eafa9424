"""Small networks whose weights lie in the package, each beside a record of what it is, with its sha256."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.errors import CheckpointError
from unprompt.networks.checkpoints import sha256_of
from unprompt.storage.files import read_json

if TYPE_CHECKING:
    from unprompt.networks.state_dicts import StateDict


def shipped_file(name: str) -> Path:
    """The package's data/NAME.safetensors; data/NAME.json beside it says whence it is."""
    return Path(str(files("unprompt") / "data" / f"{name}.safetensors"))


def read_shipped(name: str) -> StateDict:
    """The tensors of `shipped_file(name)`.

    Raises CheckpointError where the file is not the one that the record is about.
    """
    from unprompt.networks.state_dicts import read_safetensors

    path = shipped_file(name)
    if not path.is_file() or sha256_of(path) != read_json(path.with_suffix(".json"))["sha256"]:
        raise CheckpointError(f"{path} is missing or damaged; install unprompt again")
    return read_safetensors(path)
