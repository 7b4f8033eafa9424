"""Composed scenes: what captions say is there, the same for a seed, and read back from files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.doodles.own import BY_WORD, doodles
from unprompt.doodles.facts import gaps_of, read_facts, same_facts
from unprompt.doodles.scenes import APART, OVERLAP, UNIT, Scene, compose_scenes, read_scenes, write_scenes
from unprompt.doodles.scenes_config import SceneConfig
from unprompt.errors import ConfigError, InputError

APARTS = SceneConfig(60, 3, "any")
TOUCHING = replace(APARTS, touch=1.0)


def gaps(scene: Scene) -> list[float]:
    boxes = scene.boxes
    return [max(gaps_of(boxes[a], boxes[b])) for a in range(len(boxes)) for b in range(a)]


@pytest.mark.parametrize(
    "config", [APARTS, TOUCHING, replace(APARTS, warp=1.0)], ids=["apart", "touching", "warped"]
)
def test_captions_are_true_of_their_scenes(config: SceneConfig) -> None:
    seen: Counter[str] = Counter()
    for scene in compose_scenes(doodles(3), config):
        assert read_facts(scene.caption, tuple(BY_WORD)) == scene.facts
        assert scene.facts.counts == Counter(scene.nouns)
        assert same_facts(scene.read(), scene.facts)
        assert len(scene.owners) == len(scene.drawing.strokes)
        # Each thing has the strokes of its word's drawing.
        for noun, strokes in zip(scene.nouns, scene.things, strict=True):
            assert len(strokes) == len(BY_WORD[noun].strokes)
        seen.update(scene.facts.relations)
        seen.update(f"{kind.count} in the sky" for kind in scene.facts.sky)
    assert {"beside", "to the left of", "above", "below", "1 in the sky"} <= set(seen)
    assert ("on" in seen) == (config.touch > 0)


def test_things_touch_where_they_are_to() -> None:
    for scene in compose_scenes(doodles(3), APARTS):
        assert not scene.touching
        assert min(gaps(scene), default=np.inf) > APART * UNIT - 2  # numbers are rounded
    for scene in compose_scenes(doodles(3), TOUCHING):
        assert scene.touching
        assert min(gaps(scene)) < APART * UNIT + 2
        boxes = scene.boxes
        for a in range(len(boxes)):
            for b in range(a):
                common = np.prod(-np.minimum(gaps_of(boxes[a], boxes[b]), 0))
                smaller = min(np.prod(box[2:] - box[:2]) for box in (boxes[a], boxes[b]))
                assert common <= (OVERLAP + 0.05) * smaller


def test_a_seed_gives_the_same_scenes_however_many(tmp_path: Path) -> None:
    few, many = (tmp_path / name for name in ("few.ndjson", "many.ndjson"))
    assert write_scenes(few, compose_scenes(doodles(2), replace(TOUCHING, count=4))) == 4
    write_scenes(many, compose_scenes(doodles(2), replace(TOUCHING, count=9)))
    assert many.read_bytes().startswith(few.read_bytes())
    write_scenes(few, compose_scenes(doodles(2), replace(TOUCHING, count=4, seed=4)))
    assert not many.read_bytes().startswith(few.read_bytes())


@pytest.mark.parametrize("name", ["scenes.ndjson", "scenes.ndjson.gz"])
def test_files_of_scenes_are_read_back(name: str, tmp_path: Path) -> None:
    scenes = list(compose_scenes(doodles(2), replace(APARTS, count=5, touch=0.5)))
    write_scenes(tmp_path / name, scenes)
    for one, other in zip(read_scenes(tmp_path / name), scenes, strict=True):
        assert (one.key, one.owners, one.nouns, one.facts, one.touching) == (
            other.key,
            other.owners,
            other.nouns,
            other.facts,
            other.touching,
        )
        assert all(map(np.array_equal, one.drawing.strokes, other.drawing.strokes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"caption": "a unicorn"}, "'a' in 'a unicorn' is not understood"),
        ({"caption": "four ladders and"}, "not understood"),
        ({"caption": ""}, "is not about its things"),
        ({"owners": [0]}, "owners does not name the thing of each stroke"),
        ({"drawing": 3}, "not iterable"),
        ({"things": None}, "not iterable"),
    ],
)
def test_a_damaged_line_is_named(change: dict[str, object], said: str, tmp_path: Path) -> None:
    path = tmp_path / "scenes.ndjson"
    write_scenes(path, compose_scenes(doodles(2), replace(APARTS, count=2)))
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{json.dumps({**json.loads(second), **change})}\n")
    with pytest.raises(InputError, match=rf"scenes.ndjson, line 2 is no scene .*{said}"):
        read_scenes(path)


def test_what_is_no_file_of_scenes_says_so(tmp_path: Path) -> None:
    (tmp_path / "cut.ndjson.gz").write_bytes(b"not gzipped")
    for name, said in (("cut.ndjson.gz", "cannot read"), ("none.ndjson", "cannot read")):
        with pytest.raises(InputError, match=said):
            read_scenes(tmp_path / name)
    (tmp_path / "empty.ndjson").write_bytes(b"")
    with pytest.raises(InputError, match="has no scenes"):
        read_scenes(tmp_path / "empty.ndjson")


def test_scenes_need_words_and_fitting_settings() -> None:
    with pytest.raises(InputError, match="at least 3 words for things, there are 0"):
        next(compose_scenes([], APARTS))
    with pytest.raises(InputError, match="there are 1"):
        next(compose_scenes([one for one in doodles() if one.word == "house"], APARTS))
    for wrong in ({"touch": 1.5}, {"nouns": "some"}, {"most_count": 5}, {"count": 0}):
        with pytest.raises(ConfigError):
            SceneConfig(**wrong)
