"""Draw the manual's pictures anew: `python -m docs.draw_pictures doodles pocket pages`, or some of them.

Needed after what they show was changed: the painter or the captioner of doodles, the pocket world, or the
generators of colouring pages. The sheet of pages has a column for HED where its weights are installed
(networks/hed.py says how).
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
DOODLES = ("House", "Cat", "Sailboat", "At home", "At sea", "In the garden")
DOODLE, ROOM = 192, 12  # pixels
FIRST, SCENES, ROW = 40, 16, 8  # seeds, and how they lie
SCENE, WORDS, GAP = 128, 46, 8  # pixels; WORDS: below a scene
PHOTOGRAPHS = (
    "astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg",
    "camera.png", "horse.png", "coins.png", "moon.png", "color.png",
)  # fmt: skip
DRAWINGS = 12
SHEET = 988  # pixels that the sheet of pages is wide


def draw_doodles() -> None:
    """Samples of the page Doodle to photo, and below each what the package makes of it."""
    from unprompt.doodles.ink import picture_of
    from unprompt.doodles.paint_drawing import DoodlePainter
    from unprompt.doodles.samples import draw_samples

    samples, painter = draw_samples(), DoodlePainter()
    cell = DOODLE + ROOM
    sheet = Image.new("RGB", (ROOM + len(DOODLES) * cell, ROOM + 2 * cell), "white")
    for column, name in enumerate(DOODLES):
        drawing = samples[name].drawing
        painted = painter.paint(drawing)
        print(f"{name}: {painted.caption}")
        place = (ROOM + column * cell, ROOM)
        sheet.paste(picture_of(drawing, DOODLE, 3).convert("RGB"), place)
        ImageDraw.Draw(sheet).rectangle(
            (*place, place[0] + DOODLE - 1, place[1] + DOODLE - 1), outline=(208, 208, 208)
        )
        small = painted.images[0].convert("RGB").resize((DOODLE, DOODLE), Image.Resampling.LANCZOS)
        sheet.paste(small, (place[0], place[1] + cell))
    sheet.save(HERE / "doodles.webp", quality=85)


def draw_pocket() -> None:
    """Scenes of the pocket world with their prompts."""
    from unprompt.pocket.draw import draw_scene
    from unprompt.pocket.grammar import sample_scene

    rows = SCENES // ROW
    sheet = Image.new("RGB", (GAP + ROW * (SCENE + GAP), GAP + rows * (SCENE + WORDS)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number in range(SCENES):
        scene = sample_scene(FIRST + number)
        x, y = GAP + number % ROW * (SCENE + GAP), GAP + number // ROW * (SCENE + WORDS)
        sheet.paste(draw_scene(scene, FIRST + number, SCENE), (x, y))
        draw.text(
            (x, y + SCENE + 2),
            textwrap.fill(scene.prompt, 22, max_lines=3, placeholder=" …"),
            fill="black",
            font=font,
        )
    sheet.save(HERE / "pocket.png", optimize=True)


def draw_pages() -> None:
    """Pictures, and their pages by our own networks and by classic ways."""
    from unprompt.colouring_pages.compare import compare_methods
    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.colouring_pages.page_config import PageConfig
    from unprompt.errors import CheckpointError

    extractors = []
    for method in ("auto", "canny", "hed", "dodge"):
        try:
            extractors.append(open_extractor(PageConfig(method=method)))
        except CheckpointError as error:
            print(f"without a column for {method}: {error}")
    sheet = compare_methods(_pictures(), extractors)
    small = (SHEET, round(SHEET * sheet.height / sheet.width))
    sheet.resize(small, Image.Resampling.LANCZOS).save(HERE / "colouring_pages.webp", quality=60)


def _pictures() -> Iterator[Image.Image]:
    """Photographs that packages bring, then drawings that the generators have not learnt from."""
    from unprompt.colouring_pages.data import make_pair
    from unprompt.colouring_pages.data_config import PairSettings
    from unprompt.colouring_pages.openmoji import drawings_of
    from unprompt.demos.photographs import find_photographs

    photographs = find_photographs(
        (("skimage", "data", PHOTOGRAPHS), ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")))
    )
    yield from (Image.open(path).convert("RGB") for path in photographs)
    settings = PairSettings(split="test", size=256, pocket=0)
    names = drawings_of("test")
    for number in range(DRAWINGS):
        yield make_pair(7 * number, settings, names).source.convert("RGB")


DRAWN: dict[str, Callable[[], None]] = {"doodles": draw_doodles, "pocket": draw_pocket, "pages": draw_pages}

if __name__ == "__main__":
    for picture in sys.argv[1:] or DRAWN:
        if picture not in DRAWN:
            sys.exit(f"there is no picture '{picture}'; there are {', '.join(DRAWN)}")
        DRAWN[picture]()
