"""Settings of captioning. Light to import, since options of the command line are these."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class CaptionConfig:
    """How captions are written. The defaults are those of the package clip-interrogator."""

    prompt: str = setting("", "how each caption is to begin, or what a BLIP-2 on T5 is asked", metavar="TEXT")
    length: int = setting(32, "tokens to write at most, after the prompt", least=1)
    beams: int = setting(1, "beams of the search; 1: always the likeliest next token", least=1)
    batch: int = setting(0, "images at a time", shown="by the device", least=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", " ".join(self.prompt.split()))
        check_settings(self)


@dataclass(frozen=True)
class CaptionerConfig:
    """Which captioner a member looks through."""

    captioner: str = setting(
        "",
        "a folder of BLIP, BLIP-2 or GIT, Salesforce's .pth of BLIP, a folder that a training of a captioner "
        "has left, or the checkpoint blip-base",
        shown="the checkpoint blip-large",
        metavar="PATH",
    )
    vocabulary: str = setting(
        "",
        "where bert-base-uncased's vocab.txt is, for a .pth that has it not beside it",
        metavar="FOLDER",
    )
