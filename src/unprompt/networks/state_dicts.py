"""Tensors from a file, by name: safetensors, or torch's own format with nothing unpickled but tensors."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from unprompt.errors import CheckpointError
from unprompt.storage.damage import damaged_safetensors
from unprompt.storage.stand_ins import describe_stand_in
from unprompt.text.english import counted

StateDict = dict[str, torch.Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which trainers keep a model's tensors
PREFIXES = ("module.", "_orig_mod.", "model.")  # what data parallelism, torch.compile and trainers put before
COUNTERS = ("n_averaged",)  # what torch's AveragedModel keeps beside the tensors


def read_tensors(path: Path) -> StateDict:
    """Read a model's tensors on the CPU, taken out of wrappers and with the names as the model has them.

    Raises CheckpointError for a missing or damaged file, for what is no file of weights but lies in its
    place, for one with code in it (which is never run), and for one that holds no tensors.
    """
    check_for_weights(path)
    content = read_safetensors(path) if is_safetensors(path) else _read_torch(path)
    state = unwrap(content)
    if not state:
        raise CheckpointError(f"{path} holds no tensors by name, so it is no model's state dict")
    for name, tensor in state.items():
        if _is_larger_than_its_bytes(tensor):
            raise CheckpointError(
                f"{path}: {name} says that it has {tensor.numel():,} numbers, and the file has not so many; "
                "get it again"
            )
    return state


def _is_larger_than_its_bytes(tensor: torch.Tensor) -> bool:
    """Whether a tensor is no plain one, each of whose numbers is in the file.

    torch's format can say that one number stands for terabytes of them, or that there are none at all.
    """
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def check_for_weights(path: Path) -> None:
    """Raise CheckpointError for a Git LFS pointer, a web page or half a download under a file's name."""
    try:
        found = describe_stand_in(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; name a file of weights") from error
    if found:
        raise CheckpointError(f"{path} is {found}")


def is_safetensors(path: Path) -> bool:
    """Whether a file is in the safetensors format, by its first bytes. Raises CheckpointError."""
    try:
        with path.open("rb") as stream:
            return stream.read(9)[8:] == b"{" or path.suffix == ".safetensors"
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; name a file of weights") from error


def read_safetensors(path: Path) -> StateDict:
    """All tensors of a safetensors file. Raises CheckpointError where it is cut short or damaged."""
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except damaged_safetensors() as error:
        raise damaged(path, error) from error


def read_metadata(path: Path) -> dict[str, str]:
    """The texts in the header of a safetensors file, without reading a tensor."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except damaged_safetensors() as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: BaseException) -> CheckpointError:
    """The error for a file that is not whole."""
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return CheckpointError(f"{path} is cut short, damaged or no file of weights ({reason}); get it again")


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of foreign pickles just before it refuses them
            # Mapped, a large file need not stay in memory beside the network that is filled from it.
            mapped = zipfile.is_zipfile(path)  # files from before torch 1.6 cannot be
            if mapped:
                _check_for_programs(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)|Unsupported (?:operand|class) \S+", str(error))
        if asked is None:
            raise damaged(path, error) from error
        raise CheckpointError(
            f"{path} is a pickle with more than tensors in it ({asked[1] or 'code of its own'}), and code in "
            "a checkpoint is never run; where you trust the file, save its state_dict alone as .safetensors"
        ) from error
    except Exception as error:  # of torch's unpickler and what it calls, for bytes that are wrong
        raise damaged(path, error) from error


def _check_for_programs(path: Path) -> None:
    """Raise CheckpointError for a TorchScript archive, which torch tells apart only in words of its own."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.partition("/")[2].startswith("code/") for name in names):
        raise CheckpointError(
            f"{path} is a TorchScript archive, a program with weights in it, as OpenAI published its CLIPs, "
            "and code in a checkpoint is never run; get the model as .safetensors, or save its state_dict"
        )


def unwrap(content: Any) -> StateDict:
    """The tensors inside a trainer's record, without PREFIXES before their names."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        return {}
    return {
        strip_prefixes(name): tensor
        for name, tensor in content.items()
        if isinstance(tensor, torch.Tensor) and name not in COUNTERS
    }


def strip_prefixes(name: str) -> str:
    """`module._orig_mod.head.bias` -> `head.bias`, in any nesting."""
    while prefix := next((prefix for prefix in PREFIXES if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    return name


def load_strictly(module: torch.nn.Module, state: Mapping[str, torch.Tensor], what: str) -> None:
    """Load a state dict that fits in every name and shape. Raises CheckpointError naming the first misfit."""
    own = module.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    for count, kind, names in ((len(missing), "lacks", missing), (len(unknown), "has besides", unknown)):
        if names:
            raise CheckpointError(
                f"{what} {kind} {counted(count, 'tensor')}, first: {names[0]}; another model's?"
            )
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{what}: {name} has shape {tuple(tensor.shape)}, expected {tuple(own[name].shape)}; "
                "another model's?"
            )
    module.load_state_dict({name: state.get(name, tensor) for name, tensor in own.items()})
