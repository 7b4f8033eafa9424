"""Doodles for whoever comes without any: drawn here, stroke by stroke, on a sheet of 1000 by 1000."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing, joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Stroke = NDArray[np.float64]

SIDE = 1000  # of the sheet
STEP = 12.0  # between two points of a curve
Point = tuple[float, float]


class Sample(NamedTuple):
    """`words`: what is to be seen, in Quick, Draw!'s names, each as often as it is there."""

    drawing: Drawing
    words: tuple[str, ...]


# --- how a hand draws


def line(*points: Point) -> Stroke:
    """Straight from point to point."""
    return np.array(points, float)


def arc(
    x: float, y: float, wide: float, high: float | None = None, begin: float = 0, end: float = 360
) -> Stroke:
    """Part of an ellipse around (x, y): its half axes, and degrees clockwise from the right."""
    high = wide if high is None else high
    count = max(6, int(abs(np.radians(end - begin)) * max(wide, high) / STEP))
    angles = np.radians(np.linspace(begin, end, count))
    return np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], 1)


def curve(*points: Point, closed: bool = False) -> Stroke:
    """Smoothly through all points (Catmull and Rom's spline)."""
    given = np.array(points, float)
    given = (
        np.concatenate([given[-1:], given, given[:2]])
        if closed
        else np.concatenate([2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]])
    )
    drawn = []
    for before, start, end, after in zip(given, given[1:], given[2:], given[3:], strict=False):
        t = np.linspace(0, 1, max(3, int(np.hypot(*(end - start)) / STEP)), endpoint=False)[:, None]
        drawn.append(
            start
            + t * (end - before) / 2
            + t**2 * (before - 2.5 * start + 2 * end - after / 2)
            + t**3 * (1.5 * (start - end) + (after - before) / 2)
        )
    return np.concatenate([*drawn, given[-2:-1]])


def box(left: float, top: float, right: float, bottom: float) -> Stroke:
    """A rectangle in one stroke."""
    return line((left, top), (right, top), (right, bottom), (left, bottom), (left, top))


# --- things, each about as large as the sheet


def draw_house() -> Sequence[Stroke]:
    """Walls, a roof with a chimney, a door, a window."""
    return (
        line((220, 480), (220, 880), (780, 880), (780, 480)),
        line((140, 480), (500, 140), (860, 480), (140, 480)),
        line((640, 265), (640, 150), (720, 150), (720, 340)),
        line((430, 880), (430, 660), (570, 660), (570, 880)),
        arc(545, 775, 10),
        box(285, 560, 385, 660),
        line((335, 560), (335, 660)),
        line((285, 610), (385, 610)),
        box(625, 560, 725, 660),
        line((675, 560), (675, 660)),
        line((625, 610), (725, 610)),
    )


def draw_sun() -> Sequence[Stroke]:
    """A disc and twelve rays."""
    angles = np.radians(np.arange(0, 360, 30))
    rays = (
        line((500 + 270 * x, 500 + 270 * y), (500 + 400 * x, 500 + 400 * y))
        for x, y in zip(np.cos(angles), np.sin(angles), strict=True)
    )
    return arc(500, 500, 210, begin=-90, end=272), *rays


def draw_tree() -> Sequence[Stroke]:
    """A trunk under a crown of bows."""
    return (
        curve((440, 640), (435, 760), (400, 900)),
        curve((570, 640), (575, 760), (615, 900)),
        curve(
            (440, 640), (330, 665), (240, 600), (235, 500), (165, 420), (215, 310), (300, 275), (350, 170),
            (480, 130), (600, 165), (670, 250), (775, 285), (820, 390), (770, 490), (765, 590), (680, 655),
            (570, 640),
        ),
        line((505, 640), (505, 560), (560, 500)),
        line((505, 590), (455, 540)),
    )  # fmt: skip


def draw_cat() -> Sequence[Stroke]:
    """A face with ears and whiskers."""
    return (
        curve(
            (330, 300), (230, 420), (215, 590), (320, 750), (500, 800), (680, 750), (785, 590), (770, 420),
            (670, 300),
        ),
        line((250, 385), (235, 130), (400, 265)),
        line((750, 385), (765, 130), (600, 265)),
        curve((400, 265), (500, 245), (600, 265)),
        arc(390, 480, 32, 42),
        arc(610, 480, 32, 42),
        line((460, 590), (540, 590), (500, 635), (460, 590)),
        curve((500, 635), (490, 690), (440, 700), (405, 670)),
        curve((500, 635), (510, 690), (560, 700), (595, 670)),
        line((300, 590), (80, 550)),
        line((300, 625), (70, 635)),
        line((305, 660), (95, 720)),
        line((700, 590), (920, 550)),
        line((700, 625), (930, 635)),
        line((695, 660), (905, 720)),
    )  # fmt: skip


