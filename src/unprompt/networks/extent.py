"""Networks of strangers' settings are made no larger than the file of weights that is to fill them.

Settings are a few bytes of JSON that may ask for a million layers or for terabytes. What a network may take
is counted beforehand, from the tensors that there are; what asks for more is refused before it is allocated.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unprompt.errors import CheckpointError, RunError, UnpromptError
from unprompt.networks.devices import is_out_of_memory

MOST_HEADER = 1 << 25  # bytes of a safetensors file's header; a thousand layers need a thousandth of it
LARGEST_NUMBER = 1 << 20  # of sizes in settings: the largest vocabularies have a quarter of it
LARGEST_SIDE = 4096  # pixels that a network's pictures are scaled to
SIZES = re.compile(
    r"size|layer|head|width|depth|dim|hidden|block|position|context|channel|patch|vocab|embed|num_|^n_|rank|^r$"
)
BESIDES = re.compile(r"token_id|token_index|theta|max_length|replication")
MAKERS = frozenset(
    {
        *("empty", "empty_permuted", "ones", "zeros", "full", "rand", "randn", "new_empty", "new_ones"),
        *("new_zeros", "new_full", "eye", "tril_indices", "triu_indices"),
    }
)
RANGES = frozenset({"arange", "linspace", "range", "randperm", "logspace"})
LAYERS = re.compile(r"layers|n_layer|depth|blocks")


@dataclass(frozen=True)
class Extent:
    """How many tensors there are, and how many numbers are in them at most."""

    tensors: int
    numbers: int

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Extent:
        """That of tensors by name."""
        return cls(len(state), sum(tensor.numel() for tensor in state.values()))

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> Extent:
        """That of files of weights, by their headers. Raises CheckpointError for a header that cannot be."""
        tensors = numbers = 0
        for path in paths:
            try:
                size = path.stat().st_size
                tensors += _count_tensors(path, size)
            except (OSError, ValueError, RuntimeError, AttributeError, zipfile.BadZipFile) as error:
                raise CheckpointError(f"{path} is cut short or damaged ({error}); get it again") from error
            numbers += size  # of a byte each, at least
        return cls(tensors, numbers)


@contextmanager
def made_within(extent: Extent, what: str) -> Iterator[None]:
    """Refuse to make a network in this block that is far larger than the tensors that it is to get.

    Whatever else goes wrong while it is made, of settings that make no sense, is a CheckpointError too; too
    little memory is a RunError. They say `what`: "the captioner in FOLDER".
    """
    from torch.overrides import TorchFunctionMode

    numbers = 4 * extent.numbers + (1 << 24)
    calls = 16 * extent.tensors + 2000  # timm's and transformers' networks take one or two a tensor

    class Counting(TorchFunctionMode):  # type: ignore[misc]
        made = asked = 0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(func, "__name__", "")
            if name in MAKERS or name in RANGES:
                self.made += 1
                self.asked += _asked(name, args, kwargs or {})
                if self.made > calls or self.asked > numbers:
                    raise TooLargeError(f"larger than its weights: {extent.numbers:,} numbers")
            return func(*args, **(kwargs or {}))

    try:
        with Counting():
            yield
    except TooLargeError:
        raise CheckpointError(
            f"{what} has settings of a network that is larger than its weights: they have "
            f"{extent.numbers:,} numbers in {extent.tensors:,} tensors; get both again"
        ) from None
    except UnpromptError:
        raise
    except Exception as error:  # what a library raises for settings that make no sense is of any kind
        if is_out_of_memory(error):
            raise RunError(
                f"{what} does not fit into the memory that is free; close what else uses it"
            ) from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{what} cannot be built ({reason}); get it again") from error


class TooLargeError(Exception):
    """Within `made_within`: more is asked for than there may be. It becomes a CheckpointError there."""


def check_numbers(settings: Any, what: str, extent: Extent | None = None) -> None:
    """Raise CheckpointError for a size in settings of a network, as JSON has them, that no network has.

    `extent`: that of its weights, of which there is no layer without a tensor.
    """
    to_do: list[tuple[str, Any]] = [("", settings)]
    while to_do:
        name, value = to_do.pop()
        if isinstance(value, Mapping):
            to_do += [(str(key).lower(), inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            to_do += [(name, inner) for inner in value]
        elif isinstance(value, int | float) and SIZES.search(name) and not BESIDES.search(name):
            most = extent.tensors if extent and LAYERS.search(name) else LARGEST_NUMBER
            if abs(value) <= most:
                continue
            raise CheckpointError(
                f"{what} says {name} {value!s:.40}, which no such network has; get it again"
            )


def check_side(side: Any, what: str) -> None:
    """Raise CheckpointError where pictures are to be scaled to more than any network sees.

    `side`: a number of pixels, or several of them in a list or by their names.
    """
    values = side if isinstance(side, Mapping) else getattr(side, "__dict__", side)
    values = list(values.values()) if isinstance(values, Mapping) else values
    for value in values if isinstance(values, Sequence) else [values]:
        if isinstance(value, int | float) and not 0 < value <= LARGEST_SIDE:
            raise CheckpointError(
                f"{what} wants pictures of {value!s:.40} pixels, the limit is {LARGEST_SIDE:,}; get it again"
            )


def parts_of(index: Path, content: Mapping[str, Any]) -> list[Path]:
    """The files of weights that an index in JSON names, all in its own folder. Raises CheckpointError."""
    names = content.get("weight_map")
    if not isinstance(names, Mapping) or not names:
        raise CheckpointError(f"{index} names no files of weights; get it again")
    found = {*names.values()} if all(isinstance(name, str) for name in names.values()) else {""}
    for name in sorted(found):
        if name in ("", ".", "..") or PurePosixPath(name).name != name or "\\" in name or "\0" in name:
            raise CheckpointError(f"{index} names a file outside its folder: {name!r}; get it again")
    return [index.parent / name for name in sorted(found)]


def _asked(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many numbers a call that makes a tensor asks for."""
    if name in RANGES:
        ends = [value for value in (*args, *kwargs.values()) if isinstance(value, int | float)]
        if name == "arange" and len(ends) >= 3 and ends[2]:
            return int(abs((ends[1] - ends[0]) / ends[2])) + 1
        return int(max((abs(value) for value in ends if math.isfinite(value)), default=0))
    shape = kwargs.get("size", args)
    flat = [
        value
        for one in (shape if isinstance(shape, Sequence) else [shape])
        for value in (one if isinstance(one, Sequence) and not isinstance(one, str) else [one])
    ]
    if name in ("full", "new_full") and "fill_value" not in kwargs:
        flat = flat[:-1]
    if name == "eye" and len(flat) == 1:
        flat *= 2
    return math.prod(abs(value) for value in flat if isinstance(value, int) and not isinstance(value, bool))


def _count_tensors(path: Path, size: int) -> int:
    """How many tensors a file of weights has, or how many it may have."""
    with path.open("rb") as stream:
        beginning = stream.read(9)
        if path.suffix == ".safetensors" or beginning[8:] == b"{":
            length = int.from_bytes(beginning[:8], "little")
            if length > min(MOST_HEADER, size):
                raise ValueError(f"a header of {length:,} bytes")
            stream.seek(8)
            return len(json.loads(stream.read(length)))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return len(archive.namelist())
    return size // 1024  # of torch's old format, whose tensors take about so much at least
