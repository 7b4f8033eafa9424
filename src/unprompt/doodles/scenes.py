"""Scenes composed of real single drawings, with captions of known truth: any number of them, from a seed.

Each has one to three kinds of things on the ground, one to four of each, and sometimes something in the sky.
A layout is thrown away where what it shows (facts.read_places, by the true things' boxes) is not what the
grammar meant it to, so that every caption is true of its picture.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.datasets.seeds import derive_seed
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.facts import (
    ABOVE,
    BELOW,
    BESIDE,
    LEFT,
    ON,
    REVERSED,
    RIGHT,
    UNDER,
    Kind,
    SceneFacts,
    around,
    gaps_of,
    read_facts,
    read_places,
    same_facts,
    say_facts,
)
from unprompt.doodles.nouns import COMMON, NO_THINGS, ONLY_SKY, SKY
from unprompt.doodles.scenes_config import ANY, SceneConfig
from unprompt.doodles.scenes_config import COMMON as COMMON_NOUNS
from unprompt.doodles.warps import lay_out, warp
from unprompt.errors import InputError
from unprompt.progress import Progress, silent
from unprompt.storage.files import writing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Boxes = NDArray[np.float64]
    Random = np.random.Generator

UNIT = 200.0  # of a scene's coordinates: the mean size of a thing
KINDS = {1: 0.3, 2: 0.45, 3: 0.25}  # on the ground, how often
MOST_THINGS = 10
TRIES = 400  # of a scene: nouns and layouts that do not come out
OVERLAP = 0.4  # of the smaller of two boxes that may be covered where things touch
APART = 0.06  # of UNIT between the boxes of things that do not touch


@dataclass(frozen=True, eq=False)
class Scene:
    """A sheet with several things on it.

    `owners`: of each stroke the number of its thing. `nouns`: of each thing. `facts`: what the caption says;
    `touching`: whether things touch or overlap.
    """

    key: str
    drawing: Drawing
    owners: tuple[int, ...]
    nouns: tuple[str, ...]
    facts: SceneFacts
    touching: bool = False

    @property
    def caption(self) -> str:
        """The facts in words."""
        return say_facts(self.facts)

    @property
    def things(self) -> list[list[int]]:
        """The strokes of each thing, by number."""
        found: list[list[int]] = [[] for _ in self.nouns]
        for stroke, owner in enumerate(self.owners):
            found[owner].append(stroke)
        return found

    @property
    def boxes(self) -> Boxes:
        """Around each thing (N, 4): left, top, right, bottom."""
        found = []
        for strokes in self.things:
            points = np.concatenate([self.drawing.strokes[n] for n in strokes])
            found.append(np.concatenate([points.min(0), points.max(0)]))
        return np.stack(found)

    def read(self) -> SceneFacts:
        """The facts as where things are tells them: the caption's, in the order of reading."""
        kinds = list(dict.fromkeys(self.nouns))
        boxes = self.boxes
        return read_places(kinds, [boxes[[noun == kind for noun in self.nouns]] for kind in kinds])


def compose_scenes(
    doodles: Iterable[Doodle], config: SceneConfig | None = None, progress: Progress = silent
) -> Iterator[Scene]:
    """Scenes of the drawings whose word is known. Raises InputError where too few words are there."""
    config = config or SceneConfig()
    composer = _Composer(doodles, config)
    for number in range(config.count):
        yield composer.compose(number)
        progress("composing scenes", number + 1, config.count)


