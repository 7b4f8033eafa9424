"""Which CLIP is looked through. Light to import, since options of the command line are these settings."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import setting

MODEL = "ViT-H-14"


@dataclass(frozen=True)
class ClipConfig:
    """Which CLIP a member looks through. Its file is the member's checkpoint."""

    clip: str = setting(MODEL, "open_clip's name of it", metavar="MODEL")
    statistics: str = setting(
        "", "mean and deviation of the channels that it expects: half", shown="the model's own"
    )
    pretrained: str = setting(
        "",
        "open_clip's name of the weights in the file (openai, laion2b_s32b_b82k …), which says how pictures "
        "are prepared and which activation is right",
        shown="by the file's path, or as all weights of the model",
        metavar="TAG",
    )
