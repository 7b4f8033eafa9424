"""What lies in the user's cache folder: how large it is, and its removal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import ConfigError, RunError
from unprompt.networks.cache_kinds import FETCHED, MADE
from unprompt.networks.checkpoints import cache_folder, hub_cache, shown_bytes
from unprompt.storage.places import in_reach, note_closed


@dataclass(frozen=True)
class CacheState:
    """One kind of cache: where it is, and how many files and bytes it has."""

    kind: str
    what: str
    folder: Path
    files: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "kind": self.kind,
            "what": self.what,
            "folder": str(self.folder),
            "files": self.files,
            "bytes": self.bytes,
        }

    def __str__(self) -> str:
        where = f"{self.folder}{note_closed(self.folder)}"
        return f"{self.kind:<14}{shown_bytes(self.bytes):>10}  {where}  ({self.what})"


def cache_states() -> list[CacheState]:
    """Every kind of cache, and Hugging Face's, which other programs use too."""
    own = [_state_of(kind, what, cache_folder() / kind) for kind, what in (*MADE.items(), *FETCHED.items())]
    shared = _state_of("huggingface", "of Hugging Face's libraries, not cleared from here", hub_cache())
    return [*own, shared]


def clear_caches(kinds: Sequence[str] = ()) -> list[CacheState]:
    """Remove some kinds of cache, or all that are made again when needed; gives what was there.

    Raises ConfigError for a kind that is none, RunError where files cannot be removed.
    """
    states = to_clear(kinds)
    for state in states:
        try:
            shutil.rmtree(state.folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"{state.folder} cannot be removed: {error.strerror}") from error
    return states


def to_clear(kinds: Sequence[str] = ()) -> list[CacheState]:
    """What `clear_caches` would remove. Raises ConfigError for a kind that is none."""
    whats = {**MADE, **FETCHED}
    for kind in kinds:
        if kind not in whats:
            raise ConfigError(f"there is no cache '{kind}'; there are: {', '.join(whats)}")
    return [_state_of(kind, whats[kind], cache_folder() / kind) for kind in dict.fromkeys(kinds or MADE)]


def _state_of(kind: str, what: str, folder: Path) -> CacheState:
    """Sizes as they lie on the disk; what links point to counts where it is."""
    sizes = []
    for root, _, names in os.walk(folder):
        for path in (Path(root) / name for name in names):
            if in_reach(path) and not path.is_symlink():
                sizes.append(path.stat().st_size)
    return CacheState(kind, what, folder, len(sizes), sum(sizes))
