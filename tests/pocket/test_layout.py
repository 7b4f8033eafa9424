"""How things are arranged: poses stay what they are, and marks are not taken for things."""

from __future__ import annotations

import pytest

from unprompt.pocket.adjectives import ADJECTIVES
from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import sprite, subjects
from unprompt.pocket.grammar import read_scene
from unprompt.pocket.layout import Block, Piece
from unprompt.pocket.vocabulary import nouns

FOX, TEAPOT, PIZZA = (nouns()[word].drawing for word in ("fox", "teapot", "pizza"))


def laid(prompt: str, seed: int = 4) -> Block:
    return subjects(read_scene(prompt), Dice(seed))


def things(prompt: str) -> tuple[Piece, ...]:
    return tuple(piece for piece in laid(prompt) if piece.thing >= 0)


@pytest.mark.parametrize(
    "relation",
    ["chasing", "running away from", "fighting", "dancing with", "throwing", "shooting at", "pushing",
     "leaning against", "next to"],
)  # fmt: skip
@pytest.mark.parametrize("pose", ["upside-down", "toppled", "tilted"])
def test_a_pose_is_kept_where_things_lean(relation: str, pose: str) -> None:
    """Things lean as far from their pose as they would from standing."""
    straight = {(piece.thing, piece.drawing): piece for piece in things(f"a fox {relation} a teapot")}
    for prompt in (f"a {pose} fox {relation} a teapot", f"a fox {relation} a {pose} teapot"):
        for piece in things(prompt.replace("a upside", "an upside")):
            pose_turn = sum(ADJECTIVES[word].turn for word in piece.adjectives)
            assert piece.angle - straight[piece.thing, piece.drawing].angle == pose_turn


def test_a_toppled_thing_that_leans_has_its_own_proportions() -> None:
    """A hammer that lies, two degrees further, takes hardly more room."""
    lying = next(piece for piece in things("a toppled hammer next to a teapot") if piece.thing == 0)
    leaning = lying._replace(lean=2)
    before, after = (sprite(piece, False, True, Dice(1)).size for piece in (lying, leaning))
    assert after == pytest.approx(before, rel=0.1, abs=4)


def test_a_third_thing_leans_its_two_further() -> None:
    fox, teapot, _ = things("a fox chasing a teapot leaning against a castle")[:3]
    assert {piece.angle for piece in things("a fox chasing a teapot leaning against a castle")} == {0, 8}
    assert fox != teapot


@pytest.mark.parametrize("word", ["burning", "exploding", "winged", "rolling"])
def test_marks_behind_a_thing_are_not_taken_for_it(word: str) -> None:
    """These words put their mark before the thing in its block."""
    adjective = f"an {word}" if word[0] in "aeiou" else f"a {word}"
    assert {piece.filled_with for piece in things(f"a fox made of {adjective} teapot")} == {TEAPOT}
    assert {piece.filled_with for piece in things(f"{adjective} teapot shaped like a fox")} == {TEAPOT}
    assert {piece.half_of for piece in things(f"a fox merging with {adjective} teapot")} == {TEAPOT}
    marks = [piece.drawing for piece in laid(f"a fox eating {adjective} pizza") if piece.thing < 0]
    assert marks.count(PIZZA) == 3


def test_sweat_is_at_the_head_of_who_flees_with_a_mark_behind() -> None:
    block = laid("a burning fox running away from a teapot")
    fox = next(piece for piece in block if piece.thing == 0)
    sweat = block[-1]
    assert (sweat.x + sweat.w // 2, sweat.y + sweat.h // 2) == pytest.approx((fox.x + fox.w, fox.y), abs=2)


def test_the_marks_of_what_surrounds_are_drawn_once() -> None:
    for word in ("burning", "winged", "sleepy"):
        block = laid(f"a fox inside a {word} castle")
        badge = ADJECTIVES[word].badge
        assert sum(piece.drawing == badge for piece in block) == (2 if word == "winged" else 1)
        assert [piece.alpha for piece in block if piece.thing == 1] == [255, 70]