class _Composer:
    def __init__(self, doodles: Iterable[Doodle], config: SceneConfig) -> None:
        self._config = config
        self._by_word: dict[str, list[Drawing]] = defaultdict(list)
        for doodle in doodles:
            if doodle.word and doodle.word not in NO_THINGS and doodle.drawing.strokes:
                self._by_word[doodle.word].append(doodle.drawing)
        words = sorted(self._by_word)
        common = [word for word in words if word in COMMON]
        self._ground = {
            COMMON_NOUNS: [word for word in common if word not in ONLY_SKY],
            ANY: [word for word in words if word not in ONLY_SKY],
        }
        self._sky = [word for word in words if word in SKY]
        if len(self._ground[ANY]) < config.most_kinds:
            raise InputError(
                f"scenes need drawings of at least {config.most_kinds} words for things, there are "
                f"{len(self._ground[ANY])}; give whole Quick, Draw! files"
            )

    def compose(self, number: int) -> Scene:
        """The scene of a number; the same whichever others are composed."""
        random = np.random.default_rng(derive_seed(self._config.seed, "scene", number))
        for _ in range(TRIES):
            scene = self._try(random, f"scene-{self._config.seed}-{number}")
            if scene is not None:
                return scene
        raise InputError(
            f"no layout came out of scene {number} in {TRIES} tries; give other drawings or a seed"
        )

    def _try(self, random: Random, key: str) -> Scene | None:
        config = self._config
        kinds = self._choose_kinds(random)
        if sum(kind.count for kind in kinds) > MOST_THINGS:
            return None
        touch = bool(random.random() < config.touch)
        drawings = [
            [self._pick(random, kind.noun) for _ in range(kind.count)] for kind in kinds
        ]  # fmt: skip
        laid = _lay(random, kinds, drawings, touch)
        if laid is None:
            return None
        boxes, relations = laid
        facts = SceneFacts(tuple(kinds), relations)
        if not same_facts(facts, read_places([kind.noun for kind in kinds], boxes)):
            return None
        touching = _touching(np.concatenate(boxes))
        if touch is not touching or (touch and not _may_touch(np.concatenate(boxes))):
            return None
        if random.random() < 0.5:
            ground = facts.ground[::-1]
            facts = SceneFacts((*ground, *facts.sky), tuple(REVERSED[words] for words in relations[::-1]))
        return _drawn(random, key, kinds, drawings, boxes, facts, touching)

    def _choose_kinds(self, random: Random) -> list[Kind]:
        config = self._config
        shares = np.array([KINDS[count] for count in range(1, config.most_kinds + 1)])
        count = 1 + int(random.choice(len(shares), p=shares / shares.sum()))
        common = config.nouns == COMMON_NOUNS or (config.nouns != ANY and random.random() < 0.5)
        words = self._ground[COMMON_NOUNS if common else ANY]
        if len(words) < count:
            words = self._ground[ANY]
        nouns = [words[n] for n in random.choice(len(words), count, replace=False)]
        found = [Kind(noun, int(random.integers(1, config.most_count + 1))) for noun in nouns]
        above = [word for word in self._sky if word not in nouns]
        if above and random.random() < config.sky:
            many = min(len(above), 2 if random.random() < 0.3 else 1)
            for n in random.choice(len(above), many, replace=False):
                # There is one sun, and mostly one moon.
                most = 1 if above[n] in ("sun", "moon", "rainbow") else config.most_count
                found.append(Kind(above[n], int(random.integers(1, most + 1)), True))
        return found

    def _pick(self, random: Random, word: str) -> Drawing:
        """One of the word's drawings, its longer side 1, its top left corner at 0."""
        some = self._by_word[word]
        drawing = some[int(random.integers(len(some)))]
        if self._config.warp:
            drawing = warped(drawing, random, self._config.warp)
        low, high = drawing.bounds
        side = max(float((high - low).max()), 1e-9)
        return drawing.moved(1 / side, -low / side)


def warped(drawing: Drawing, random: Random, strength: float) -> Drawing:
    """As another hand might have drawn it."""
    made = warp(lay_out(drawing), random, strength)
    ends = np.flatnonzero(np.diff(made.stroke)) + 1
    return Drawing(tuple(np.split(made.points, ends)))


# --- layouts