def draw_fish() -> Sequence[Stroke]:
    """It swims to the left."""
    return (
        curve((660, 500), (520, 650), (320, 670), (110, 500), (320, 330), (520, 350), (660, 500), (890, 690)),
        curve((890, 690), (830, 500), (890, 310)),
        line((890, 310), (660, 500)),
        arc(245, 455, 22),
        curve((350, 365), (400, 500), (350, 635)),
        curve((140, 525), (185, 540), (205, 525)),
        curve((400, 345), (500, 225), (580, 390)),
        curve((470, 480), (510, 500), (470, 540)),
        curve((550, 470), (590, 495), (550, 530)),
    )


def draw_car() -> Sequence[Stroke]:
    """From its side, with two wheels."""
    return (
        line((205, 690), (110, 690)),
        curve((110, 690), (95, 640), (110, 560), (150, 535), (270, 510), (300, 490)),
        curve((300, 490), (370, 370), (420, 345), (600, 340), (655, 365), (740, 495)),
        curve((740, 495), (850, 515), (900, 560), (905, 690), (800, 690)),
        line((370, 690), (630, 690)),
        arc(285, 695, 82),
        arc(285, 695, 32),
        arc(715, 695, 82),
        arc(715, 695, 32),
        line((350, 490), (415, 395), (490, 390), (490, 490), (350, 490)),
        line((530, 490), (530, 390), (605, 390), (665, 490), (530, 490)),
        line((545, 545), (595, 545)),
    )


def draw_flower() -> Sequence[Stroke]:
    """Six petals, a stem and two leaves."""
    petals = []
    for degrees in range(-90, 270, 60):
        along = np.radians(degrees)
        x, y = np.cos(along), np.sin(along)
        petal = ((0.9, -0.55), (2.0, -0.85), (2.75, 0), (2.0, 0.85), (0.9, 0.55))
        petals.append(curve(*((500 + 85 * (a * x - b * y), 340 + 85 * (a * y + b * x)) for a, b in petal)))
    return (
        arc(500, 340, 80),
        *petals,
        curve((505, 560), (520, 740), (495, 940)),
        curve((512, 800), (400, 790), (330, 700), (440, 705), (512, 800)),
        curve((508, 850), (620, 840), (690, 745), (580, 750), (508, 850)),
    )


def draw_umbrella() -> Sequence[Stroke]:
    """Open, with a bent handle."""
    return (
        arc(500, 500, 400, 360, 180, 360),
        arc(200, 500, 100, 55, 180, 360),
        arc(400, 500, 100, 55, 180, 360),
        arc(600, 500, 100, 55, 180, 360),
        arc(800, 500, 100, 55, 180, 360),
        curve((500, 140), (390, 250), (300, 500)),
        curve((500, 140), (610, 250), (700, 500)),
        line((500, 140), (500, 90)),
        curve((500, 500), (500, 640), (500, 820), (470, 900), (400, 915), (350, 870), (345, 820)),
    )


def draw_star() -> Sequence[Stroke]:
    """Five points in one stroke."""
    angles = np.radians(-90 + 144 * np.arange(6))
    return (np.stack([500 + 400 * np.cos(angles), 530 + 400 * np.sin(angles)], 1),)


def draw_sailboat() -> Sequence[Stroke]:
    """A hull, a mast and two sails."""
    return (
        curve((140, 690), (220, 840), (290, 860), (700, 860), (790, 820), (870, 690)),
        line((870, 690), (140, 690)),
        line((490, 690), (490, 110)),
        curve((490, 120), (690, 350), (790, 630)),
        line((790, 630), (490, 630)),
        curve((490, 170), (380, 400), (230, 630)),
        line((230, 630), (490, 630)),
    )


def draw_cup() -> Sequence[Stroke]:
    """Something hot to drink."""
    return (
        arc(440, 380, 260, 55),
        curve((180, 385), (195, 640), (250, 820), (330, 860), (550, 860), (630, 820), (685, 640), (700, 385)),
        curve((695, 470), (800, 430), (870, 520), (830, 640), (665, 700)),
        curve((350, 270), (320, 220), (375, 170), (345, 110)),
        curve((440, 270), (410, 220), (465, 170), (435, 110)),
        curve((530, 270), (500, 220), (555, 170), (525, 110)),
    )


