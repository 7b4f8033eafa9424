"""Settings of the interrogator. Light to import, since the command line's options are these."""

from __future__ import annotations

from dataclasses import dataclass, field

from unprompt.errors import ConfigError
from unprompt.metadata.config import OFF, SHOW
from unprompt.networks.captioner_config import CaptionerConfig
from unprompt.networks.clip_config import ClipConfig
from unprompt.settings import CLUSTER, CLUSTERS, DEVICES, WORKERS, check_settings, setting

KINDS = ("artists", "flavors", "mediums", "movements", "trendings", "negative")
MODES = ("classic", "kaggle", "fast", "best", "negative")
MERGED = ("artists", "flavors", "mediums", "movements", "trendings")  # the order of the lists side by side
NEGATIVE = ("flavors", "negative")


def kind_named(name: str) -> str:
    """One of KINDS, by its name or the name's singular. Raises ConfigError that lists the kinds."""
    for kind in KINDS:
        if name in (kind, kind.removesuffix("s")):
            return kind
    raise ConfigError(f"there is no list of phrases called '{name}'; there are: {', '.join(KINDS)}")


@dataclass(frozen=True)
class InterrogatorConfig:
    """How prompts are made. The defaults are clip-interrogator's."""

    mode: str = setting("classic", "classic, kaggle, fast, best or negative", metavar="MODE")
    max_flavors: int | None = setting(
        None,
        "flavors, or phrases in a chain, at most",
        shown="3 in classic and kaggle, 32 in the others",
        least=1,
    )
    min_flavors: int = setting(
        8, "in best and negative: so many phrases are tried even where they make it worse", least=0
    )
    intermediate: int = setting(
        2048, "in best and negative: how many phrases the chain chooses from", least=1
    )
    # How a list is cut, see tables.ranked.
    chunk: int = setting(2048, "phrases of a list that are ranked together", least=1)
    without: tuple[str, ...] = ()  # lists that are left out
    exact: bool = setting(
        False, "phrases as clip-interrogator's lists spell them, '1 9 9 0 s' and all, not '1990s'"
    )
    sure: float = setting(
        0.0,
        "in classic, kaggle and fast: phrases less probable than this among those of their list are left out",
        least=0,
        most=1,
    )
    repeats: bool = True  # False: a phrase whose words were all said before it is left out

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got '{self.mode}'")
        check_settings(self)
        if isinstance(self.without, str):
            raise ConfigError(f"without must be a list of names, got the text '{self.without}'")
        object.__setattr__(self, "without", tuple(dict.fromkeys(map(kind_named, self.without))))
        if not self.kinds:
            raise ConfigError(f"mode '{self.mode}' without {', '.join(self.without)} has no phrases left")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The lists that the mode chooses from, in the order in which they are merged."""
        kaggle = ("artists", "trendings") if self.mode == "kaggle" else ()
        lists = NEGATIVE if self.mode == "negative" else MERGED
        return tuple(kind for kind in lists if kind not in (*self.without, *kaggle))

    @property
    def most(self) -> int:
        """The greatest number of flavors, or of phrases in a chain."""
        return self.max_flavors or (3 if self.mode in ("classic", "kaggle") else 32)


@dataclass(frozen=True)
class InterrogateConfig:
    """Settings of `unprompt interrogate`. A captioner, `caption` and `captions` exclude each other."""

    prompts: InterrogatorConfig = field(default_factory=InterrogatorConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    checkpoint: str = setting("", "the CLIP's file or folder", shown="where it is found", metavar="PATH")
    captioner: CaptionerConfig = field(default_factory=CaptionerConfig)
    caption: str = setting("", "the caption of all images", metavar="TEXT")
    captions: str = setting("", "captions by image: imgId,caption", metavar="CSV")
    phrases: str = setting(
        "",
        "your own lists: artists.txt instead of the package's, artists.more.txt besides it; and so on with "
        "flavors, mediums, movements, trendings, negative",
        metavar="FOLDER",
    )
    tables: str = setting(
        "",
        "where tables of the phrases' features are taken from and kept, of this or another machine",
        shown="the cache folder",
        metavar="FOLDER",
    )
    batch: int = setting(0, "images at a time", shown="by the device", least=0)
    device: str = setting("auto", DEVICES, metavar="DEVICE")
    workers: int | None = setting(None, WORKERS, shown="one for each core", least=1)
    cluster: str | None = setting(None, CLUSTER, choices=CLUSTERS)
    recursive: bool = setting(False, "look into folders inside the folders too")
    from_file: str = setting(
        SHOW,
        "prompts in the images' files: written beside the table, or not looked for",
        choices=(SHOW, OFF),
    )
    overwrite: bool = setting(False, "replace what is there")

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", " ".join(self.caption.split()))
        check_settings(self)
        given = [name for name in ("caption", "captions") if getattr(self, name)]
        given += ["captioner"] if self.captioner.captioner else []
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} exclude each other; give one of them")
        if given and not self.has_captions:
            raise ConfigError(f"the mode {self.prompts.mode} takes no captions; leave out {given[0]}")
        if self.captioner.vocabulary and not self.needs_captioner:
            raise ConfigError("the vocabulary is a captioner's, and none is asked here; leave it out")
        if self.prompts.sure and self.prompts.mode == "negative":
            raise ConfigError("sure belongs to the modes classic, kaggle, fast and best; leave it out")

    @property
    def has_captions(self) -> bool:
        """Whether prompts begin with a caption."""
        return self.prompts.mode != "negative"

    @property
    def needs_captioner(self) -> bool:
        """Whether captions have to be made."""
        return self.has_captions and not (self.caption or self.captions)
