"""Bundle files -> members. A bundle is a named ensemble: members, their checkpoints, their weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from unprompt.embed import PromptEncoder
from unprompt.ensemble import check_weights
from unprompt.errors import ConfigError, InputError
from unprompt.members import Member

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from unprompt.regression.member import RegressionConfig, Regressor
    from unprompt.zeroshot import ConSE, ImageNetClassifier

# The keys that every member has; all others are settings of its kind.
_MEMBER_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "kind": str,
    "weight": (int, float),
    "checkpoint": str,
}


@dataclass(frozen=True)
class MemberSpec:
    """One `[[members]]` table: `settings` are the keys that belong to its kind."""

    name: str
    kind: str
    weight: float
    checkpoint: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


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


def read_bundle(name: str) -> Bundle:
    """Read a bundle by the name of a shipped one or by the path of a TOML file.

    Checkpoint paths in a file are relative to that file. Raises InputError where there is no such bundle,
    ConfigError where its content makes no sense.
    """
    if name in shipped_bundles():
        path = Path(str(files("unprompt") / "data" / "bundles" / f"{name}.toml"))
    else:
        path = Path(name)
        if not path.is_file():
            raise InputError(
                f"no bundle is called '{name}' and no file is there; "
                f"shipped: {', '.join(shipped_bundles())}; your own: name its .toml file"
            )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}") from error
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
        if table["kind"] not in KINDS:
            raise ConfigError(
                f"member '{table['name']}' is of the unknown kind '{table['kind']}'; "
                f"known: {', '.join(KINDS)}"
            )
        if not table["name"].isidentifier():
            raise ConfigError(
                f"'{table['name']}' cannot be a member's name: it becomes a file name, use letters"
            )
        checkpoint = table.get("checkpoint")
        members.append(
            MemberSpec(
                name=table["name"],
                kind=table["kind"],
                weight=float(table["weight"]),
                checkpoint=path.parent / checkpoint if checkpoint else None,
                settings={key: value for key, value in table.items() if key not in _MEMBER_KEYS},
            )
        )
    return Bundle(str(content.get("name", path.stem)), str(content.get("description", "")), tuple(members))


class Loader:
    """Loads what members are made of, each thing once, on one device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._classifiers: dict[Path | None, ImageNetClassifier] = {}
        self._regressors: dict[tuple[Path | None, RegressionConfig], Regressor] = {}

    @cached_property
    def encoder(self) -> PromptEncoder:
        """all-MiniLM-L6-v2."""
        return PromptEncoder.load(self.device)

    def classifier(self, folder: Path | None) -> ImageNetClassifier:
        """EfficientNet-Lite2, shared by the members that name the same checkpoint."""
        from unprompt.zeroshot import ImageNetClassifier

        if folder not in self._classifiers:
            self._classifiers[folder] = ImageNetClassifier.load(self.device, folder)
        return self._classifiers[folder]

    def regressor(self, checkpoint: Path | None, config: RegressionConfig) -> Regressor:
        """A fine-tuned network, shared by the members that name the same checkpoint and settings."""
        from unprompt.regression.member import Regressor

        if (checkpoint, config) not in self._regressors:
            self._regressors[checkpoint, config] = Regressor.load(self.device, checkpoint, config)
        return self._regressors[checkpoint, config]

    def conse(self, gain: float) -> ConSE:
        """The map from class probabilities to MiniLM space."""
        from unprompt.zeroshot import ConSE

        return ConSE.build(self.encoder, gain)

    def members(self, bundle: Bundle) -> list[Member]:
        """Load a bundle's members, in its order."""
        return [KINDS[spec.kind](self, spec) for spec in bundle.members]


Settings = TypeVar("Settings")


def settings_of(spec: MemberSpec, kind: Callable[..., Settings]) -> Settings:
    """A member's settings as its kind's dataclass. Raises ConfigError for unknown keys and wrong types."""
    known = {item.name: type(item.default) for item in fields(kind)}  # type: ignore[arg-type]
    for key, value in spec.settings.items():
        if key not in known:
            raise ConfigError(
                f"member '{spec.name}' has the unknown setting '{key}'; known: {', '.join(known)}"
            )
        expected = (int, float) if known[key] is float else known[key]
        if not isinstance(value, expected) or isinstance(value, bool) is not (known[key] is bool):
            raise ConfigError(
                f"setting '{key}' of member '{spec.name}' must be {known[key].__name__}, got {value!r}"
            )
    return kind(**spec.settings)


def _zeroshot(loader: Loader, spec: MemberSpec) -> Member:
    from unprompt.zeroshot import ZeroshotConfig, ZeroshotMember

    config = settings_of(spec, ZeroshotConfig)
    return ZeroshotMember(spec.name, loader.classifier(spec.checkpoint), loader.conse(config.gain))


def _phrases(loader: Loader, spec: MemberSpec) -> Member:
    from unprompt.interrogator.phrases import PhrasesConfig, PhrasesMember

    config = settings_of(spec, PhrasesConfig)
    return PhrasesMember(
        spec.name, loader.classifier(spec.checkpoint), loader.conse(config.gain), loader.encoder, config
    )


def _regression(loader: Loader, spec: MemberSpec) -> Member:
    from unprompt.regression.member import RegressionConfig, RegressionMember

    config = settings_of(spec, RegressionConfig)
    return RegressionMember(spec.name, loader.regressor(spec.checkpoint, config))


KINDS: Mapping[str, Callable[[Loader, MemberSpec], Member]] = {
    "zeroshot": _zeroshot,
    "phrases": _phrases,
    "regression": _regression,
}
