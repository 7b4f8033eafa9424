"""Bundle files -> members. A bundle is a named ensemble: members, their checkpoints, their weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from unprompt.checkpoints import cache_folder, declared, locate
from unprompt.embed import PromptEncoder
from unprompt.ensemble import check_weights
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.members import Member
from unprompt.toml_files import typed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from unprompt.interrogator.caption import Captioner
    from unprompt.interrogator.clip import Clip
    from unprompt.interrogator.member import CaptionerConfig, ClipConfig
    from unprompt.regression.member import RegressionConfig, Regressor
    from unprompt.zeroshot import ConSE, ImageNetClassifier

# The keys that every member has; all others are settings of its kind.
_MEMBER_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "kind": str,
    "weight": (int, float),
    "checkpoint": str,
}
# The settings that name files and folders, relative to the bundle's file as the checkpoint is.
_PATHS = ("bank", "captioner", "phrases", "vocabulary")


@dataclass(frozen=True)
class MemberSpec:
    """One `[[members]]` table: `settings` are the keys that belong to its kind, paths in them made whole."""

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
    return installed if name.isidentifier() and installed.is_file() else Path(name)


def read_bundle(name: str) -> Bundle:
    """Read a bundle by the name of a shipped or an installed one, or by the path of a TOML file.

    `make pocket` installs one. Paths in a file are relative to that file. Raises InputError where there is no
    such bundle, ConfigError where its content makes no sense.
    """
    path = _bundle_file(name)
    if not path.is_file():
        made = "; `make pocket` makes the bundle pocket" if name == "pocket" else ""
        raise InputError(
            f"no bundle is called '{name}' and no file is there{made}; "
            f"here are {', '.join(known_bundles())}; your own: name its .toml file"
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
                settings={
                    key: str(path.parent / value)
                    if key in _PATHS and value and isinstance(value, str)
                    else value
                    for key, value in table.items()
                    if key not in _MEMBER_KEYS
                },
            )
        )
    return Bundle(str(content.get("name", path.stem)), str(content.get("description", "")), tuple(members))


def declared_checkpoints(spec: MemberSpec) -> list[str]:
    """The declared checkpoints that a member takes, as its table names no files of its own in their place."""
    from unprompt import embed, zeroshot
    from unprompt.interrogator import caption_checkpoint, clip
    from unprompt.regression import member as regression

    images = {
        "zeroshot": zeroshot.CHECKPOINT,
        "phrases": zeroshot.CHECKPOINT,
        "regression": regression.CHECKPOINT,
        "interrogator": clip.CHECKPOINT,
        "retrieval": clip.CHECKPOINT,
    }
    names = [] if spec.checkpoint else [images[spec.kind]]
    captions = spec.kind == "interrogator" and spec.settings.get("mode") != "negative"
    if captions and not spec.settings.get("captioner"):
        names.append(caption_checkpoint.CHECKPOINT)
    if spec.kind in ("zeroshot", "phrases", "interrogator"):
        names.append(embed.CHECKPOINT)
    return names


def check_checkpoints(bundle: Bundle) -> None:
    """Raise one CheckpointError for all declared checkpoints that a bundle needs and that are not found."""
    missing: dict[str, CheckpointError] = {}
    for name in dict.fromkeys(name for spec in bundle.members for name in declared_checkpoints(spec)):
        try:
            locate(name)
        except CheckpointError as error:
            missing[name] = error
    if len(missing) == 1:
        raise next(iter(missing.values()))
    if missing:
        which = ", ".join(f"{name} ({declared(name).role})" for name in missing)
        data_sets = ", ".join(f"'{declared(name).data_set}'" for name in missing)
        raise CheckpointError(
            f"the bundle '{bundle.name}' lacks {len(missing)} checkpoints: {which}; attach the Kaggle data "
            f"sets {data_sets}, or ask `unprompt checkpoints fetch NAME` how to get each; "
            "`unprompt checkpoints list` says where they are looked for"
        )


class Loader:
    """Loads what members are made of, each thing once, on one device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._classifiers: dict[Path | None, ImageNetClassifier] = {}
        self._regressors: dict[tuple[Path | None, RegressionConfig], Regressor] = {}
        self._clips: dict[tuple[Path | None, ClipConfig], Clip] = {}
        self._captioners: dict[CaptionerConfig, Captioner] = {}

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

    def clip(self, checkpoint: Path | None, config: ClipConfig) -> Clip:
        """A CLIP, shared by the members that name the same model, checkpoint and statistics."""
        from unprompt.interrogator.clip import Clip

        if (checkpoint, config) not in self._clips:
            self._clips[checkpoint, config] = Clip.load(
                self.device, config.clip, checkpoint, config.statistics
            )
        return self._clips[checkpoint, config]

    def captioner(self, config: CaptionerConfig) -> Captioner:
        """A captioner, shared by the members that name the same one."""
        from unprompt.interrogator.caption import Captioner

        if config not in self._captioners:
            model, vocabulary = (
                Path(path) if path else None for path in (config.captioner, config.vocabulary)
            )
            self._captioners[config] = Captioner.load(self.device, model, vocabulary=vocabulary)
        return self._captioners[config]

    def conse(self, gain: float) -> ConSE:
        """The map from class probabilities to MiniLM space."""
        from unprompt.zeroshot import ConSE

        return ConSE.build(self.encoder, gain)

    def members(self, bundle: Bundle) -> list[Member]:
        """Load a bundle's members, in its order.

        Raises CheckpointError for what is missing or damaged, ConfigError for settings that make no sense.
        """
        check_checkpoints(bundle)
        return [KINDS[spec.kind](self, spec) for spec in bundle.members]


