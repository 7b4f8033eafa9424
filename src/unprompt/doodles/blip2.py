"""BLIP-2 for drawings: taught the captions of a set, and captioning strokes or pictures of drawings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.doodles.captioned import CaptionedSheets, read_captioned, sheet_of
from unprompt.errors import InputError
from unprompt.learning.blip2_config import Blip2Machine, Blip2Training
from unprompt.learning.curves import Row
from unprompt.networks.captioner import Captioner
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.networks.devices import choose_device
from unprompt.progress import Progress, silent
from unprompt.storage.files import read_json

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.doodles.drawing import Drawing
    from unprompt.learning.train_blip2 import Blip2Learnt

KIND = "blip-2"  # as transformers' config.json has it


def is_blip2(folder: Path) -> bool:
    """Whether a folder holds a BLIP-2 in transformers' layout, by its config.json."""
    try:
        return read_json(folder / "config.json").get("model_type") == KIND
    except InputError:
        return False


def train_on(
    examples: CaptionedSheets | Sequence[Path],
    model: Path,
    out: Path,
    config: Blip2Training | None = None,
    machine: Blip2Machine | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    on_epoch: Callable[[Row], None] = lambda row: None,
) -> Blip2Learnt:
    """Teach a BLIP-2 the captions of drawings, or of the files and folders that hold some.

    Raises as `read_captioned` and `learning.train_blip2.train_blip2` do.
    """
    from unprompt.learning.train_blip2 import train_blip2

    found = examples if isinstance(examples, CaptionedSheets) else read_captioned(examples)
    return train_blip2(
        found.sheets,
        found.captions,
        model,
        out,
        config,
        machine,
        overwrite,
        progress,
        on_epoch,
        found.sheets.identity(),
    )


class Blip2Captioner:
    """Captions drawings by the folder of a BLIP-2 or the like, with low-rank updates or without."""

    def __init__(self, captioner: Captioner) -> None:
        self._captioner = captioner

    @classmethod
    def load(
        cls,
        model: Path,
        adapter: Path | None = None,
        config: CaptionConfig | None = None,
        device: str = "auto",
    ) -> Blip2Captioner:
        """`adapter`: what a training left, or peft's folder. Raises as `Captioner.load` does."""
        return cls(Captioner.load(choose_device(device), model, config, None, adapter))

    @property
    def title(self) -> str:
        """What people call it."""
        return self._captioner.title

    def caption(self, drawings: Sequence[Drawing]) -> list[str]:
        """The captions of N drawings of strokes, shown as they are in training."""
        return self.caption_pictures([sheet_of(drawing) for drawing in drawings])

    def caption_pictures(self, pictures: Sequence[Image.Image]) -> list[str]:
        """The captions of N pictures of drawings, RGB, shown as they are."""
        return self._captioner.caption(pictures)
