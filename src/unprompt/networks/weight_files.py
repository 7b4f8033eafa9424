"""A network of our own on disk: NAME.safetensors, and NAME.json beside it that says all about it.

The form is that of networks whose weights lie in the package (networks/shipped.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.state_dicts import load_strictly, read_safetensors
from unprompt.storage.files import read_json, write_bytes, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class WeightsForm:
    """What a kind of network's files are: `noun` for messages, the record's `form` and `version`, the
    `command` that writes them."""

    noun: str
    form: str
    version: int
    command: str

    def write(
        self,
        path: Path,
        network: torch.nn.Module,
        config: DataclassInstance,
        about: Mapping[str, Any] | None = None,
        half: bool = False,
    ) -> None:
        """Write the weights and their record beside them; the same weights give the same bytes.

        `about`: what else the record shall say, as JSON can hold it. `half`: in 16 bits, half the size.
        """
        from safetensors.torch import save

        if path.suffix != ".safetensors":
            raise ConfigError(f"a {self.noun} is written to a .safetensors file, got {path}")
        kind = torch.float16 if half else torch.float32
        content = save(
            {
                name: tensor.detach()
                .cpu()
                .to(kind if tensor.is_floating_point() else tensor.dtype)
                .contiguous()
                for name, tensor in network.state_dict().items()
            }
        )
        write_bytes(path, content)
        write_json(
            path.with_suffix(".json"),
            {
                "format": self.form,
                "version": self.version,
                "network": asdict(config),
                "bits": 16 if half else 32,
                **(about or {}),
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            },
        )

    def read_record(self, path: Path) -> dict[str, Any]:
        """What the file beside the weights says. Raises CheckpointError where there is none, or another."""
        beside = path.with_suffix(".json")
        try:
            record = read_json(beside)
        except InputError as error:
            raise CheckpointError(
                f"{path} needs its record {beside.name} beside it, as `{self.command}` wrote it: {error}"
            ) from error
        if record.get("format") != self.form or record.get("version") != self.version:
            raise CheckpointError(
                f"{beside} is of {record.get('format')} version {record.get('version')}, this unprompt reads "
                f"{self.form} version {self.version}; give a file of `{self.command}`"
            )
        return record

    def read_config(self, path: Path, kind: type[Any]) -> Any:
        """The settings of the network, a dataclass `kind`, of weights that are those of their record.

        Raises CheckpointError where they are not, or the record does not say them.
        """
        record = self.read_record(path)
        if record.get("sha256") != sha256_of(path):
            raise CheckpointError(
                f"{path} is damaged, or {path.stem}.json is about another file; get both again"
            )
        try:
            return kind(**record["network"])
        except (KeyError, TypeError, ConfigError) as error:
            raise CheckpointError(
                f"{path.with_suffix('.json')} does not say what network it is about: {error}"
            ) from error

    def load(self, path: Path, network: torch.nn.Module) -> None:
        """Put the weights into a network, which goes into evaluation mode. Raises CheckpointError."""
        load_strictly(network, read_safetensors(path), str(path))
        network.eval()


def check_same_network(
    path: Path, there: Mapping[str, Any], wanted: Mapping[str, Any], but: Collection[str] = ()
) -> None:
    """Raise ConfigError where weights to begin with are of another network than the settings say.

    `there` and `wanted`: sizes by their options' names; `but`: those that change no weight.
    """
    other = [name for name in wanted if there[name] != wanted[name] and name not in but]
    if other:
        first = other[0]
        options = " ".join(f"--{name.replace('_', '-')} {there[name]}" for name in other)
        raise ConfigError(
            f"{path} is of {first} {there[first]}, and the settings say {wanted[first]}; give {options}"
        )