def _lay(
    random: Random, kinds: Sequence[Kind], drawings: Sequence[Sequence[Drawing]], touch: bool
) -> tuple[list[Boxes], tuple[str, ...]] | None:
    """Boxes (N, 4) of the things of each kind, and the relations that were meant."""
    blocks = [
        _block(random, [drawing.bounds[1] for drawing in some], touch, 0.65 if kind.sky else 1.0)
        for kind, some in zip(kinds, drawings, strict=True)
    ]
    ground = [number for number, kind in enumerate(kinds) if not kind.sky]
    hub = 1 if len(ground) == 3 else 0
    placed = {ground[hub]: blocks[ground[hub]]}
    relations: list[str] = []
    for place, number in enumerate(ground):
        if place == hub:
            continue
        words, block = _beside_hub(random, blocks[number], placed[ground[hub]], touch)
        placed[number] = block
        relations.append(words if place < hub else REVERSED[words])
    top = min(float(block[:, 1].min()) for block in placed.values())
    left = min(float(block[:, 0].min()) for block in placed.values())
    right = max(float(block[:, 2].max()) for block in placed.values())
    sky = [number for number, kind in enumerate(kinds) if kind.sky]
    end = left + UNIT * float(random.uniform(-0.5, 0.5))
    for number in sky:
        block = blocks[number]
        box = around(block)
        free = max(0.0, (right - left) / len(sky) - float(box[2] - box[0]))
        x = end + free * float(random.random())
        y = top - UNIT * float(random.uniform(0.15, 0.8))
        placed[number] = _moved(block, x - box[0], y - box[3])
        end = x + float(box[2] - box[0]) + UNIT * float(random.uniform(0.15, 0.5))
    boxes = [placed[number] for number in range(len(kinds))]
    if touch and not _touching(np.concatenate(boxes)):
        return None
    return boxes, tuple(relations)


def _block(random: Random, sizes: Sequence[Boxes], touch: bool, scale: float) -> Boxes:
    """Boxes of the things of a kind by how wide and high they are: in a row, in two, or loosely."""
    side = UNIT * scale * float(np.exp(random.uniform(-0.35, 0.35)))
    wide = np.array([size * side * np.exp(random.uniform(-0.2, 0.2)) for size in sizes])
    rows = [list(range(len(sizes)))]
    if len(sizes) > 2 and random.random() < 0.35:
        rows = [rows[0][:2], rows[0][2:]]
    loose = UNIT * float(random.choice([0.05, 0.3]))
    boxes = np.zeros((len(sizes), 4))
    bottom = 0.0
    for row in rows:
        x, highest = float(random.uniform(-0.3, 0.3)) * side * (len(rows) - 1), bottom
        for n in row:
            foot = bottom + float(random.uniform(-loose, loose)) * (len(sizes) > 1)
            boxes[n] = x, foot - wide[n, 1], x + wide[n, 0], foot
            x += wide[n, 0] + _gap(random, touch)
            highest = min(highest, foot - wide[n, 1])
        bottom = highest - _gap(random, touch) - loose
    return boxes


def _gap(random: Random, touch: bool) -> float:
    """Between things of a kind."""
    return UNIT * float(random.uniform(-0.25, 0.1) if touch else random.uniform(0.1, 0.4))


def _beside_hub(random: Random, block: Boxes, hub: Boxes, touch: bool) -> tuple[str, Boxes]:
    """Words for what a block is to the hub, and the block where it is so."""
    box, other = around(block), around(hub)
    size = float((np.concatenate([block, hub])[:, 2:] - np.concatenate([block, hub])[:, :2]).max(1).mean())
    words = str(random.choice([BESIDE, BESIDE, LEFT, RIGHT, ABOVE, BELOW, *((ON, UNDER) if touch else ())]))
    if words in (BESIDE, LEFT, RIGHT):
        least, most = (-0.25, 0.15) if touch else (0.12, 0.6)
        gap = size * float(random.uniform(least, most) if words == BESIDE else random.uniform(0.9, 1.7))
        leftwards = words == LEFT or (words == BESIDE and random.random() < 0.5)
        x = other[0] - gap - box[2] if leftwards else other[2] + gap - box[0]
        y = other[3] - box[3] + UNIT * float(random.uniform(-0.25, 0.25))
        return words, _moved(block, x, y)
    gap = size * float(random.uniform(-0.2, 0.04) if words in (ON, UNDER) else random.uniform(0.2, 0.8))
    slack = abs(float((other[2] - other[0]) - (box[2] - box[0]))) / 2 + 0.15 * UNIT
    x = (other[0] + other[2] - box[0] - box[2]) / 2 + float(random.uniform(-slack, slack)) * 0.7
    y = other[1] - gap - box[3] if words in (ABOVE, ON) else other[3] + gap - box[1]
    return words, _moved(block, x, y)


def _moved(block: Boxes, x: float, y: float) -> Boxes:
    found: Boxes = block + np.array([x, y, x, y])
    return found


