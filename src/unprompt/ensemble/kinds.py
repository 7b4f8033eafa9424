"""What a kind of member is: the settings that its table may have, the files it takes, how one is made.

A kind is declared in one file, beside the member's class (see `unprompt/members/`), as a `MemberKind`. An
installed package adds kinds of its own by the entry-point group `unprompt.members`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from unprompt.errors import ConfigError
from unprompt.networks.checkpoints import known_checkpoints
from unprompt.storage.toml_files import convert

if TYPE_CHECKING:
    from unprompt.ensemble.members import Member
    from unprompt.networks.loader import Loader

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class MemberSpec:
    """One `[[members]]` table: `settings` are the keys that belong to its kind, paths in them made whole."""

    name: str
    kind: str
    weight: float
    checkpoint: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def read(self, settings: Callable[..., Settings]) -> Settings:
        """Those of the table's settings that are fields of the dataclass `settings`.

        Raises ConfigError for a value of another type, or that makes no sense.
        """
        own = get_type_hints(settings)
        return settings(
            **{key: self._typed(key, value, own[key]) for key, value in self.settings.items() if key in own}
        )

    def _typed(self, key: str, value: Any, hint: Any) -> Any:
        try:
            return convert(value, hint)
        except TypeError as error:
            raise ConfigError(
                f"setting '{key}' of member '{self.name}' must be {error}, got {value!r}"
            ) from None


def no_checkpoints(spec: MemberSpec) -> Sequence[str]:
    """For kinds that need no declared checkpoint."""
    return ()


@dataclass(frozen=True)
class MemberKind:
    """A kind of member.

    `settings`: dataclasses whose fields, with their types and defaults, are the keys of the member's table.
    `build`: the member of a table, made of what the loader gives. `checkpoints`: the declared checkpoints
    that a table needs, so that all that are missing can be told at once. `paths`: settings that name files
    and folders; they are relative to the bundle's file.
    """

    settings: tuple[Callable[..., Any], ...]
    build: Callable[[Loader, MemberSpec], Member]
    checkpoints: Callable[[MemberSpec], Sequence[str]] = no_checkpoints
    paths: tuple[str, ...] = ()

    def parse(self, spec: MemberSpec, folder: Path) -> MemberSpec:
        """`spec` with the paths among its settings made whole: they are relative to `folder`.

        Raises ConfigError for unknown settings, wrong types and values that make no sense.
        """
        known = {name: None for one in self.settings for name in get_type_hints(one)}
        for key in spec.settings:
            if key not in known:
                raise ConfigError(
                    f"member '{spec.name}' has the unknown setting '{key}'; "
                    f"known: {', '.join(known) or 'none'}"
                )
        for one in self.settings:
            spec.read(one)
        whole = {
            key: _whole(folder, value) if key in self.paths and value else value
            for key, value in spec.settings.items()
        }
        return replace(spec, settings=whole)


def _whole(folder: Path, value: str) -> str:
    """A path relative to a folder made whole; the name of a declared checkpoint stays one."""
    path = folder / value
    return value if value in known_checkpoints() and not path.exists() else str(path)
