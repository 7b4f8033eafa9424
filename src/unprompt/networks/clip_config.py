"""Which CLIP is looked through. Light to import, since options of the command line are these settings."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.settings import setting

MODEL = "ViT-H-14"


@dataclass(frozen=True)
class ClipConfig:
    """Which CLIP a member looks through. Its file is the member's checkpoint."""

    clip: str = setting(MODEL, "open_clip's name of it", metavar="MODEL")
    statistics: str = setting("", "of the channels: half", shown="the model's own")
