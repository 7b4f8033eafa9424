"""The table of everyday things against the names of the two networks whose classes it joins."""

from __future__ import annotations

import pytest

from unprompt.networks.imagenet import CLASSES, class_names
from unprompt.networks.things import (
    ANIMAL,
    FOOD,
    FOOD_CLASSES,
    MOST,
    coco_things,
    spoken_class_names,
    thing_names,
    thing_of_class,
)

UNUSED = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}  # ids that COCO gave out and never drew a box for


def position(name: str) -> int:
    return [thing.name for thing in thing_names()].index(name)


def test_cocos_things_are_80_in_order_and_first() -> None:
    ids = [thing.coco for thing in thing_names()]
    assert ids[:80] == [number for number in range(1, 91) if number not in UNUSED]
    assert set(ids[80:]) == {None}
    assert [coco_things()[number] for number in ids[:80] if number is not None] == list(range(80))


def test_names_and_classes_stand_once() -> None:
    names = [thing.name for thing in thing_names()]
    assert len(set(names)) == len(names)
    rows = [row for thing in thing_names() for row in thing.classes]
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(range(CLASSES))


@pytest.mark.parametrize(
    ("name", "thing"),
    [
        ("Chihuahua", "dog"),
        ("tabby cat", "cat"),
        ("grey wolf", "wolf"),
        ("king penguin", "bird"),
        ("monarch butterfly", "butterfly"),
        ("convertible", "car"),
        ("school bus", "bus"),
        ("African bush elephant", "elephant"),
        ("acoustic guitar", "guitar"),
        ("wine bottle", "bottle"),
        ("Granny Smith apple", "apple"),
    ],
)
def test_classes_are_the_things_they_should_be(name: str, thing: str) -> None:
    assert thing_of_class()[class_names().index(name)] == position(thing)


def test_classes_that_are_no_thing_of_the_table_are_none() -> None:
    for name in ("volcano", "comic book", "meerkat", "wool"):
        assert class_names().index(name) not in thing_of_class()


def test_animals_are_animals() -> None:
    animals = {thing.name for thing in thing_names() if thing.family == ANIMAL}
    assert {"bird", "dog", "giraffe", "turtle", "insect"} <= animals
    assert not animals & {"person", "teddy bear", "hot dog", "car", "mushroom", "computer mouse"}


def test_food_is_food() -> None:
    foods = {thing.name for thing in thing_names() if thing.family == FOOD}
    assert {"sandwich", "hot dog", "broccoli", "pizza"} <= foods
    assert all(
        set(thing.classes) <= FOOD_CLASSES | set(range(991, 998))
        for thing in thing_names()
        if thing.name in foods
    )
    named = {class_names()[row] for row in FOOD_CLASSES}
    assert {"baguette", "guacamole", "espresso", "corn"} <= named
    assert not named & {"hay", "plate", "tea cup", "menu"}


def test_things_are_counted_as_people_count() -> None:
    dog, person, skis, apple = (
        thing_names()[position(name)] for name in ("dog", "person", "pair of skis", "apple")
    )
    said = [dog.counted(count) for count in range(1, MOST + 1)]
    assert said == ["a dog", "two dogs", "three dogs", "four dogs", "five dogs", "many dogs"]
    assert person.counted(2) == "two people"
    assert skis.counted(1) == "a pair of skis"
    assert apple.counted(1) == "an apple"


def test_class_names_are_spoken_without_explanations() -> None:
    spoken = dict(zip(class_names(), spoken_class_names(), strict=True))
    assert spoken["ram (adult male sheep)"] == "ram"
    assert spoken["military hat (bearskin"] == "military hat"
    assert spoken["kite (bird of prey)"] == "bird"  # a kite is what flies on a string
    assert spoken["pizza"] == "pizza"
    assert not any("(" in name for name in spoken_class_names())
