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


def read_shipped(name: str) -> StateDict:
    """The tensors of the package's data/NAME.safetensors; data/NAME.json says whence they are.

    Raises CheckpointError where the file is not the one that the record is about.
    """
    from unprompt.networks.state_dicts import read_safetensors

    folder = Path(str(files("unprompt") / "data"))
    path = folder / f"{name}.safetensors"
    if not path.is_file() or sha256_of(path) != read_json(folder / f"{name}.json")["sha256"]:
        raise CheckpointError(f"{path} is missing or damaged; install unprompt again")
    return read_safetensors(path)