def draw_apple() -> Sequence[Stroke]:
    """With a stalk and a leaf."""
    return (
        curve(
            (500, 330), (390, 270), (240, 320), (175, 470), (220, 700), (350, 875), (500, 850), (650, 875),
            (780, 700), (825, 470), (760, 320), (610, 270), (500, 330),
        ),
        curve((500, 350), (505, 240), (550, 150)),
        curve((525, 230), (600, 140), (730, 130), (660, 225), (525, 230)),
    )  # fmt: skip


def draw_butterfly() -> Sequence[Stroke]:
    """Four wings, from above."""
    upper = ((525, 430), (610, 230), (800, 150), (905, 240), (850, 440), (700, 530), (525, 500))
    lower = ((525, 520), (660, 545), (790, 620), (800, 760), (680, 830), (580, 740), (525, 590))
    right = [
        curve(*upper),
        curve(*lower),
        arc(760, 310, 50),
        arc(690, 690, 35),
        curve((510, 370), (560, 260), (600, 170)),
    ]
    left = [np.array([SIDE, 0]) + stroke * (-1, 1) for stroke in right]
    return arc(500, 520, 26, 155), *right, *left


def draw_cloud() -> Sequence[Stroke]:
    """Five bows in one stroke."""
    return (
        np.concatenate(
            [
                arc(290, 560, 150, 130, 90, 245),
                arc(400, 420, 170, 160, 190, 310),
                arc(620, 430, 170, 150, 240, 350),
                arc(760, 570, 140, 120, -70, 90),
                line((290, 690)),
            ]
        ),
    )


def draw_mountain() -> Sequence[Stroke]:
    """Two peaks with snow."""
    return (
        line((60, 820), (370, 240), (572, 624)),
        line((470, 820), (690, 400), (940, 820)),
        line((60, 820), (940, 820)),
        line((275, 418), (330, 380), (365, 440), (405, 390), (462, 415)),
    )


# --- scenes


def place(strokes: Sequence[Stroke], x: float, y: float, size: float) -> Drawing:
    """Strokes with their middle at (x, y), their longer side `size`."""
    return Drawing(tuple(strokes)).fitted(size).moved(1, (x - size / 2, y - size / 2))


def draw_farm() -> Drawing:
    """A house beside a tree under the sun."""
    return joined(
        [
            place(draw_sun(), 840, 160, 240),
            place(draw_house(), 330, 660, 480),
            place(draw_tree(), 780, 660, 420),
        ]
    )


def draw_sea() -> Drawing:
    """A sailboat above a fish, beside a cloud."""
    return joined(
        [
            place(draw_cloud(), 760, 180, 340),
            place(draw_sailboat(), 360, 390, 460),
            place(draw_fish(), 680, 820, 300),
        ]
    )


def draw_garden() -> Drawing:
    """A cat beside two flowers, with a butterfly in the air."""
    return joined(
        [
            place(draw_butterfly(), 740, 210, 300),
            place(draw_cat(), 260, 640, 420),
            place(draw_flower(), 620, 680, 440),
            place(draw_flower(), 860, 720, 360),
        ]
    )


def _thing(draw: Callable[[], Sequence[Stroke]], word: str) -> Sample:
    return Sample(Drawing(tuple(draw())), (word,))


def draw_samples() -> Mapping[str, Sample]:
    """All samples by their names: single things first, then scenes."""
    return MappingProxyType(
        {
            "House": _thing(draw_house, "house"),
            "Cat": _thing(draw_cat, "cat"),
            "Fish": _thing(draw_fish, "fish"),
            "Car": _thing(draw_car, "car"),
            "Tree": _thing(draw_tree, "tree"),
            "Sun": _thing(draw_sun, "sun"),
            "Flower": _thing(draw_flower, "flower"),
            "Umbrella": _thing(draw_umbrella, "umbrella"),
            "Sailboat": _thing(draw_sailboat, "sailboat"),
            "Cup": _thing(draw_cup, "coffee cup"),
            "Apple": _thing(draw_apple, "apple"),
            "Butterfly": _thing(draw_butterfly, "butterfly"),
            "Star": _thing(draw_star, "star"),
            "Cloud": _thing(draw_cloud, "cloud"),
            "Mountains": _thing(draw_mountain, "mountain"),
            "At home": Sample(draw_farm(), ("sun", "house", "tree")),
            "At sea": Sample(draw_sea(), ("cloud", "sailboat", "fish")),
            "In the garden": Sample(draw_garden(), ("butterfly", "cat", "flower", "flower")),
        }
    )
