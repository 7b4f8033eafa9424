"""Settings of composed scenes. Light to import, as the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import check_settings, setting

COMMON, ANY = "common", "any"


@dataclass(frozen=True)
class SceneConfig:
    """What is composed of single drawings."""

    count: int = setting(2000, "scenes", metavar="N", least=1)
    seed: int = setting(0, "of what they show; the same drawings and seed give the same scenes", least=0)
    nouns: str = setting(
        COMMON,
        "common: 121 words that people make scenes of; any: all words for things; mixed: half of each",
        choices=(COMMON, ANY, "mixed"),
    )
    touch: float = setting(
        0.0, "share of scenes in which things touch and overlap, and stand on each other", least=0, most=1
    )
    most_kinds: int = setting(3, "kinds of things on the ground, at most", least=1, most=3)
    most_count: int = setting(4, "things of a kind, at most", least=1, most=4)
    sky: float = setting(0.4, "share of scenes with something in the sky", least=0, most=1)
    warp: float = setting(
        0.0, "how far drawings are stretched, turned and shaken: 0 not at all, 1 a good deal", least=0, most=1
    )

    def __post_init__(self) -> None:
        check_settings(self)
