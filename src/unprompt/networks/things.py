"""Everyday names of what the packaged networks tell apart: COCO's 80 kinds and ImageNet's 1,000 classes.

ImageNet has 118 classes of dogs and none of persons; COCO has `dog` and `person`. The table things.tsv says
which classes are which thing, so that what one network sees can be held against what the other does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from unprompt.networks.imagenet import class_names
from unprompt.text.english import add_article

NUMBERS = ("two", "three", "four", "five")
ANIMAL, FOOD = "animal", "food"
FOOD_CLASSES = frozenset((*range(924, 958), *range(959, 968), 969, 987, 998))  # guacamole to corn
MOST = 6  # more than five of a thing are many: counts from 1 to 6 are told apart


@dataclass(frozen=True)
class ThingName:
    """A thing: name, plural, family (animal, food or none), COCO id or None, rows of its ImageNet classes."""

    name: str
    plural: str
    family: str
    coco: int | None
    classes: tuple[int, ...]

    def counted(self, count: int) -> str:
        """ "a dog", "three dogs", "many dogs": how a prompt says it. `count` is at least 1."""
        if count == 1:
            return add_article(self.name)
        return f"{NUMBERS[count - 2] if count < MOST else 'many'} {self.plural}"


@cache
def thing_names() -> tuple[ThingName, ...]:
    """All things, COCO's 80 first and in their order."""
    lines = (files("unprompt") / "data" / "things.tsv").read_text(encoding="utf-8").splitlines()
    return tuple(_read(line) for line in lines if line and not line.startswith("#"))


def _read(line: str) -> ThingName:
    name, plural, family, coco, classes = line.split("\t")
    spans = [span.partition("-") for span in classes.split(",")] if classes != "-" else []
    rows = (range(int(first), int(last or first) + 1) for first, _, last in spans)
    classes_of_it = tuple(row for some in rows for row in some)
    return ThingName(name, plural, family.strip("-"), None if coco == "-" else int(coco), classes_of_it)


@cache
def coco_things() -> dict[int, int]:
    """The position in `thing_names` of each COCO id that is used."""
    return {thing.coco: row for row, thing in enumerate(thing_names()) if thing.coco is not None}


@cache
def thing_of_class() -> dict[int, int]:
    """The position in `thing_names` of the thing that an ImageNet class is, for classes that are one."""
    return {row: position for position, thing in enumerate(thing_names()) for row in thing.classes}


@cache
def spoken_class_names() -> tuple[str, ...]:
    """ImageNet's class names as a prompt would say them: without what they explain in brackets.

    A name that would then be another thing's ("kite (bird of prey)") gives way to the thing it is.
    """
    things = thing_names()
    taken = {thing.name for thing in things}
    spoken = []
    for row, full in enumerate(class_names()):
        name = full.partition(" (")[0]
        own = thing_of_class().get(row)
        foreign = name in taken and (own is None or things[own].name != name)
        spoken.append(things[own].name if foreign and own is not None else name)
    return tuple(spoken)
