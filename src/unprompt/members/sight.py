"""What the packaged networks see of an image, put together: which things, how many, how surely.

The classifier looks at the middle of the image as a whole and knows a thousand names; the detector finds
things of 80 kinds, with their places and numbers. Each knows what the other does not, and where they
contradict one another the detector, which sees kites in butterflies and birds in turtles, is believed less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from unprompt.networks.imagenet import CLASSES
from unprompt.networks.things import (
    ANIMAL,
    FOOD,
    FOOD_CLASSES,
    MOST,
    coco_things,
    thing_names,
    thing_of_class,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

SURE = 0.5  # probability from which the classifier is believed to see an animal that the detector cannot name
LARGE = 0.25  # share of the image above which a box is what the classifier sees too
ONE_PLACE = 0.6  # intersection over union above which boxes of two kinds are one thing: the likelier
COUNTED = 0.5  # probability from which a box counts as one more of its kind
PERSON = "person"  # ImageNet has no class for it, so the classifier cannot contradict


@dataclass(frozen=True)
class Box:
    """A rectangle; sides are shares of the image's height and width."""

    top: float
    left: float
    bottom: float
    right: float

    @property
    def area(self) -> float:
        """Its share of the image; what lies outside counts too."""
        return max(self.bottom - self.top, 0.0) * max(self.right - self.left, 0.0)

    def inside(self) -> Box:
        """The part that lies in the image."""
        return Box(max(self.top, 0.0), max(self.left, 0.0), min(self.bottom, 1.0), min(self.right, 1.0))

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = Box(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        ).area
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True)
class Found:
    """Things of a kind: its position in `thing_names`, how many, the surest one's probability and box."""

    thing: int
    count: int
    probability: float
    box: Box


def find_things(probabilities: FloatArray, boxes: FloatArray) -> list[Found]:
    """What the classifier's (1000,) probabilities and the detector's (K, 6) boxes show, the surest first."""
    positions, things = coco_things(), thing_names()
    by_thing = _by_thing(probabilities)
    unknown = _unknown_animal(by_thing)
    sighted = []
    for kind, probability, *sides in boxes.tolist():
        if int(kind) not in positions:
            continue
        thing, box = positions[int(kind)], Box(*sides)
        if unknown is not None and things[thing].family == ANIMAL:
            thing = unknown
        if things[thing].name != PERSON and box.inside().area > LARGE:
            probability *= 1 - max(0.0, _something_else(thing, probabilities, by_thing) - by_thing[thing])
        sighted.append((thing, float(probability), box))
    sighted.sort(key=lambda one: -one[1])
    found: dict[int, Found] = {}
    kept: list[Box] = []
    for thing, probability, box in sighted:
        if any(box.overlap(other) > ONE_PLACE for other in kept):
            continue
        kept.append(box)
        first = found.get(thing)
        if first is None:
            found[thing] = Found(thing, 1, probability, box)
        elif probability > COUNTED and first.count < MOST:
            found[thing] = Found(thing, first.count + 1, first.probability, first.box)
    return list(found.values())


def _something_else(thing: int, probabilities: FloatArray, by_thing: FloatArray) -> float:
    """The largest probability that the image shows another thing; one food does not speak against another."""
    things, classes = _speaking_against(thing)
    return float(max(by_thing[things].max(), probabilities[classes].max()))


@cache
def _speaking_against(thing: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The things, and the classes that are no thing's, that speak against one thing."""
    is_food = thing_names()[thing].family == FOOD
    things = [
        row
        for row, other in enumerate(thing_names())
        if row != thing and not (is_food and other.family == FOOD)
    ]
    passed = {*thing_of_class(), *(FOOD_CLASSES if is_food else ())}
    classes = [row for row in range(CLASSES) if row not in passed]
    return np.array(things), np.array(classes)


def _unknown_animal(by_thing: FloatArray) -> int | None:
    """The animal that the classifier is sure of and that the detector, unable to name it, calls another."""
    best = int(by_thing.argmax())
    thing = thing_names()[best]
    return best if thing.family == ANIMAL and thing.coco is None and by_thing[best] >= SURE else None


def likeliest_thing(probabilities: FloatArray) -> tuple[int, float]:
    """The thing whose classes hold most of the probability: its position in `thing_names`, and how much."""
    by_thing = _by_thing(probabilities)
    best = int(by_thing.argmax())
    return best, float(by_thing[best])


def _by_thing(probabilities: FloatArray) -> FloatArray:
    """Class probabilities (1000,) summed over each thing's classes: (things,)."""
    return np.array([probabilities[rows].sum() for rows in _rows_by_thing()], dtype=np.float32)


@cache
def _rows_by_thing() -> tuple[NDArray[np.intp], ...]:
    """The rows of each thing's classes."""
    return tuple(np.array(thing.classes, dtype=np.intp) for thing in thing_names())
