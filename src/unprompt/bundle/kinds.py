"""Which kinds of members there are: the package's own, and those that installed packages add.

Another package adds a kind by an entry point of the group `unprompt.members`, in its pyproject.toml:

    [project.entry-points."unprompt.members"]
    night = "their_package.night:KIND"

where KIND is an `unprompt.ensemble.kinds.MemberKind`. Only kinds that a bundle names are imported.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from unprompt import members
from unprompt.ensemble.kinds import MemberKind
from unprompt.errors import ConfigError

GROUP = "unprompt.members"


@cache
def _added() -> dict[str, EntryPoint]:
    """Kinds of other packages by name; the package's own keep their names."""
    found = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    return {point.name: point for point in found if point.name not in members.NAMES}


def known_kinds() -> tuple[str, ...]:
    """Names of all kinds, the package's own first."""
    return (*members.NAMES, *sorted(_added()))


def is_known(name: str) -> bool:
    """Whether there is such a kind. Other packages are looked through only for a name that is not our own."""
    return name in members.NAMES or name in _added()


@cache
def kind_named(name: str) -> MemberKind:
    """A kind by its name. Raises ConfigError for an unknown one, and for one that cannot be imported."""
    if name in members.NAMES:
        own: MemberKind = import_module(f"{members.__name__}.{name}").KIND
        return own
    if name not in _added():
        raise ConfigError(f"there is no kind of member '{name}'; known: {', '.join(known_kinds())}")
    point = _added()[name]
    package = point.dist.name if point.dist else point.module
    try:
        kind = point.load()
    except Exception as error:  # whatever another package's import raises
        raise ConfigError(
            f"the kind of member '{name}' of the package {package} cannot be imported "
            f"({type(error).__name__}: {error}); update or remove {package}"
        ) from error
    if not isinstance(kind, MemberKind):
        raise ConfigError(
            f"the kind of member '{name}' of the package {package} is no MemberKind, but of the type "
            f"{type(kind).__name__}; update or remove {package}"
        )
    return kind
