"""What a Kaggle kernel finds attached to it, and what stands in for it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.bundle.bundles import check_checkpoints, read_bundle
from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.errors import CheckpointError, InputError, UnreadableImageError
from unprompt.metadata.config import OFF
from unprompt.networks.checkpoints import KAGGLE_INPUT
from unprompt.runs.config import PredictConfig

if TYPE_CHECKING:
    from PIL.Image import Image

    from unprompt.records import Prompts

COMPETITION = "stable-diffusion-image-to-prompts"
BEST_BUNDLE = "kaggle"
PREVIEW_SIDE = 256  # pixels


@dataclass(frozen=True)
class Inputs:
    """The images to work on and, where there is one, the sample submission that gives ids and order.

    `truth` is the prompts.csv of images whose prompts are known: the competition's seven public ones, or the
    sample scenes. In the competition's hidden rerun it does not fit the images and is None.
    """

    images: Path
    sample: Path | None
    truth: Path | None


@dataclass(frozen=True)
class BundleChoice:
    """The bundle that a kernel runs, by name or path, and why that one."""

    bundle: str
    why: str


def find_inputs(scratch: Path) -> Inputs:
    """The competition's data where it is attached; outside Kaggle, sample scenes drawn into `scratch`.

    Raises InputError on Kaggle where the competition is not attached, and where it has no images.
    """
    for folder in (KAGGLE_INPUT / COMPETITION, KAGGLE_INPUT / "competitions" / COMPETITION):
        if folder.is_dir():
            return _competition(folder)
    if KAGGLE_INPUT.is_dir():
        raise InputError(
            f"{KAGGLE_INPUT} has no {COMPETITION}; attach the competition to the notebook (Add Input)"
        )
    from unprompt.pocket.samples import write_scenes

    write_scenes(scratch)
    return Inputs(scratch / "images", None, scratch / "prompts.csv")


def _competition(folder: Path) -> Inputs:
    images, sample, truth = folder / "images", folder / "sample_submission.csv", folder / "prompts.csv"
    if not images.is_dir():
        raise InputError(f"{folder} has no folder 'images'; attach the competition '{COMPETITION}' anew")
    return Inputs(images, sample if sample.is_file() else None, _fitting(truth, images))


def _fitting(truth: Path, images: Path) -> Path | None:
    """`truth` if any of its ids is among the images: in the hidden rerun only the images are swapped."""
    from unprompt.storage.files import read_prompts

    if not truth.is_file():
        return None
    known = {path.stem for path in images.iterdir()}
    return truth if known & set(read_prompts(truth).ids) else None


def choose_bundle(wanted: str = "") -> BundleChoice:
    """The bundle that is asked for; else the best one, if all its checkpoints are found; else the default.

    The files are looked for, not read: a damaged one shows when the bundle is loaded.
    """
    if wanted:
        return BundleChoice(wanted, "it was asked for")
    try:
        check_checkpoints(read_bundle(BEST_BUNDLE))
    except CheckpointError as error:
        return BundleChoice(DEFAULT_BUNDLE, str(error))
    return BundleChoice(BEST_BUNDLE, "all its checkpoints are attached")


def kernel_config(choice: BundleChoice, deadline: float) -> PredictConfig:
    """Settings of a kernel's run, which is done in `deadline` seconds.

    What stands in the images' files is not looked at: the competition asks for guesses.
    """
    return PredictConfig(bundle=choice.bundle, deadline=deadline, from_file=OFF, overwrite=True)


def first_guesses(images: Path, prompts: Prompts, count: int = 3) -> list[tuple[Image, str]]:
    """Small copies of the first images that can be read, with their recovered prompts.

    What cannot be read is left out: a look at the results must not stop a kernel whose submission is done.
    """
    from unprompt.storage.images import find_images, read_file

    file_by_id = {file.image_id: file for file in find_images(images, same_stems=True)}
    shown: list[tuple[Image, str]] = []
    for image_id, prompt in zip(prompts.ids, prompts.texts, strict=True):
        if len(shown) == count:
            break
        if image_id not in file_by_id:
            continue
        try:
            image = read_file(file_by_id[image_id], reduced=True)
        except UnreadableImageError:
            continue
        image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
        shown.append((image, prompt))
    return shown
