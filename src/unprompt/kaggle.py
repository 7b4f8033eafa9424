"""What a Kaggle kernel finds attached to it, and what stands in for it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unprompt.checkpoints import KAGGLE_INPUT
from unprompt.errors import InputError

COMPETITION = "stable-diffusion-image-to-prompts"


@dataclass(frozen=True)
class Inputs:
    """The images to work on and, where there is one, the sample submission that gives ids and order.

    `truth` is the prompts.csv of images whose prompts are known: the competition's seven public ones, or the
    sample scenes. In the competition's hidden rerun it does not fit the images and is None.
    """

    images: Path
    sample: Path | None
    truth: Path | None


def find_inputs(scratch: Path) -> Inputs:
    """The competition's data where it is attached, else sample scenes drawn into `scratch`.

    Raises InputError where the competition is attached but has no images.
    """
    for folder in (KAGGLE_INPUT / COMPETITION, KAGGLE_INPUT / "competitions" / COMPETITION):
        if folder.is_dir():
            return _competition(folder)
    from unprompt.demos.sample_scenes import write_scenes

    write_scenes(scratch)
    return Inputs(scratch / "images", None, scratch / "prompts.csv")


def _competition(folder: Path) -> Inputs:
    images, sample, truth = folder / "images", folder / "sample_submission.csv", folder / "prompts.csv"
    if not images.is_dir():
        raise InputError(f"{folder} has no folder 'images'; attach the competition '{COMPETITION}' anew")
    return Inputs(images, sample if sample.is_file() else None, _fitting(truth, images))


def _fitting(truth: Path, images: Path) -> Path | None:
    """`truth` if any of its ids is among the images: in the hidden rerun only the images are swapped."""
    from unprompt.files import read_prompts

    if not truth.is_file():
        return None
    known = {path.stem for path in images.iterdir()}
    return truth if known & set(read_prompts(truth).ids) else None
