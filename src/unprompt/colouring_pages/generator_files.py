"""A generator on disk: NAME.safetensors, and NAME.json beside it that says all about it, with its sha256.

The form is that of networks whose weights lie in the package (networks/shipped.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from unprompt.colouring_pages.config import GeneratorConfig
from unprompt.colouring_pages.network import Generator
from unprompt.colouring_pages.reference_checkpoint import load_reference
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.state_dicts import check_for_weights, is_safetensors, load_strictly, read_safetensors
from unprompt.storage.files import read_json, write_bytes, write_json

FORMAT = "unprompt-generator"
VERSION = 1


def write_generator(
    path: Path, network: Generator, about: Mapping[str, Any] | None = None, half: bool = False
) -> None:
    """Write a generator (.safetensors) and its record beside it; the same weights give the same bytes.

    `about`: what else the record shall say, as JSON can hold it. `half`: in 16 bits, half the size.
    """
    from safetensors.torch import save

    if path.suffix != ".safetensors":
        raise ConfigError(f"a generator is written to a .safetensors file, got {path}")
    kind = torch.float16 if half else torch.float32
    content = save(
        {
            name: tensor.detach().cpu().to(kind if tensor.is_floating_point() else tensor.dtype).contiguous()
            for name, tensor in network.state_dict().items()
        }
    )
    write_bytes(path, content)
    write_json(
        path.with_suffix(".json"),
        {
            "format": FORMAT,
            "version": VERSION,
            "network": asdict(network.config),
            "bits": 16 if half else 32,
            **(about or {}),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        },
    )


def read_generator(path: Path) -> Generator:
    """A generator in evaluation mode: one of ours, or latest_net_G.pth of pix2pix's authors.

    Raises CheckpointError for a file that is damaged or another network's, and for one of ours without its
    record or whose record is about another file.
    """
    check_for_weights(path)
    if not is_safetensors(path):
        return load_reference(path)
    record = read_generator_record(path)
    if record.get("sha256") != sha256_of(path):
        raise CheckpointError(f"{path} is damaged, or {path.stem}.json is about another file; get both again")
    try:
        config = GeneratorConfig(**record["network"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(
            f"{path.with_suffix('.json')} does not say what network it is about: {error}"
        ) from error
    network = Generator(config)
    load_strictly(network, read_safetensors(path), str(path))
    network.eval()
    return network


def read_generator_record(path: Path) -> dict[str, Any]:
    """What the file beside a generator says about it. Raises CheckpointError where there is none."""
    beside = path.with_suffix(".json")
    try:
        record = read_json(beside)
    except InputError as error:
        raise CheckpointError(
            f"{path} needs its record {beside.name} beside it, as `unprompt page train` wrote it: {error}"
        ) from error
    if record.get("format") != FORMAT or record.get("version") != VERSION:
        raise CheckpointError(
            f"{beside} is of {record.get('format')} version {record.get('version')}, this unprompt reads "
            f"{FORMAT} version {VERSION}; give a file of `unprompt page train`"
        )
    return record
