"""The drawing of the rooms: it is of today's imports, and its steps do what they say, on graphs by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from docs import draw_rooms

from tests.rooms import ROOMS


def test_the_drawing_is_of_todays_imports() -> None:
    assert draw_rooms.FILE.read_text(encoding="utf-8") == draw_rooms.drawing(), (
        "run: python -m docs.draw_rooms"
    )


def test_the_drawing_has_each_room_once() -> None:
    root = ET.fromstring(draw_rooms.drawing())
    names = [
        text.text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"
    ]
    assert sorted(names) == sorted(ROOMS)


def test_arrows_that_follow_from_others_are_left_out() -> None:
    imports = {"a": set[str](), "b": {"a"}, "c": {"a"}, "d": {"a", "b", "c"}, "e": {"a", "d"}}
    assert draw_rooms.reduced(imports) == {"a": set(), "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e": {"d"}}


def test_a_room_stands_above_what_it_imports_and_a_lonely_one_right_below_who_imports_it() -> None:
    imports = {"a": set[str](), "b": {"a"}, "lonely": set[str](), "c": {"b"}, "d": {"c", "lonely"}}
    assert draw_rooms.layer_by_room(imports) == {"a": 0, "b": 1, "c": 2, "d": 3, "lonely": 2}


def test_crossed_lines_are_uncrossed() -> None:
    lines: list[list[draw_rooms.Node]] = [["x", "b"], ["y", "a"]]
    rows: list[list[draw_rooms.Node]] = [["a", "b"], ["x", "y"]]
    _, below = draw_rooms.neighbours(lines)
    assert draw_rooms.crossings(rows, below) == 1
    assert draw_rooms.crossings(draw_rooms.ordered(rows, lines), below) == 0


def test_boxes_of_a_layer_keep_their_order_and_stand_apart() -> None:
    gap = draw_rooms.GAP
    assert draw_rooms.apart([0.0, 500.0], [100, 100]) == [0, 500]
    half = (100 + gap) / 2
    assert draw_rooms.apart([10.0, 10.0], [100, 100]) == pytest.approx([10 - half, 10 + half])
    wanted, widths = np.random.default_rng(1).uniform(0, 300, 6), [100.0, 14, 100, 14, 14, 100]
    centres = draw_rooms.apart(list(wanted), widths)
    needed = [(a + b) / 2 + gap for a, b in pairwise(widths)]
    assert (np.diff(centres) >= np.array(needed) - 1e-9).all()


@pytest.mark.parametrize(("count", "shown"), [(12, 10), (127, 100), (1032, 1000), (1883, 2000), (5119, 5000)])
def test_lines_are_told_roughly(count: int, shown: int) -> None:
    assert draw_rooms.about(count) == shown
