"""A network of our own on disk: NAME.safetensors, and NAME.json beside it that says all about it.

The form is that of networks whose weights lie in the package (networks/shipped.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.extent import Extent, check_numbers, made_within
from unprompt.networks.state_dicts import check_for_weights, load_strictly, read_safetensors
from unprompt.storage.files import read_json, write_bytes, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings")
Network = TypeVar("Network", bound=torch.nn.Module)


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

    def read(
        self, path: Path, kind: type[Settings], make: Callable[[Settings], Network]
    ) -> tuple[Settings, Network]:
        """The settings, a dataclass `kind`, and the network that `make` makes of them, in evaluation mode.

        Raises CheckpointError, before anything large is made where the settings are not those of the weights.
        """
        check_for_weights(path)
        config: Settings = self.read_config(path, kind)
        state = read_safetensors(path)
        extent = Extent.of_state(state)
        check_numbers(asdict(config), str(path.with_suffix(".json")), extent)  # type: ignore[call-overload]
        with made_within(extent, f"the {self.noun} in {path}"):
            network = make(config)
        load_strictly(network, state, str(path))
        network.eval()
        return config, network


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
