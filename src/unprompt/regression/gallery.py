"""A look at what a trained network sees: validation images beside the training prompt it points at."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from unprompt.errors import UnreadableImageError
from unprompt.learning.curves import BLUE, GREY, drawn
from unprompt.records import Embeddings, Prompts
from unprompt.storage.images import ImageFile, read_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from unprompt.records import FloatArray

COLUMNS = 4
# Inches: a picture's side, the space between two, what stands above a picture and below it, the title.
SIDE, GAP, ABOVE, BELOW, TITLE = 2.6, 0.25, 0.28, 1.55, 0.4
LINE = 38  # characters of a line of text
LINES = 3  # of a prompt
THUMBNAIL = 320  # pixels: more than are seen of a picture


@dataclass(frozen=True)
class Shown:
    """One picture of the gallery: `nearest` is the training prompt closest to the predicted embedding.

    `similarity`: of the predicted embedding and that of the true prompt.
    """

    image: ImageFile
    prompt: str
    nearest: str
    similarity: float


def choose_shown(
    images: Sequence[ImageFile],
    prompts: Prompts,
    predicted: Embeddings,
    truth: Embeddings,
    training: Sequence[str],
    vectors: FloatArray,
    count: int,
) -> list[Shown]:
    """Choose images evenly over the similarity, from the best to the worst.

    `images`: m of them, with `prompts`, `predicted` and `truth` by their ids. `training`: n prompts with
    `vectors` (n, 384), unit rows. Gives min(count, m), best first; of equals the first id.
    """
    ids = [image.image_id for image in images]
    guesses, true = predicted.at(ids).unit().vectors, truth.at(ids).unit().vectors  # (m, 384)
    similarities = np.einsum("md,md->m", guesses.astype(np.float64), true)
    order = np.lexsort((ids, -similarities))  # best first
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.int64)
    chosen = order[places]
    nearest = (guesses[chosen] @ vectors.T).argmax(axis=1)
    texts = prompts.at(ids).texts
    return [
        Shown(images[row], texts[row], training[near], float(similarities[row]))
        for row, near in zip(chosen, nearest, strict=True)
    ]


def draw_gallery(path: Path, shown: Sequence[Shown], title: str) -> None:
    """Draw the pictures with their prompts as a PNG. `shown` must not be empty.

    A picture that cannot be decoded is a grey square that says why.
    """
    columns = max(2, min(COLUMNS, len(shown)))  # of one the title would not fit
    rows = -(-len(shown) // columns)
    width, height = GAP + columns * (SIDE + GAP), TITLE + rows * (ABOVE + SIDE + BELOW)
    with warnings.catch_warnings(), drawn(path, width, height) as figure:
        figure.set_layout_engine("none")  # everything has its place
        # Prompts have characters that no font at hand has; a box in their place is all that can be done.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.text(
            GAP / width,
            1 - 0.12 / height,
            title,
            va="top",
            fontsize=13,
            fontweight="bold",
            parse_math=False,
        )
        for number, item in enumerate(shown):
            row, column = divmod(number, columns)
            left = GAP + column * (SIDE + GAP)
            bottom = height - TITLE - row * (ABOVE + SIDE + BELOW) - ABOVE - SIDE
            box = (left / width, bottom / height, SIDE / width, SIDE / height)
            _draw(figure.add_axes(box), item)


def _draw(axes: Axes, item: Shown) -> None:
    """One picture, padded to a square, with its texts around it."""
    axes.set_axis_off()
    axes.set(xticks=[], yticks=[])  # unseen, they would still be laid out, for a third of the time
    try:
        square = ImageOps.pad(read_file(item.image), (THUMBNAIL, THUMBNAIL), color="white")
    except UnreadableImageError as error:
        square = Image.new("RGB", (THUMBNAIL, THUMBNAIL), "#dddddd")
        axes.text(
            0.5,
            0.5,
            wrap_text(str(error)),
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=8,
            parse_math=False,
        )
    axes.imshow(np.asarray(square))
    axes.set_title(f"similarity {item.similarity:.3f}", loc="left", fontsize=10, fontweight="bold")
    for below, heading, text, colour in (
        (0.05, "true prompt", item.prompt, "black"),
        (0.75, "nearest training prompt", item.nearest, BLUE),
    ):
        place: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "parse_math": False}
        axes.text(0, -below / SIDE, heading, fontsize=7.5, color=GREY, **place)
        axes.text(0, -(below + 0.15) / SIDE, wrap_text(text), fontsize=8.5, color=colour, **place)


def wrap_text(text: str, line: int = LINE, lines: int = LINES) -> str:
    """A text in so many lines of so many characters; what is too long ends in an ellipsis.

    White space becomes single blanks. A word longer than a line is cut into pieces.
    """
    return "\n".join(textwrap.wrap(text, line, max_lines=lines, placeholder=" …"))
