"""Any picture of a drawing comes back near the strokes that were drawn; what is no drawing is told."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.doodles.near import FACE, FISH, HOUSE, OWN, distances, quickdraw, ring
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.ink import ink
from unprompt.doodles.ndjson import read_ndjson
from unprompt.doodles.picture import read_picture, trace_picture
from unprompt.errors import InputError, UnreadableImageError

SIDE = 400


def picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8))


def drawn(drawing: Drawing, pen: float, margin: float = 40, side: int = SIDE) -> tuple[Drawing, np.ndarray]:
    fitted = drawing.fitted(side, margin)
    return fitted, ink(fitted, side, side, pen)


@pytest.mark.parametrize("ground", ["white", "black"])
@pytest.mark.parametrize("pen", [2, 4, 8, 16, 24])
def test_strokes_come_back_whatever_the_pen(pen: int, ground: str) -> None:
    """Distances are of 255, where a pen of 24 is 18 wide: the middle of lines is found far within them."""
    for word, drawing in OWN.items():
        fitted, covered = drawn(drawing, pen)
        traced = trace_picture(picture(1 - covered if ground == "white" else covered))
        away = distances(fitted, traced.drawing)
        assert max(away) < 0.6 + 0.06 * pen, (word, away)
        assert traced.pen == pytest.approx(pen, abs=1 + 0.15 * pen)


@pytest.mark.parametrize("side", [60, 150, 1000])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.55, 0.0), (0.5, 0.6)])
def test_strokes_come_back_from_any_place_and_size(side: int, corner: tuple[float, float]) -> None:
    fitted = HOUSE.fitted(0.4 * side, 0.03 * side).moved(1, np.multiply(corner, side))
    covered = ink(fitted, side, side, max(1.5, side / 100))
    assert max(distances(fitted, trace_picture(picture(1 - covered)).drawing)) < 4


def test_a_wide_picture_keeps_its_shape() -> None:
    fitted = FACE.fitted(200, 20).moved(1, (500, 0))
    covered = ink(fitted, 900, 200, 5)
    assert max(distances(fitted, trace_picture(picture(1 - covered)).drawing)) < 2


RANDOM = np.random.default_rng(0)
DOWN, RIGHT = np.mgrid[:600, :600] / 600


def paper(covered: np.ndarray) -> Image.Image:
    """Light that falls from the upper right, the sensor's noise, grey ink."""
    light = 0.45 + 0.5 * RIGHT * (1 - 0.4 * DOWN)
    return picture((1 - 0.75 * covered) * light + RANDOM.normal(0, 0.02, covered.shape))


def shadowed(covered: np.ndarray) -> Image.Image:
    light = np.where(RIGHT + 0.3 * DOWN > 0.6, 0.55, 0.95)
    stream = io.BytesIO()
    picture((1 - 0.75 * covered) * light).save(stream, "JPEG", quality=70)
    return Image.open(stream)


def coloured(ground: tuple[int, int, int], pen: tuple[int, int, int], covered: np.ndarray) -> Image.Image:
    share = covered[..., None]
    return Image.fromarray(np.rint(np.array(ground) * (1 - share) + np.array(pen) * share).astype(np.uint8))


def clear(colour: int, covered: np.ndarray) -> Image.Image:
    rgba = np.full((*covered.shape, 4), colour, np.uint8)
    rgba[..., 3] = np.rint(255 * covered)
    return Image.fromarray(rgba)


def clear_edges(covered: np.ndarray) -> Image.Image:
    sheet = picture(1 - covered).convert("RGBA")
    sheet.paste((0, 0, 0, 0), (0, 0, 600, 25))
    return sheet


def ruled(covered: np.ndarray) -> Image.Image:
    sheet = 1 - covered
    sheet[::30] = np.minimum(sheet[::30], 0.82)
    return picture(sheet)


GROUNDS = {
    "uneven light": paper,
    "a shadow": shadowed,
    "blue ink": lambda covered: coloured((255, 255, 255), (30, 60, 200), covered),
    "yellow ink": lambda covered: coloured((255, 255, 255), (250, 220, 60), covered),
    "pencil": lambda covered: coloured((250, 250, 250), (160, 160, 160), covered),
    "chalk": lambda covered: coloured((20, 60, 30), (240, 240, 220), covered),
    "brown paper": lambda covered: coloured((200, 160, 110), (50, 40, 30), covered),
    "black on nothing": lambda covered: clear(0, covered),
    "white on nothing": lambda covered: clear(255, covered),
    "a sheet with clear edges": clear_edges,
    "ruled paper": ruled,
}


@pytest.mark.parametrize("ground", GROUNDS)
def test_strokes_come_back_from_any_ground(ground: str) -> None:
    fitted, covered = drawn(FACE, 6, 60, 600)
    away = distances(fitted, trace_picture(GROUNDS[ground](covered)).drawing)
    # What a shadow's edge adds is little beside the drawing.
    assert max(away) < (6 if ground == "a shadow" else 1.2), away


