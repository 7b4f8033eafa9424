"""The pocket world paints drawings: things lie where they were drawn, as many as were said."""

from __future__ import annotations

import numpy as np
import pytest

from tests.doodles.own import HOUSE, SUN
from tests.doodles.scenes_of_own import CAPTION, FACTS, PARTS, SCENE, KnowsCaption, KnowsParts
from unprompt.doodles.drawing import Drawing, joined
from unprompt.doodles.facts import Kind, SceneFacts
from unprompt.doodles.follow import edges_of, follow, grade_following
from unprompt.doodles.pocket_paint import paint_told, positions_of, stage_of
from unprompt.doodles.pocket_scene import read_caption
from unprompt.doodles.round_trip import make_trip, score_trips
from unprompt.doodles.sheet import black_on_white, lay_out, lines_of, nearest_sides, white_on_black
from unprompt.doodles.spots import best_orders, find_spots, split_strokes
from unprompt.errors import InputError

TOLD = read_caption(CAPTION)


def boxes_of_parts(width: int, height: int) -> list[np.ndarray]:
    """Where the sheet has each part."""
    low, high = SCENE.bounds
    placed, origin = lay_out(SCENE, width, height), lay_out(SCENE, width, height).bounds[0]
    scale = float((placed.bounds[1] - origin)[0] / (high - low)[0])
    corners = [(part.bounds[0], part.bounds[1]) for part in PARTS.values()]
    return [np.concatenate([(a - low) * scale + origin, (b - low) * scale + origin]) for a, b in corners]


# --- the sheet


def test_a_drawing_is_laid_out_as_large_as_fits_and_in_the_middle() -> None:
    low, high = lay_out(HOUSE, 300, 120).bounds
    assert np.allclose((low + high) / 2, (150, 60))
    assert np.allclose((high - low)[1], 100)  # a twelfth of 120 is free on both sides
    assert np.allclose((high - low)[0] / (high - low)[1], 100 / 95)
    dot = lay_out(Drawing(([(5, 5)],)), 100, 60).points
    assert np.allclose(dot, [[50, 30]])
    line = lay_out(Drawing(([(0, 7), (10, 7)],)), 120, 120)
    assert np.allclose(line.points, [[10, 60], [110, 60]])
    with pytest.raises(InputError, match="draw something first"):
        lay_out(Drawing(()), 64, 64)


def test_the_control_image_is_white_lines_on_black_and_the_sheet_its_negative() -> None:
    sheet, control = black_on_white(SUN, 96, 64), white_on_black(SUN, 96, 64)
    assert sheet.size == control.size == (96, 64)
    assert sheet.mode == control.mode == "RGB"
    assert np.abs(np.asarray(sheet).astype(int) + np.asarray(control) - 255).max() <= 1
    assert np.asarray(control)[0, 0].tolist() == [0, 0, 0]
    assert np.asarray(control).max() == 255
    assert lines_of(SUN, 96, 64).shape == (64, 96)


@pytest.mark.parametrize(
    ("asked", "sides"),
    [((512, 512), (512, 512)), ((500, 333), (504, 336)), ((60, 70), (64, 72)), ((3, 500), (8, 504))],
)
def test_sides_become_multiples_of_8(asked: tuple[int, int], sides: tuple[int, int]) -> None:
    assert nearest_sides(*asked) == sides


# --- which strokes are what


def test_strokes_are_joined_from_the_nearest_on() -> None:
    parts = split_strokes(SCENE, 3)
    assert [len(part.strokes) for part in parts] == [len(part.strokes) for part in PARTS.values()]
    assert len(split_strokes(SCENE, 1)) == 1
    assert len(split_strokes(SCENE, len(SCENE.strokes))) == len(SCENE.strokes)


def test_the_cheapest_naming_is_found_like_by_trying_all() -> None:
    from itertools import permutations

    cost = np.random.default_rng(0).random((6, 3))
    counts = [3, 1, 2]
    ways = set(permutations([0, 0, 0, 1, 2, 2]))
    best = sorted(ways, key=lambda way: sum(cost[part, kind] for part, kind in enumerate(way)))
    assert best_orders(cost, counts)[:3] == best[:3]