def _touching(boxes: Boxes) -> bool:
    """Whether any two of boxes (N, 4) are nearer than things that do not touch may be."""
    return any(
        max(gaps_of(boxes[a], boxes[b])) < APART * UNIT for a in range(len(boxes)) for b in range(a)
    )  # fmt: skip


def _may_touch(boxes: Boxes) -> bool:
    """Whether no box (N, 4) is covered by another by more than OVERLAP of the smaller."""
    for a in range(len(boxes)):
        for b in range(a):
            common = -np.minimum(gaps_of(boxes[a], boxes[b]), 0)
            area = min(float(np.prod(box[2:] - box[:2])) for box in (boxes[a], boxes[b]))
            if float(np.prod(common)) > OVERLAP * area:
                return False
    return True


def _drawn(
    random: Random,
    key: str,
    kinds: Sequence[Kind],
    drawings: Sequence[Sequence[Drawing]],
    boxes: Sequence[Boxes],
    facts: SceneFacts,
    touching: bool,
) -> Scene:
    """The strokes, thing by thing: mostly those of a kind one after the other."""
    things = []
    for number in random.permutation(len(kinds)).tolist():
        some = zip(drawings[number], boxes[number], strict=True)
        things += [(kinds[number].noun, drawing, box) for drawing, box in some]
    if random.random() < 0.3:
        things = [things[n] for n in random.permutation(len(things)).tolist()]
    corner = np.concatenate(boxes)[:, :2].min(0)
    strokes, owners = [], []
    for number, (_, drawing, box) in enumerate(things):
        side = float((box[2:] - box[:2]).max())
        for stroke in drawing.moved(side, box[:2] - corner).strokes:
            strokes.append(np.round(stroke))
            owners.append(number)
    nouns = tuple(noun for noun, _, _ in things)
    return Scene(key, Drawing(tuple(strokes)), tuple(owners), nouns, facts, touching)


# --- files


def write_scenes(path: Path, scenes: Iterable[Scene]) -> int:
    """Write scenes as lines of JSON, gzipped where the file's name ends in .gz; how many there were.

    Each is a line of Quick, Draw!'s form with more to it: `caption`, `things` (nouns), `owners` (of each
    stroke the number of its thing) and `touching`.
    """
    count = 0
    with writing(path) as stream:
        packed = gzip.GzipFile("", "wb", mtime=0, fileobj=stream) if path.suffix == ".gz" else stream
        for scene in scenes:
            line = {
                "key_id": scene.key,
                "caption": scene.caption,
                "things": list(scene.nouns),
                "owners": list(scene.owners),
                "touching": scene.touching,
                "drawing": [stroke.astype(int).T.tolist() for stroke in scene.drawing.strokes],
            }
            packed.write((json.dumps(line, separators=(",", ":")) + "\n").encode())
            count += 1
        if packed is not stream:
            packed.close()
    return count


def read_scenes(path: Path) -> list[Scene]:
    """The scenes of a file of `write_scenes`. Raises InputError, with the line, for what is none."""
    opened = gzip.open if path.suffix == ".gz" else open
    found = []
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    found.append(_scene(json.loads(line)))
                except (InputError, KeyError, TypeError, ValueError) as error:
                    raise InputError(
                        f"{path}, line {number} is no scene of `unprompt doodle scenes`: {error}"
                    ) from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if not found:
        raise InputError(f"{path} has no scenes; write some with: unprompt doodle scenes DRAWINGS --out FILE")
    return found


def _scene(entry: Mapping[str, Any]) -> Scene:
    nouns = tuple(map(str, entry["things"]))
    drawing = Drawing(tuple(np.array(stroke[:2], float).T for stroke in entry["drawing"]))
    owners = tuple(map(int, entry["owners"]))
    if len(owners) != len(drawing.strokes) or set(owners) != set(range(len(nouns))):
        raise InputError("owners does not name the thing of each stroke")
    facts = read_facts(str(entry["caption"]), nouns)
    if facts.counts != {noun: nouns.count(noun) for noun in nouns}:
        raise InputError(f"its caption '{entry['caption']}' is not about its things")
    return Scene(str(entry["key_id"]), drawing, owners, nouns, facts, bool(entry.get("touching")))