def test_a_sheet_on_a_dark_table() -> None:
    fitted, covered = drawn(HOUSE, 6, 60, 600)
    table = np.full((900, 1000, 3), (90, 60, 40)) + RANDOM.normal(0, 12, (900, 1000, 1))
    table[150:750, 200:800] = np.asarray(paper(covered))[..., None]
    traced = trace_picture(Image.fromarray(np.clip(table, 0, 255).astype(np.uint8)))
    assert max(distances(fitted, traced.drawing.moved(1, (-200, -150)))) < 1.5


def test_a_filled_shape_keeps_its_rim() -> None:
    down, right = np.mgrid[:400, :400]
    disc = np.hypot(right - 200, down - 200) <= 120
    covered = ink(Drawing(([[20, 30], [380, 30]],)), 400, 400, 6)
    traced = trace_picture(picture(1 - np.maximum(disc, covered)))
    rim = [stroke for stroke in traced.drawing.strokes if np.ptp(stroke, axis=0).min() > 50]
    assert rim
    assert np.hypot(*(np.concatenate(rim) - 200).T) == pytest.approx(118, abs=6)


@pytest.mark.parametrize("pen", [16, 24])
@pytest.mark.parametrize("apart", [0.45, 0.8])
def test_thick_lines_that_ran_together_come_back_apart(pen: int, apart: float) -> None:
    """Two lines with no paper between, and a ring that is filled."""
    gap = apart * pen
    shown = Drawing(
        (
            [(60, 340), (340, 340)],
            [(60, 100), (200, 100)],
            [(60, 100 + gap), (200, 100 + gap)],
            ring(300, 150, gap),
        )
    )
    traced = trace_picture(picture(1 - ink(shown, SIDE, SIDE, pen)))
    assert traced.pen == pytest.approx(pen, abs=2)
    assert max(distances(shown, traced.drawing)) < 2.5


def test_a_pen_that_is_not_as_wide_everywhere_keeps_its_middle() -> None:
    pieces = (([(60, 60), (60, 340)], 16), ([(60, 340), (340, 340)], 13), ([(340, 340), (340, 60)], 14))
    covered = np.max([ink(Drawing((line,)), SIDE, SIDE, pen) for line, pen in pieces], axis=0)
    shown = Drawing(tuple(line for line, _ in pieces))
    assert max(distances(shown, trace_picture(picture(1 - covered)).drawing)) < 2


def test_lines_much_thinner_than_most_are_not_lost() -> None:
    thick, fine = FISH.fitted(SIDE, 60), Drawing(([(20, 380), (380, 380)],))
    covered = np.maximum(ink(thick, SIDE, SIDE, 24), ink(fine, SIDE, SIDE, 5))
    traced = trace_picture(picture(1 - covered)).drawing
    assert [stroke for stroke in traced.strokes if stroke[:, 1].min() > 370 and np.ptp(stroke[:, 0]) > 300]


def test_a_dot_is_a_dot() -> None:
    traced = trace_picture(picture(1 - ink(Drawing(([[100, 120]],)), 400, 400, 8)))
    (stroke,) = traced.drawing.strokes
    assert len(stroke) == 1
    assert stroke[0] == pytest.approx((100, 120), abs=1)


@pytest.mark.parametrize(
    "sheet",
    [
        Image.new("RGB", (300, 200), "white"),
        Image.new("L", (300, 200), 0),
        Image.new("1", (1, 1)),
        Image.new("L", (1, 3000), 255),
        Image.new("RGBA", (50, 50), (0, 0, 0, 0)),
        Image.fromarray(np.random.default_rng(0).integers(235, 256, (300, 300), dtype=np.uint8)),
    ],
)
def test_an_empty_sheet_has_no_strokes_and_a_sentence(sheet: Image.Image) -> None:
    assert trace_picture(sheet).drawing.strokes == ()
    with pytest.raises(InputError, match="the picture is empty"):
        read_picture(sheet)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "camera", "rocket", "coins"])
def test_photographs_are_no_drawings(name: str) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    with pytest.raises(InputError, match="no drawing: it is shaded all over"):
        read_picture(getattr(data, name)())


def test_what_is_no_picture_is_told() -> None:
    with pytest.raises(UnreadableImageError):
        read_picture(b"nothing")


def test_the_same_picture_gives_the_same_strokes_and_the_longest_comes_first() -> None:
    _, covered = drawn(FACE, 6)
    one, two = (trace_picture(picture(1 - covered)).drawing for _ in range(2))
    assert [stroke.tolist() for stroke in one.strokes] == [stroke.tolist() for stroke in two.strokes]
    lengths = [np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in one.strokes]
    assert lengths[0] == max(lengths)
    assert len(one.strokes) == 4  # as they were drawn


@pytest.mark.slow
def test_real_drawings_come_back() -> None:
    doodles = list(read_ndjson(quickdraw() / "drawings" / "test.ndjson.gz"))[::57]
    for pen, mean, worst in ((2, 0.6, 1.0), (8, 0.8, 2.0), (16, 1.4, 4.0), (24, 3.0, 20.0)):
        found = []
        for doodle in doodles:
            fitted, covered = drawn(doodle.drawing, pen, 20 + pen / 2)
            found.append(max(distances(fitted, trace_picture(picture(1 - covered)).drawing)))
        assert np.mean(found) < mean, pen
        assert max(found) < worst, pen
