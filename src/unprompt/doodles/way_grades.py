"""The way from drawings to pictures, graded: names, the round trip, and how pictures follow the lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from unprompt.doodles.drawing import Doodle
from unprompt.doodles.follow import FollowGrade, grade_following
from unprompt.doodles.name import LOOKS, found_among, labels_of
from unprompt.doodles.paint_config import FOLLOW, POCKET, DoodlePaint
from unprompt.doodles.paint_drawing import DoodlePainter
from unprompt.doodles.pocket_scene import drawable_words
from unprompt.doodles.round_trip import SIZE, RoundTrips, grade_round_trip
from unprompt.doodles.scenes import Scene, compose_scenes
from unprompt.doodles.scenes_config import ANY, SceneConfig
from unprompt.doodles.wording import prompt_of
from unprompt.ensemble.score import bootstrap_interval
from unprompt.ensemble.score_tables import finite_or_none
from unprompt.errors import InputError
from unprompt.progress import Progress, silent

if TYPE_CHECKING:
    from unprompt.doodles.captioners import Captioner
    from unprompt.doodles.name import Names


@dataclass(frozen=True)
class Share:
    """A mean, and its 95% bootstrap interval (Efron 1979), NaN of a single thing."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class WayGrades:
    """`names`: how often the right word is the first (top_1), and among five (top_5), of `drawings`.

    `trips`: scenes that were captioned, painted by the pocket world and compared with what they were composed
    of; `followed`: how the pocket world's pictures follow drawings, by how closely they were to; both None
    and empty where none were wanted, or the pocket world can draw none of the drawings.
    """

    drawings: int
    names: Mapping[str, Share]
    trips: RoundTrips | None
    followed: Mapping[str, FollowGrade]

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it: null where a score or an interval does not apply."""
        trips = None
        if self.trips:
            trips = {
                **asdict(self.trips),
                "scores": _finite(self.trips.scores),
                "intervals": {
                    name: tuple(map(finite_or_none, span)) for name, span in self.trips.intervals.items()
                },
            }
        return {
            "drawings": self.drawings,
            "names": {name: _finite(asdict(share)) for name, share in self.names.items()},
            "round_trips": trips,
            "followed": {how: grade._asdict() for how, grade in self.followed.items()},
        }


def _finite(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite_or_none(score) for name, score in scores.items()}


def grade_way(
    doodles: Sequence[Doodle],
    namer: Names,
    captioner: Captioner,
    trips: int = 100,
    pictures: int = 40,
    seed: int = 1,
    progress: Progress = silent,
) -> WayGrades:
    """Grade names of all drawings, and the pocket world's pictures of scenes that are composed of them.

    `trips` and `pictures`: how many scenes go round, and of how many it is measured how pictures follow; 0:
    none. Raises InputError for drawings without words.
    """
    known = set(drawable_words())
    drawn = [one for one in doodles if one.word in known]
    went, followed = None, {}
    if trips and drawn:
        scenes = _compose(drawn, trips, seed, progress)
        went = grade_round_trip(scenes, captioner, namer, progress) if scenes else None
    if pictures > 1 and drawn:
        followed = _follow(_compose(drawn, pictures, seed + 1, progress), progress)
    return WayGrades(len(doodles), _names(doodles, namer, seed), went, followed)


def _compose(drawn: Sequence[Doodle], count: int, seed: int, progress: Progress) -> list[Scene]:
    try:
        return list(compose_scenes(drawn, SceneConfig(count, seed, ANY), progress))
    except InputError:  # too few kinds of drawings to compose scenes of
        return []


def _names(doodles: Sequence[Doodle], namer: Names, seed: int) -> dict[str, Share]:
    labels = labels_of(doodles, namer.words)
    found = namer.probabilities([one.drawing for one in doodles], len(LOOKS))
    return {
        name: Share(float(right.mean()), *bootstrap_interval(right.astype(float), seed=seed))
        for name, right in found_among(found, labels).items()
    }


def _follow(scenes: Sequence[Scene], progress: Progress) -> dict[str, FollowGrade]:
    """How pictures of scenes, with true captions, follow their drawings, by how closely they were to."""
    if len(scenes) < 2:
        return {}
    found = {}
    for how in FOLLOW:
        config = DoodlePaint(painter=POCKET, follow=how, width=SIZE, height=SIZE)
        painter = DoodlePainter(config)
        made = []
        for number, scene in enumerate(scenes):
            made.append(painter.paint(scene.drawing, prompt_of(scene.caption)).image)
            progress(f"painting, to follow {how}", number + 1, len(scenes))
        found[how] = grade_following([scene.drawing for scene in scenes], made)
    return found
