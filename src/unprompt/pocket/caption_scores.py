"""How well captions say what a pocket scene is: scores of one caption beside the scene's own prompt.

Words that mean the same here count as the same: nouns that share a drawing, and phrases of one entry in the
grammar's tables ("at dusk", "at nightfall").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unprompt.ensemble import score_tables
from unprompt.errors import InputError
from unprompt.pocket.grammar import read_near_scene, read_scene
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.scene import AMOUNTS, Scene
from unprompt.pocket.styles import STYLES
from unprompt.pocket.vocabulary import nouns

SCORES = ("nouns", "counts", "relations", "places", "lights", "styles", "exact")


def score_caption(said: str, truth: str) -> dict[str, float]:
    """Scores of one caption by the names in SCORES; those that do not apply are NaN.

    nouns: F1. counts: of the nouns that are said rightly, the share whose amount is right. relations: F1,
    where the scene has any. places, lights, styles: whether the phrase, or that there is none, is right.
    exact: whether the caption is the prompt. Of a caption that is not of the grammar as much counts as
    `read_near_scene` reads.
    Raises InputError for a `truth` that is not of the grammar.
    """
    wanted = read_scene(truth)
    try:
        found: Scene | None = read_near_scene(said)[0]
    except InputError:  # it names nothing
        found = None
    ours, theirs = _amounts(found), _amounts(wanted)
    hits = ours.keys() & theirs.keys()
    scores = {
        "nouns": f1(list(ours), list(theirs)),
        "counts": float(np.mean([ours[hit] == theirs[hit] for hit in hits])) if hits else np.nan,
        "relations": np.nan,
        "exact": float(said == truth),
    }
    if wanted.relations:
        relations = found.relations if found else ()
        scores["relations"] = f1(
            [id(RELATIONS[one]) for one in relations], [id(RELATIONS[one]) for one in wanted.relations]
        )
    tables: Mapping[str, Mapping[str, Any]] = {"place": PLACES, "light": LIGHTS, "style": STYLES}
    for what, table in tables.items():
        phrase = getattr(found, what) if found else ""
        scores[f"{what}s"] = float(table.get(phrase) is table.get(getattr(wanted, what)))
    return {name: scores[name] for name in SCORES}


def mean_scores(said: Sequence[str], truth: Sequence[str]) -> dict[str, float]:
    """Means over N captions, each score over those to which it applies; NaN where there is none."""
    scores = [score_caption(one, other) for one, other in zip(said, truth, strict=True)]
    return score_tables.mean_scores(scores, SCORES)


def f1(said: Sequence[Any], truth: Sequence[Any]) -> float:
    """Twice what two lists have in common over what they have together; 1 for two empty ones."""
    whole = len(said) + len(truth)
    return 2 * sum((Counter(said) & Counter(truth)).values()) / whole if whole else 1.0


def _amounts(scene: Scene | None) -> dict[str, tuple[int, int]]:
    """The drawings of a scene's things, and how many of each there are at least and at most."""
    things = scene.things if scene else ()
    return {
        nouns()[thing.noun].drawing: (AMOUNTS[thing.amount].least, AMOUNTS[thing.amount].most)
        for thing in things
    }