def test_things_are_found_by_their_names_and_where_they_cannot_be_nothing_is_said() -> None:
    spots = find_spots(SCENE, FACTS, KnowsParts())
    assert {spot.word: len(spot.drawing.strokes) for spot in spots} == {"house": 3, "ladder": 6, "sun": 9}
    assert find_spots(SCENE, FACTS, None) == []
    assert find_spots(HOUSE, SceneFacts((Kind("house", 9),)), KnowsParts()) == []  # three strokes
    two = joined([HOUSE, HOUSE.moved(1, (300, 0))])
    assert [spot.word for spot in find_spots(two, SceneFacts((Kind("house", 2),)), None)] == ["house"] * 2


def test_of_equally_likely_namings_the_one_that_agrees_with_the_caption_counts() -> None:
    class KnowsNothing:
        words = ("house", "ladder")

        def probabilities(self, drawings: list[Drawing], looks: int = 1) -> np.ndarray:
            return np.full((len(drawings), 2), 0.5, np.float32)

    sheet = joined([HOUSE, HOUSE.moved(1, (0, 400))])
    for relation, upper in (("above", "house"), ("below", "ladder")):
        facts = SceneFacts((Kind("house"), Kind("ladder")), (relation,))
        spots = sorted(find_spots(sheet, facts, KnowsNothing()), key=lambda spot: float(spot.box[1]))
        assert spots[0].word == upper


# --- pictures


def test_strokes_of_what_cannot_be_drawn_are_taken_for_nothing_else() -> None:
    told = read_caption("a house beside a roller coaster, with a sun in the sky")
    spots = find_spots(SCENE, told.all_facts, KnowsParts())
    words = {spot.word: len(spot.drawing.strokes) for spot in spots}
    assert words == {"house": 3, "roller coaster": 6, "sun": 9}
    assert sorted(positions_of(stage_of(told, spots, "closely", 1, 96, 96))) == [0, 1]


@pytest.mark.parametrize(("side", "left"), [("left", 0), ("right", 1)])
def test_things_of_one_noun_and_other_adjectives_each_lie_where_the_words_say(side: str, left: int) -> None:
    told = read_caption(f"a red house to the {side} of a blue house")
    sheet = joined([HOUSE, HOUSE.moved(1, (400, 0))])
    spots = find_spots(sheet, told.all_facts, KnowsParts())
    found = positions_of(stage_of(told, spots, "closely", 1, 200, 100))
    assert {number: len(boxes) for number, boxes in found.items()} == {0: 1, 1: 1}
    assert min(found, key=lambda number: float(found[number][0, 0])) == left


@pytest.mark.parametrize("size", [(160, 160), (200, 120), (100, 180)])
def test_things_lie_in_the_boxes_of_their_strokes(size: tuple[int, int]) -> None:
    spots = find_spots(SCENE, FACTS, KnowsParts())
    wanted = boxes_of_parts(*size)
    for follow_in_words, slack in (("exactly", 4.0), ("closely", None)):
        stage = stage_of(TOLD, spots, follow_in_words, 7, *size)
        shift = np.array([stage.window.left, stage.window.top] * 2)
        found = positions_of(stage)
        assert sorted(found) == [0, 1, 2]
        for number, box in enumerate(wanted):
            (own,) = found[number] - shift
            if slack:
                assert np.abs(own - box).max() <= slack
            assert own[0] >= box[0] - 4
            assert own[2] <= box[2] + 4
            assert abs(own[3] - box[3]) <= 4  # on the foot of the box
    picture = paint_told(TOLD, spots, "closely", 7, *size)
    assert picture.size == size


