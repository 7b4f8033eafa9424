"""A session: one image at a time, its two prompts, and the way to a web UI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.easy_diffuser import webui
from unprompt.easy_diffuser.config import ANSWER_SECONDS, STEPS, URL, NegativeConfig
from unprompt.easy_diffuser.errors import OrderError
from unprompt.easy_diffuser.negative import (
    RelatedTag,
    chosen_words,
    join_negative,
    related_tags,
    relatedness_of,
)
from unprompt.easy_diffuser.relatedness import Relatedness
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.storage.images import image_of

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.storage.images import AnyImage

# What a CLIP's bundle names is then seen in the picture; an artist or a site would be a guess.
MODE = "kaggle"


@dataclass(frozen=True)
class Result:
    """The two prompts of an image. `related`: its related tags, the most related first.

    The negative prompt is made of the last of them, and of the usual words that are switched on; where there
    is no tag, `why_not` says why.
    """

    positive: str
    negative: str
    related: tuple[RelatedTag, ...]
    why_not: str = ""


@dataclass(frozen=True)
class SessionConfig:
    """How a session makes its prompts.

    `tags`: to choose from; None: those that the relatedness was fitted with. `relatedness`: None: the
    bundle's own. `count`: tags in the negative prompt at most. `mode`: how the interrogator makes the
    positive prompt; "": `kaggle`, or the one mode of a bundle without a CLIP. `words`: usual words that every
    negative prompt gets.
    """

    bundle: str = DEFAULT_BUNDLE
    device: str = "auto"
    tags: Sequence[str] | None = None
    relatedness: Relatedness | None = None
    count: int = 1
    mode: str = ""
    words: NegativeConfig = field(default_factory=NegativeConfig)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count must be at least 1, got {self.count}")
        if self.tags is not None and (isinstance(self.tags, str) or not self.tags):
            raise ConfigError(f"tags must be a list with at least one text, got {self.tags!r}")


class Session:
    """One image at a time. `result`: its two prompts; None before `run` and after a new image."""

    def __init__(self, config: SessionConfig, loaded: LoadedBundle | None = None) -> None:
        """`loaded`: a bundle that is loaded already, in place of the one that `config` names."""
        self.config = config
        self.result: Result | None = None
        self._image: Image.Image | None = None
        self._loaded = loaded

    def input_img(self, image: AnyImage) -> None:
        """Take another image, and forget what the last one gave. Raises InputError for an unreadable one."""
        try:
            read = image_of(image)
        except UnreadableImageError as error:
            raise InputError(str(error)) from error
        self._image, self.result = read, None

    def run(self) -> Result:
        """Make the image's prompts, which are also kept as `result`.

        Raises OrderError where there is no image, ConfigError where there is no relatedness for the bundle or
        one of another bundle, and what `LoadedBundle.load` raises.
        """
        if self._image is None:
            raise OrderError('there is no image yet: call input_img("image.jpg"), or start("image.jpg")')
        tags = self.tags
        mode = self.config.mode or (MODE if MODE in self.loaded.modes else self.loaded.modes[0])
        positive = self.loaded.interrogate([self._image], mode)[0].prompt
        found, why_not = related_tags(self.loaded, self._image, self.relatedness, tags)
        least = [one.tag for one in reversed(found)][: self.config.count]
        self.result = Result(
            positive=positive,
            negative=join_negative(", ".join(least), chosen_words(self.config.words)),
            related=found,
            why_not=why_not,
        )
        return self.result

    def print_caption(self) -> None:
        """Print both prompts. Raises OrderError before `run`."""
        if self.result is None:
            raise OrderError("this image has no prompts yet: call run() before print_caption()")
        print(f"positive prompt: {self.result.positive}")  # noqa: T201 - what it is for
        print(f"negative prompt: {self.result.negative}")  # noqa: T201
        if self.result.why_not:
            print(f"nothing in it is from the image: {self.result.why_not}")  # noqa: T201

    def send2ui(
        self,
        url: str = URL,
        steps: int = STEPS,
        out: str | Path = "output.png",
        timeout: float = ANSWER_SECONDS,
        auth: tuple[str, str] | None = None,
        **options: Any,
    ) -> list[Path]:
        """Have a web UI make images of both prompts; returns the PNG files. See `webui.send`.

        Runs first where the image is new. Raises OrderError where there is none, and what `run` and
        `webui.send` raise.
        """
        result = self.result or self.run()
        return webui.send(result.positive, result.negative, url, steps, out, timeout, auth, **options)

    @property
    def tags(self) -> Sequence[str]:
        """The tags that the negative prompt is chosen from."""
        return self.relatedness.tags if self.config.tags is None else self.config.tags

    @cached_property
    def loaded(self) -> LoadedBundle:
        """The bundle, loaded."""
        from unprompt.bundle.loaded import LoadedBundle

        return self._loaded or LoadedBundle.load(self.config.bundle, self.config.device)

    @cached_property
    def relatedness(self) -> Relatedness:
        """The given relatedness, or the bundle's own."""
        return self.config.relatedness or relatedness_of(self.loaded.bundle.name)
