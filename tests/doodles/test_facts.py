"""Facts and words: what is said is read back, and words mean where things are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from unprompt.doodles.facts import (
    ABOVE,
    BESIDE,
    LEFT,
    ON,
    RELATIONS,
    REVERSED,
    UNDER,
    Kind,
    SceneFacts,
    normal,
    read_facts,
    read_nearly,
    read_places,
    relate,
    same_facts,
    say_facts,
)
from unprompt.doodles.nouns import COMMON, NO_THINGS, SKY, SOMETHING, many_of, one_of, say_count
from unprompt.errors import InputError
from unprompt.text.words import split_words

WORDS = (*COMMON, *NO_THINGS, "t-shirt", "The Great Wall of China", "grapes", "yoga", "knife", "string bean")
HOUSES = SceneFacts((Kind("cat", 2), Kind("house"), Kind("sun", 1, True)), (BESIDE,))


def boxes(*those: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(those, float)


def test_facts_become_a_sentence() -> None:
    assert say_facts(HOUSES) == "two cats beside a house, with a sun in the sky"
    sky = SceneFacts((Kind("moon", 1, True), Kind("star", 3, True), Kind("cloud", 1, True)))
    assert say_facts(sky) == "a moon, three stars and a cloud in the sky"
    three = SceneFacts((Kind("tree"), Kind("t-shirt", 2), Kind(SOMETHING)), (LEFT, UNDER))
    assert say_facts(three) == "a tree to the left of two t-shirts under something"
    assert say_facts(SceneFacts(())) == ""


@pytest.mark.parametrize("plain", [False, True], ids=["as said", "words alone"])
def test_every_noun_is_read_back_in_every_place(plain: bool) -> None:
    for word, count in product((*WORDS, SOMETHING), (1, 2, 12)):
        for facts in (
            SceneFacts((Kind(word, count),)),
            SceneFacts((Kind("dog"), Kind(word, count), Kind("door", 3)), (ON, REVERSED[LEFT])),
            SceneFacts((Kind("dog"), Kind("star", 4, True), Kind(word, count, True))),
            SceneFacts((Kind(word, count, True), Kind("door", 2, True))),
        ):
            text = say_facts(facts)
            assert read_facts(" ".join(split_words(text)) if plain else f"  {text.upper()}. ", WORDS) == facts


@pytest.mark.parametrize(
    ("word", "one", "many"),
    [
        ("hourglass", "an hourglass", "hourglasses"),
        ("mouse", "a mouse", "mice"),
        ("bus", "a bus", "buses"),
        ("rhinoceros", "a rhinoceros", "rhinoceroses"),
        ("butterfly", "a butterfly", "butterflies"),
        ("school bus", "a school bus", "school buses"),
        ("potato", "a potato", "potatoes"),
        ("piano", "a piano", "pianos"),
        ("scissors", "scissors", "pairs of scissors"),
        ("sheep", "a sheep", "sheep"),
    ],
)
def test_nouns_have_articles_and_plurals(word: str, one: str, many: str) -> None:
    assert (one_of(word), many_of(word)) == (one, many)
    assert say_count(word, 2) == f"two {many}"


@pytest.mark.parametrize(
    ("sentence", "missed"),
    [
        ("two unicorns beside a house", "two"),
        ("a cat beside", "beside"),
        ("beside a cat", "beside"),
        ("a cat a house", "house"),
        ("a cat in the sky beside a house", "in the sky"),
        ("a cat and a house", "and"),
        ("a cat, with a sun on a house in the sky", "on"),
    ],
)
def test_what_is_not_understood_is_named(sentence: str, missed: str) -> None:
    with pytest.raises(InputError, match=f"^'{missed}' in '{sentence}' is not understood"):
        read_facts(sentence, WORDS)


def test_of_any_text_something_may_be_understood() -> None:
    assert read_nearly("well, a cat and um two houses", WORDS) == SceneFacts(
        (Kind("cat"), Kind("house", 2)), (BESIDE,)
    )
    assert read_nearly("a cat on", WORDS) == SceneFacts((Kind("cat"),))
    assert read_nearly("nothing at all", WORDS) == SceneFacts(())


def test_facts_are_the_same_from_either_side() -> None:
    for relation in RELATIONS:
        one = SceneFacts((Kind("cat"), Kind("dog")), (relation,))
        other = SceneFacts((Kind("dog"), Kind("cat")), (REVERSED[relation],))
        assert same_facts(one, other)
        if relation != BESIDE:
            assert not same_facts(one, SceneFacts(other.kinds, (relation,)))
    assert normal("dog", "below", "cat") == ("cat", ABOVE, "dog")
    assert not same_facts(HOUSES, SceneFacts((Kind("cat"), *HOUSES.kinds[1:]), (BESIDE,)))
    assert not same_facts(HOUSES, SceneFacts(HOUSES.kinds[:2], (BESIDE,)))


def test_relations_are_where_boxes_are() -> None:
    one = boxes((0, 0, 10, 10))
    assert relate(one, boxes((15, 0, 25, 10))) == BESIDE
    assert relate(one, boxes((18, 0, 28, 10))) == LEFT  # 8 of a mean size of 10 is far
    assert relate(boxes((18, 0, 28, 10)), one) == REVERSED[LEFT]
    assert relate(one, boxes((3, 12, 13, 22))) == ABOVE
    assert relate(one, boxes((3, 10.5, 13, 20.5))) == ON
    assert relate(boxes((3, 8, 13, 18)), one) == UNDER
    # Two things together reach from 0 to 30.
    assert relate(boxes((0, 0, 10, 10), (20, 0, 30, 10)), boxes((12, 14, 18, 20))) == ABOVE


def test_what_can_fly_and_is_above_all_else_is_in_the_sky() -> None:
    house, bird, cat = boxes((0, 50, 50, 100)), boxes((10, 0, 20, 10)), boxes((70, 80, 90, 100))
    facts = read_places(["house", "bird", "cat"], [house, bird, cat])
    assert say_facts(facts) == "a house beside a cat, with a bird in the sky"
    low = read_places(["house", "bird"], [house, boxes((60, 90, 70, 100))])
    assert say_facts(low) == "a house beside a bird"
    dog = read_places(["house", "dog"], [house, bird])
    assert say_facts(dog) == "a dog above a house" or say_facts(dog) == "a house below a dog"
    assert say_facts(read_places(["sun"], [bird])) == "a sun"


def test_neighbours_follow_one_another() -> None:
    """The middle one of three is the one that both are near to, whatever the order they come in."""
    places = {"cat": boxes((0, 0, 10, 10)), "dog": boxes((30, 0, 40, 10)), "cow": boxes((30, 12, 40, 22))}
    for order in (["cat", "dog", "cow"], ["cow", "cat", "dog"]):
        facts = read_places(order, [places[noun] for noun in order])
        assert [kind.noun for kind in facts.kinds] == ["cat", "dog", "cow"]
        assert facts.relations == (LEFT, ABOVE)


def test_facts_have_a_relation_between_each_two() -> None:
    with pytest.raises(InputError, match="2 kinds of things on the ground have 0 relations"):
        SceneFacts((Kind("cat"), Kind("dog")))
    with pytest.raises(InputError, match="'near' is no relation"):
        SceneFacts((Kind("cat"), Kind("dog")), ("near",))
    with pytest.raises(InputError, match="counts from 1 on, got 0"):
        Kind("cat", 0)


def test_the_lists_of_nouns_are_consistent() -> None:
    assert set(SKY) <= set(COMMON)
    assert len(set(COMMON)) == len(COMMON) == 121  # as the help of --nouns says
    assert not set(COMMON) & set(NO_THINGS)