def test_loosely_takes_no_place_from_the_drawing_and_a_seed_gives_the_same_pixels() -> None:
    spots = find_spots(SCENE, FACTS, KnowsParts())
    words = np.asarray(paint_told(TOLD, [], "closely", 3, 96, 96))
    assert np.array_equal(np.asarray(paint_told(TOLD, spots, "loosely", 3, 96, 96)), words)
    closely = np.asarray(paint_told(TOLD, spots, "closely", 3, 96, 96))
    assert np.array_equal(np.asarray(paint_told(TOLD, spots, "closely", 3, 96, 96)), closely)
    assert not np.array_equal(words, closely)
    assert not np.array_equal(np.asarray(paint_told(TOLD, spots, "closely", 4, 96, 96)), closely)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("two cats beside three trees, with four stars and a moon in the sky", [2, 3, 4, 1]),
        ("four ducks above a castle above two snakes above a car above a fish", [4, 1, 2, 1, 1]),
        ("a sun in the sky", [1]),
    ],
)
def test_as_many_things_are_drawn_as_the_words_say(text: str, counts: list[int]) -> None:
    stage = stage_of(read_caption(text), [], "closely", 1, 128, 128)
    found = positions_of(stage)
    assert [len(found[number]) for number in sorted(found)] == counts
    inside = np.concatenate(list(found.values()))
    assert inside.min() >= 0
    assert inside.max() <= 128


# --- does it follow


def test_a_picture_of_the_drawing_follows_it_and_a_white_one_does_not() -> None:
    others = [HOUSE, SUN]
    own = follow(SCENE, black_on_white(SCENE, 200, 160), others)
    assert own.share > 0.97
    assert own.chance < 0.5
    assert own.above_chance > 0.9
    shifted = follow(SCENE, black_on_white(SCENE, 200, 160))
    assert shifted.above_chance > 0.8
    white = black_on_white(SCENE, 200, 160).point(lambda _: 255)
    assert follow(SCENE, white, others).share == 0
    assert not edges_of(white).any()


def test_noise_is_full_of_edges_and_still_follows_nothing() -> None:
    from PIL import Image

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8))
    found = follow(SCENE, noise, [HOUSE, SUN])
    assert found.share > 0.3
    assert abs(found.above_chance) < 0.15


def test_following_is_graded_over_pictures_with_other_drawings_as_chance() -> None:
    drawings = [SCENE, HOUSE, SUN]
    right = grade_following(drawings, [black_on_white(one, 128, 128) for one in drawings])
    wrong = grade_following(drawings, [black_on_white(one, 128, 128) for one in (HOUSE, SUN, SCENE)])
    assert right.low <= right.above_chance <= right.high
    assert right.low > 0.8 > 0.3 > wrong.high
    with pytest.raises(InputError, match="two of each at least"):
        grade_following([SCENE], [black_on_white(SCENE, 64, 64)])
    with pytest.raises(InputError, match="nothing to follow"):
        follow(Drawing(()), black_on_white(SCENE, 64, 64))


def test_the_pocket_picture_follows_the_more_closely_the_more_it_is_asked_to() -> None:
    spots = find_spots(SCENE, FACTS, KnowsParts())
    others = [HOUSE, SUN, SCENE.moved(-1)]
    shares = [
        follow(SCENE, paint_told(TOLD, spots, how, 5, 192, 160), others).above_chance
        for how in ("loosely", "closely", "exactly")
    ]
    assert shares[0] < shares[1] <= shares[2] + 0.05
    assert shares[2] > 0.5


# --- the round trip


def test_nothing_is_lost_on_the_way_round_but_what_the_captioner_loses() -> None:
    right = make_trip(SCENE, FACTS, KnowsCaption(), KnowsParts())
    assert right.prompt == "a house beside a ladder under a sun"
    wrong = SceneFacts((Kind("house"), Kind("ladder", 2), Kind("sun", 1, True)), FACTS.relations)
    miscounted = make_trip(SCENE, FACTS, KnowsCaption(wrong), KnowsParts())
    unknown = make_trip(SCENE, FACTS, KnowsCaption(SceneFacts((Kind("roller coaster"),))), KnowsParts())
    assert unknown.told is None
    grade = score_trips([right, miscounted, unknown])
    assert grade.scenes == 3
    assert grade.unpainted == 1
    assert grade.scores["exact"] == pytest.approx(1 / 3)
    assert grade.scores["nouns"] == pytest.approx(2 / 3)
    assert grade.scores["counts"] == pytest.approx((1 + 2 / 3) / 2)
    assert score_trips([right]).in_place == 1
