"""What classifier and detector see, put together: on boxes and probabilities made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unprompt.members.sight import MOST, Box, Found, find_things, likeliest_thing
from unprompt.networks.imagenet import CLASSES, class_names
from unprompt.networks.things import thing_names

COCO = {thing.name: thing.coco for thing in thing_names() if thing.coco is not None}
LARGE, SMALL = (0.1, 0.1, 0.9, 0.9), (0.1, 0.1, 0.4, 0.4)


def probabilities(**by_name: float) -> np.ndarray:
    """Class probabilities; what is left over is spread evenly."""
    rows = np.full(CLASSES, (1 - sum(by_name.values())) / CLASSES, np.float32)
    for name, probability in by_name.items():
        rows[class_names().index(name.replace("_", " "))] += probability
    return rows


def boxes(*each: tuple[str, float, tuple[float, float, float, float]]) -> np.ndarray:
    """Rows as the detector gives them, filled up with rows that are none."""
    rows = [(COCO[name], probability, *sides) for name, probability, sides in each]
    return np.array(rows + [(-1,) * 6] * 3, np.float32)


def names(found: list[Found]) -> list[tuple[str, int, float]]:
    return [(thing_names()[one.thing].name, one.count, round(one.probability, 3)) for one in found]


def test_things_come_by_how_sure_they_are_with_their_places() -> None:
    found = find_things(probabilities(), boxes(("cup", 0.6, SMALL), ("dog", 0.9, (0.5, 0.5, 0.9, 0.9))))
    assert names(found) == [("dog", 1, 0.9), ("cup", 1, 0.6)]
    assert found[1].box == pytest.approx(Box(*np.float32(SMALL).tolist()))


def test_things_apart_are_counted_and_unsure_ones_are_not() -> None:
    columns = [(0.0, left, 0.2, left + 0.1) for left in np.arange(0, 1, 0.11)]
    rows = boxes(*(("dog", 0.9 - 0.05 * number, sides) for number, sides in enumerate(columns)))
    three = boxes(("dog", 0.9, columns[0]), ("dog", 0.6, columns[2]), ("dog", 0.51, columns[4]))
    unsure = boxes(("dog", 0.9, columns[0]), ("dog", 0.49, columns[2]))
    assert names(find_things(probabilities(), rows)) == [("dog", MOST, 0.9)]
    assert names(find_things(probabilities(), three)) == [("dog", 3, 0.9)]
    assert names(find_things(probabilities(), unsure)) == [("dog", 1, 0.9)]


def test_of_two_kinds_in_one_place_the_surer_stands() -> None:
    rows = boxes(("cow", 0.9, (0.1, 0.1, 0.5, 0.5)), ("dog", 0.73, (0.1, 0.1, 0.5, 0.48)))
    assert names(find_things(probabilities(), rows)) == [("cow", 1, 0.9)]


def test_a_large_thing_that_the_classifier_contradicts_counts_less() -> None:
    """The kite is a butterfly with 0.8: 0.6 becomes 0.6 (1 - 0.8)."""
    seen = probabilities(monarch_butterfly=0.8)
    kite = find_things(seen, boxes(("kite", 0.6, LARGE)))
    assert kite[0].probability == pytest.approx(0.6 * 0.2, abs=1e-3)


def test_one_food_does_not_speak_against_another() -> None:
    """A sandwich has a baguette in it; a book on the plate would be another matter."""
    sandwich = boxes(("sandwich", 0.64, LARGE))
    assert find_things(probabilities(baguette=0.99), sandwich)[0].probability == pytest.approx(0.64, abs=2e-3)
    assert find_things(probabilities(menu=0.5), sandwich)[0].probability == pytest.approx(0.32, abs=1e-2)


def test_the_classifier_does_not_doubt_what_it_names_itself_small_things_or_people() -> None:
    seen = probabilities(tabby_cat=0.5, Persian_cat=0.4)
    rows = boxes(("cat", 0.8, LARGE), ("person", 0.7, (0.0, 0.0, 1.0, 0.5)), ("cup", 0.6, SMALL))
    assert names(find_things(seen, rows)) == [("cat", 1, 0.8), ("person", 1, 0.7), ("cup", 1, 0.6)]


def test_doubt_can_change_which_of_two_stands() -> None:
    """ "cow 0.76, dog 0.73" of a dog: the classifier, sure of dogs, settles it."""
    seen = probabilities(Chihuahua=0.5, Rottweiler=0.4)
    rows = boxes(("cow", 0.76, LARGE), ("dog", 0.73, (0.1, 0.1, 0.9, 0.88)))
    assert [name for name, _, _ in names(find_things(seen, rows))] == ["dog"]


def test_an_animal_that_the_detector_has_no_word_for_is_what_the_classifier_says() -> None:
    """A turtle is a bird to the detector. The person beside it stays; so do birds where nothing is sure."""
    rows = boxes(("bird", 0.97, SMALL), ("person", 0.7, (0.0, 0.6, 1.0, 1.0)))
    sure, unsure = probabilities(terrapin=0.4, mud_turtle=0.3), probabilities(terrapin=0.3)
    assert names(find_things(sure, rows)) == [("turtle", 1, 0.97), ("person", 1, 0.7)]
    assert names(find_things(unsure, rows)) == [("bird", 1, 0.97), ("person", 1, 0.7)]
    assert names(find_things(probabilities(Chihuahua=0.9), rows))[0] == ("bird", 1, 0.97)


def test_likeliest_thing_sums_its_classes() -> None:
    best, share = likeliest_thing(probabilities(Chihuahua=0.2, Rottweiler=0.2, pizza=0.3))
    assert thing_names()[best].name == "dog"
    assert share == pytest.approx(0.4 + 0.3 * 118 / 1000, abs=2e-3)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(COCO)), st.floats(0.1, 1), st.tuples(*[st.floats(0, 1)] * 4)))
)
def test_each_thing_is_told_once_and_never_more_surely_than_the_detector(each: list) -> None:
    found = find_things(probabilities(pizza=0.5), boxes(*each))
    told = names(found)
    assert len({name for name, _, _ in told}) == len(told)
    assert [p for _, _, p in told] == sorted((p for _, _, p in told), reverse=True)
    for name, count, probability in told:
        assert 1 <= count <= MOST
        assert probability <= max(one[1] for one in each if one[0] == name) + 1e-3


def test_overlap_by_hand() -> None:
    a, b = Box(0, 0, 1, 1), Box(0, 0.5, 1, 1.5)
    assert a.overlap(b) == pytest.approx(1 / 3)
    assert b.inside() == Box(0, 0.5, 1, 1)
    assert a.overlap(Box(2, 2, 3, 3)) == 0
    assert Box(1, 1, 1, 1).overlap(Box(1, 1, 1, 1)) == 0
