"""A scene of our own doodles, and what knows its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tests.doodles.own import HOUSE, LADDER, SUN
from unprompt.doodles.captioners import Caption, captioned
from unprompt.doodles.drawing import Drawing, joined
from unprompt.doodles.facts import BESIDE, Kind, SceneFacts

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = {
    "house": HOUSE.moved(2, (0, 100)),
    "ladder": LADDER.moved(1.9, (240, 120)),
    "sun": SUN.moved(1.2, (420, -60)),
}
SCENE = joined(list(PARTS.values()))
FACTS = SceneFacts((Kind("house"), Kind("ladder"), Kind("sun", 1, True)), (BESIDE,))
CAPTION = "a house beside a ladder, with a sun in the sky"


class KnowsParts:
    """Names a drawing by how many strokes it has: 3 a house, 6 a ladder, else a sun."""

    words = ("cat", "house", "ladder", "sun")

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> NDArray[np.float32]:
        found = np.full((len(drawings), 4), 0.01, np.float32)
        for row, drawing in enumerate(drawings):
            found[row, {3: 1, 6: 2}.get(len(drawing.strokes), 3)] = 0.97
        return found


class KnowsCaption:
    """Describes every drawing by the same facts."""

    def __init__(self, facts: SceneFacts = FACTS) -> None:
        self._facts = facts

    def caption(self, drawings: Sequence[Drawing]) -> list[Caption]:
        return [captioned(self._facts, 1.0) for _ in drawings]