Settings = TypeVar("Settings")


def settings_of(
    spec: MemberSpec, kind: Callable[..., Settings], sharing: Sequence[Callable[..., Any]] = ()
) -> Settings:
    """A member's settings as a dataclass. Raises ConfigError for unknown keys and wrong types.

    `sharing`: dataclasses that take their settings from the same table; what is theirs is no unknown key.
    """
    own = get_type_hints(kind)
    known = {name: hint for one in (kind, *sharing) for name, hint in get_type_hints(one).items()}
    settings = {}
    for key, value in spec.settings.items():
        if key not in known:
            raise ConfigError(
                f"member '{spec.name}' has the unknown setting '{key}'; known: {', '.join(known)}"
            )
        try:
            settings[key] = typed(value, known[key])
        except TypeError as error:
            raise ConfigError(
                f"setting '{key}' of member '{spec.name}' must be {error}, got {value!r}"
            ) from None
    return kind(**{key: value for key, value in settings.items() if key in own})


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


def _interrogator(loader: Loader, spec: MemberSpec) -> Member:
    from unprompt.interrogator.member import (
        CaptionerConfig,
        ClipConfig,
        InterrogatorMember,
        MemberConfig,
        own_lists,
    )
    from unprompt.interrogator.modes import Interrogator

    kinds = (MemberConfig, ClipConfig, CaptionerConfig)
    config = settings_of(spec, MemberConfig, kinds)
    clip = loader.clip(spec.checkpoint, settings_of(spec, ClipConfig, kinds))
    lists = own_lists(config.phrases)
    interrogator = Interrogator.build(clip.texts, config, lists)
    captioner = None
    if interrogator.needs_captions:
        captioner = loader.captioner(settings_of(spec, CaptionerConfig, kinds))
    return InterrogatorMember(spec.name, clip, captioner, interrogator, loader.encoder, lists)


def _retrieval(loader: Loader, spec: MemberSpec) -> Member:
    from unprompt.interrogator.member import ClipConfig
    from unprompt.retrieval import RetrievalConfig, RetrievalMember

    kinds = (RetrievalConfig, ClipConfig)
    config = settings_of(spec, RetrievalConfig, kinds)
    clip = loader.clip(spec.checkpoint, settings_of(spec, ClipConfig, kinds))
    return RetrievalMember.load(spec.name, clip, config)


KINDS: Mapping[str, Callable[[Loader, MemberSpec], Member]] = {
    "zeroshot": _zeroshot,
    "phrases": _phrases,
    "regression": _regression,
    "interrogator": _interrogator,
    "retrieval": _retrieval,
}
