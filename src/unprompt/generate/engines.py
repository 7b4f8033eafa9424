"""The prompt engines by name: which settings each has, and how it is opened with them.

Light to import, since the command line's choices are these; an engine's file is imported when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from unprompt.errors import ConfigError
from unprompt.generate.config import Gpt2Config, Smollm2Config

if TYPE_CHECKING:
    from unprompt.generate.gpt2 import Gpt2Prompts
    from unprompt.generate.pocket_prompts import PocketPrompts
    from unprompt.generate.prompt_files import FilePrompts
    from unprompt.generate.prompts import PromptEngine
    from unprompt.generate.smollm2 import Smollm2Prompts

Opened = TypeVar("Opened", covariant=True)


@dataclass(frozen=True)
class EngineKind(Generic[Opened]):
    """An engine's entry in a table.

    `open` makes it: by what all engines of the table take, and by those of `settings` that were given, which
    are its own. Raises ConfigError for settings that make no sense.
    """

    open: Callable[..., Opened]
    settings: tuple[str, ...] = ()


def _gpt2(
    seed: int | None, start: Sequence[str] = (), starts_file: Path | None = None, **settings: Any
) -> Gpt2Prompts:
    from unprompt.generate.gpt2 import Gpt2Prompts
    from unprompt.generate.prompt_files import read_any_prompts
    from unprompt.networks.devices import choose_device

    starts = (*start, *(read_any_prompts(starts_file).texts if starts_file is not None else ()))
    if starts:
        settings["starts"] = starts
    config = Gpt2Config(seed=Gpt2Config.seed if seed is None else seed, **settings)
    return Gpt2Prompts.load(config, choose_device(config.device))


def _smollm2(
    seed: int | None, examples: Path | Sequence[str] | None = None, **settings: Any
) -> Smollm2Prompts:
    from unprompt.generate.prompt_files import read_any_prompts
    from unprompt.generate.smollm2 import Smollm2Prompts
    from unprompt.networks.devices import choose_device

    if examples is not None:
        settings["examples"] = read_any_prompts(examples).texts if isinstance(examples, Path) else examples
    config = Smollm2Config(seed=Smollm2Config.seed if seed is None else seed, **settings)
    return Smollm2Prompts.load(config, choose_device(config.device))


def _pocket(seed: int | None) -> PocketPrompts:
    from unprompt.generate.pocket_prompts import PocketPrompts

    return PocketPrompts(0 if seed is None else seed)


def _file(
    seed: int | None, source: Path | None = None, column: str | None = None, clean: bool = False
) -> FilePrompts:
    from unprompt.generate.prompt_files import FilePrompts

    if source is None:
        raise ConfigError("--engine file needs --from FILE")
    if seed is not None:
        raise ConfigError("a seed has no meaning for prompts from a file; leave it out")
    return FilePrompts(source, column, clean)


_SAMPLING = ("model", "temperature", "top_k", "top_p", "max_tokens", "batch", "device")

# All are opened with a seed, None where none was given.
PROMPT_ENGINES: Mapping[str, EngineKind[PromptEngine]] = MappingProxyType(
    {
        "gpt2": EngineKind(_gpt2, ("start", "starts_file", *_SAMPLING)),
        "smollm2": EngineKind(_smollm2, ("examples", "shots", *_SAMPLING)),
        "pocket": EngineKind(_pocket),
        "file": EngineKind(_file, ("source", "column", "clean")),
    }
)
