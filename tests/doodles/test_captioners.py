"""Captioners: strokes become groups, groups become nouns and counts; what learns does so again the same."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.doodles.own import BY_WORD, FACE, HOUSE, LADDER, SUN, doodles
from unprompt.cli import main
from unprompt.doodles import grades
from unprompt.doodles.caption_files import caption_files
from unprompt.doodles.caption_scores import mean_scores, score_caption
from unprompt.doodles.captioners import NOTHING, GroupCaptioner, TemplateCaptioner, read_group_network
from unprompt.doodles.drawing import Drawing, joined, take
from unprompt.doodles.facts import Kind, SceneFacts
from unprompt.doodles.grade_config import GradeConfig
from unprompt.doodles.grades import Graded, grade_captioners, grade_page, open_captioner, table_of
from unprompt.doodles.grid_captioner import Writer, find_tokens, read_tokens, write_tokens
from unprompt.doodles.grid_config import GridConfig, GridTraining, LstmTraining
from unprompt.doodles.group_config import CaptionConfig, GroupConfig, GroupTraining
from unprompt.doodles.group_network import GroupNetwork, Told
from unprompt.doodles.groups import (
    Named,
    connected_groups,
    gather,
    group_strokes,
    renamed,
    settle,
    tell_groups,
)
from unprompt.doodles.ink import ink
from unprompt.doodles.nouns import SOMETHING
from unprompt.doodles.paint_config import FOLLOW
from unprompt.doodles.round_trip import Trip, score_trips
from unprompt.doodles.scenes import compose_scenes
from unprompt.doodles.scenes_config import SceneConfig
from unprompt.doodles.strokes import see_strokes
from unprompt.doodles.train_grid import train_grid, train_lstm
from unprompt.doodles.train_groups import judge_pairs, things_of, train_groups
from unprompt.doodles.way_grades import grade_way
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.learning.schedule import TrainingMachine

TINY = GroupTraining(
    scenes=24,
    stroke_epochs=1,
    join_epochs=1,
    group_epochs=2,
    stroke_width=16,
    stroke_layers=1,
    group_width=16,
    group_layers=1,
    heads=2,
    batch=8,
)
CPU = TrainingMachine("cpu")
SHEET = joined([HOUSE, SUN.moved(0.5, (200, -60)), LADDER.moved(1, (300, 0)), LADDER.moved(0.9, (420, 5))])


class Nearest:
    """Names a drawing by our own one that its ink is most alike."""

    words = tuple(sorted(BY_WORD))

    def __init__(self) -> None:
        self._known = np.stack([self._look(BY_WORD[word]) for word in self.words])

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> np.ndarray:
        if not drawings:
            return np.zeros((0, len(self.words)), np.float32)
        alike = np.stack([self._look(drawing) for drawing in drawings]) @ self._known.T
        raised = np.exp(20 * (alike - alike.max(1, keepdims=True)))
        return (raised / raised.sum(1, keepdims=True)).astype(np.float32)

    @staticmethod
    def _look(drawing: Drawing) -> np.ndarray:
        seen = ink(drawing.fitted(16, 1), 16, 16, 2.0).ravel()
        return seen / np.linalg.norm(seen)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("captioner") / "run"
    train_groups(doodles(2), Nearest(), out, TINY, CPU)
    return out


# --- groups


def test_strokes_that_lie_apart_are_things_of_their_own() -> None:
    groups = connected_groups(SHEET)
    counts = [len(drawing.strokes) for drawing in (HOUSE, SUN, LADDER, LADDER)]
    assert [len(group.strokes) for group in groups] == counts
    np.testing.assert_allclose(groups[0].box, [0, 5, 100, 100])
    assert connected_groups(Drawing(())) == []


def test_the_template_counts_equal_names() -> None:
    (caption, nothing) = TemplateCaptioner(Nearest()).caption([SHEET, Drawing(())])
    assert caption.text == "a house to the left of two ladders, with a sun in the sky"
    assert nothing.text == NOTHING


def test_kinds_are_named_by_all_their_groups_together() -> None:
    words = ("cat", "dog", "cow")
    # The second is a dog by itself, but of one kind with the first, which is surely a cat.
    logits = np.array([[5, 0, 0, -9], [1, 2, 0, -9], [0, 0, 4, -9], [0, 0, 0, 9.0]])
    same = np.full((4, 4), -5.0)
    same[0, 1] = same[1, 0] = 5
    named = settle(logits, same, words, 0.3)
    assert (named.nouns, named.groups) == (("cat", "cow"), ((0, 1), (2,)))
    same[0, 1] = same[1, 0] = -5
    assert settle(logits, same, words, 0.3).nouns == ("cat", "dog", "cow")


def test_equal_nouns_are_one_kind_and_unsure_ones_something() -> None:
    logits = np.array([[4, 0, -9], [5, 0, -9], [0.1, 0, -9]])
    named = settle(logits, np.full((3, 3), -5.0), ("cat", "dog"), 0.6)
    assert (named.nouns, named.groups) == (("cat", SOMETHING), ((0, 1), (2,)))
    assert named.sure[1] == pytest.approx(1 / (1 + np.exp(-0.1)))
    # What is all no thing is named all the same: a sheet with strokes is not empty.
    assert settle(np.array([[3, 0, 9.0]]), np.zeros((1, 1)), ("cat", "dog"), 0).nouns == ("cat",)


def test_what_somebody_says_of_a_thing_is_said_of_its_kind_but_of_what_has_its_own_word() -> None:
    groups = connected_groups(SHEET)  # a house, a sun, two ladders
    house, sun, ladder, other = (group.strokes[0] for group in groups)
    named = Named(("barn", "ladder", SOMETHING), (0.5, 0.6, 0.1), ((0,), (2, 3), (1,)))

    def kinds(words: dict[int, str]) -> dict[str, tuple[int, ...]]:
        found = renamed(named, groups, words)
        return dict(zip(found.nouns, found.groups, strict=True))

    assert kinds({}) == dict(zip(named.nouns, named.groups, strict=True))
    assert kinds({house: "house"}) == {"house": (0,), "ladder": (2, 3), SOMETHING: (1,)}
    assert kinds({other: "fence"}) == {"barn": (0,), "fence": (2, 3), SOMETHING: (1,)}
    assert kinds({ladder: "fence", other: "gate"})["gate"] == (3,)
    assert kinds({sun: "barn"}) == {"barn": (0, 1), "ladder": (2, 3)}
    assert renamed(Named(("barn",), (0.5,), ((0,),)), groups, {sun: "sun"}).groups == ((0,), (1,))


def test_a_group_is_a_thing_where_it_has_most_of_its_ink() -> None:
    sheet = Drawing(([(0, 0), (10, 0)], [(0, 1), (4, 1)], [(50, 0), (60, 0)], [(50, 1), (53, 1)]))
    owners = (0, 0, 1, 1)

    def things(*those: list[int]) -> list[int]:
        from unprompt.doodles.groups import group_of

        return things_of(sheet, owners, [group_of(sheet, one) for one in those])

    assert things([0, 1], [2, 3]) == [0, 1]
    assert things([0], [1], [2, 3]) == [0, -1, 1]  # 4 of 14 is a piece
    assert things([0, 1, 2, 3]) == [0]


def test_filling_changes_no_answer() -> None:
    torch.manual_seed(0)
    network = GroupNetwork(GroupConfig(16, 1, 16, 1, 2, words=("cat", "dog"))).eval()
    small, large = joined([HOUSE, SUN.moved(1, (150, 0))]), joined([SUN, FACE, LADDER, HOUSE])
    with torch.no_grad():
        alone = network.strokes(gather([see_strokes(small)]))[0]
        both = network.strokes(gather([see_strokes(small), see_strokes(large)]))[0]
        count = len(small.strokes)
        torch.testing.assert_close(both[:count, :count], alone, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone, alone.T)
        each, pairs = (torch.from_numpy(part)[None] for part in tell_groups(SHEET, connected_groups(SHEET)))
        there = torch.ones(1, 4, dtype=torch.bool)
        answers = torch.rand(1, 4, 2).softmax(2)
        logits, same = network.names(Told(each, pairs, there), answers)
        wide = torch.nn.functional.pad(each, (0, 0, 0, 3)), torch.nn.functional.pad(pairs, (0, 0, 0, 3, 0, 3))
        told = Told(*wide, torch.nn.functional.pad(there, (0, 3)))
        padded, others = network.names(told, torch.nn.functional.pad(answers, (0, 0, 0, 3)))
        torch.testing.assert_close(padded[:, :4], logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(others[:, :4, :4], same, atol=1e-4, rtol=1e-4)


def test_pairs_are_judged_each_once_without_filling() -> None:
    same = torch.tensor([[[0.0, 2.0, 9.0], [2.0, 0.0, 9.0], [9.0, 9.0, 0.0]]])
    loss, right = judge_pairs(same, torch.tensor([[4, 4, -1]]))
    assert loss.item() == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-5)
    assert right.item() == 1
    loss, right = judge_pairs(same, torch.tensor([[4, 5, -1]]))
    assert loss.item() == pytest.approx(np.log1p(np.exp(2.0)), rel=1e-5)
    assert right.item() == 0


# --- learning


def test_a_training_leaves_a_captioner_and_all_about_it(trained: Path) -> None:
    record = json.loads((trained / "captioner.json").read_text())
    assert record["bits"] == 16
    assert record["network"]["words"] == sorted(BY_WORD)
    assert record["drawings"]["learnt_from"] == 8
    assert (trained / "strokes" / "metrics.csv").is_file()
    captions = GroupCaptioner(read_group_network(trained / "captioner.safetensors"), Nearest(), 0).caption(
        [SHEET, Drawing(()), SUN]
    )
    assert [bool(caption.facts.kinds) for caption in captions] == [True, False, True]
    assert captions[1].text == NOTHING
    assert set(captions[0].facts.counts) <= set(BY_WORD)


def test_a_captioner_says_what_it_is_told_of_a_thing(trained: Path) -> None:
    captioner = GroupCaptioner(read_group_network(trained / "captioner.safetensors"), Nearest(), 0)
    nothing, told = captioner.caption([Drawing(()), take(SUN, [0])], [{}, {0: "moon"}])
    assert (nothing.text, told.facts.counts) == (NOTHING, {"moon": 1})


class Farmer:
    """A namer of other words."""

    words = ("cow", "house", "pig", "sun")

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> np.ndarray:
        return np.full((len(drawings), 4), 0.25, np.float32)


def test_a_namer_of_other_words_is_refused_before_anything_is_made(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "taught with 4 words and the namer has 4 words, 2 of them the same; give the namer"
    weights = trained / "captioner.safetensors"
    with pytest.raises(CheckpointError, match=told):
        GroupCaptioner(read_group_network(weights), Farmer())
    with pytest.raises(CheckpointError, match=told):
        open_captioner(weights, Farmer(), 0.0)
    monkeypatch.setattr(grades, "compose_scenes", lambda *_: pytest.fail("scenes were composed"))
    with pytest.raises(CheckpointError, match=told):
        grade_captioners(doodles(2), Farmer(), GradeConfig(weights), doodles(2))
    strange = [*doodles(2), replace(doodles()[0], word="unicorn")]
    with pytest.raises(InputError, match="has 'unicorn', which is none of the 4 words"):
        grade_captioners(strange, Nearest(), GradeConfig(weights), doodles(2))


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        (GroupTraining, {"heads": 5}, "stroke_width must be a multiple of 5 heads, got 96"),
        (GroupTraining, {"group_width": 90}, "group_width must be a multiple of 4 heads, got 90"),
        (GroupConfig, {"stroke_width": 18}, "stroke_width must be a multiple of 4 heads, got 18"),
        (GridTraining, {"width": 250}, "width must be a multiple of 4 heads, got 250"),
        (GridConfig, {"heads": 3}, "width must be a multiple of 3 heads, got 256"),
        (GridConfig, {"heads": 0}, "width, heads and layers of a writer must be at least 1"),
    ],
)
def test_widths_that_the_heads_do_not_divide_are_refused(
    kind: type, settings: dict[str, int], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        kind(**settings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["groups", "--heads", "5"], "stroke_width must be a multiple of 5 heads"),
        (["grid", "--width", "250"], "width must be a multiple of 4 heads"),
        (["cnn-lstm", "--size", "1"], "size must be at least 32"),
    ],
)
def test_sizes_that_no_network_has_are_told_before_drawings_are_read(
    given: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]
    assert main(["doodle", "train", *places, "--model", *given]) == 1
    assert told in capsys.readouterr().err


def test_below_a_threshold_it_says_something(trained: Path) -> None:
    network = read_group_network(trained / "captioner.safetensors")
    (caption,) = GroupCaptioner(network, Nearest(), 1.0).caption([SUN])
    assert set(caption.facts.counts) == {SOMETHING}
    assert caption.sure < 1


def test_a_training_that_was_killed_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(step: str, done: int, total: int) -> None:
        if step == "naming things":
            raise Killed

    with pytest.raises(Killed):
        train_groups(doodles(2), Nearest(), tmp_path / "run", TINY, CPU, progress=kill)
    learnt = train_groups(doodles(2), Nearest(), tmp_path / "run", TINY, CPU)
    assert learnt.resumed
    name = "captioner.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (trained / name).read_bytes()


def test_words_that_the_namer_does_not_know_are_refused(tmp_path: Path) -> None:
    strange = [replace(one, word="unicorn") for one in doodles()]
    with pytest.raises(InputError, match="1 words of these drawings are none of the namer's, first: unicorn"):
        train_groups(strange, Nearest(), tmp_path / "run", TINY, CPU)
    with pytest.raises(CheckpointError):
        read_group_network(tmp_path / "captioner.safetensors")


@pytest.mark.slow
def test_it_learns_to_tell_things_that_touch(tmp_path: Path) -> None:
    """Where things touch, connected strokes are no things; a captioner of four words tells them apart."""
    small = {"stroke_width": 48, "stroke_layers": 2, "group_width": 64, "group_layers": 1}
    config = GroupTraining(
        scenes=128, stroke_epochs=6, group_epochs=10, touching=1.0, traced=0.0, batch=8, **small
    )
    train_groups(doodles(2), Nearest(), tmp_path / "run", config, CPU)
    captioner = GroupCaptioner(read_group_network(tmp_path / "run" / "captioner.safetensors"), Nearest())
    scenes = list(compose_scenes(doodles(3), SceneConfig(40, 9, "any", 1.0)))

    def grade(captions: Sequence[object]) -> dict[str, float]:
        return mean_scores(
            [score_caption(one.facts, scene.facts) for one, scene in zip(captions, scenes, strict=True)]  # type: ignore[attr-defined]
        )

    drawings = [scene.drawing for scene in scenes]
    learnt, plain = grade(captioner.caption(drawings)), grade(TemplateCaptioner(Nearest()).caption(drawings))
    assert learnt["nouns"] > 0.9
    assert learnt["exact"] > max(0.5, plain["exact"] + 0.2)


# --- a writer over places


def test_facts_are_written_and_read_as_tokens() -> None:
    facts = SceneFacts((Kind("cat", 2), Kind("dog"), Kind("sun", 1, True)), ("beside",))
    tokens = write_tokens(facts)
    assert tokens == ["2", "cat", "beside", "1", "dog", "in the sky", "1", "sun"]
    assert set(tokens) <= set(find_tokens(("cat", "dog", "sun")))
    assert read_tokens(["<start>", *tokens, "<end>"]) == facts
    assert read_tokens(["beside", "cat", "above", "on", "3", "dog", "in the sky"]) == SceneFacts(
        (Kind("cat"), Kind("dog", 3)), ("on",)
    )
    for scene in compose_scenes(doodles(), SceneConfig(20, 2, "any")):
        assert read_tokens(write_tokens(scene.facts)) == scene.facts


def test_a_writer_looks_at_the_picture_and_not_ahead() -> None:
    torch.manual_seed(0)
    writer = Writer(GridConfig(find_tokens(("cat", "dog")), 12, size=64, width=16, heads=2)).eval()
    places, tokens = torch.randn(2, 4, 12), torch.tensor([[1, 5, 24, 3], [1, 5, 24, 3]])
    with torch.no_grad():
        logits = writer(places, tokens)
        assert (logits[0] - logits[1]).abs().max() > 1e-3
        later = tokens.clone()
        later[:, 3] = 7
        torch.testing.assert_close(writer(places, later)[:, :3], logits[:, :3])
        rows, sure = writer.write(places)
    assert all(token in writer.config.tokens for row in rows for token in row)
    assert all(0 < one <= 1 for one in sure)


def test_strokes_are_grouped_by_what_was_learnt(trained: Path) -> None:
    network = read_group_network(trained / "captioner.safetensors")
    (groups,) = group_strokes(network, [SHEET], Nearest())
    assert sorted(n for group in groups for n in group.strokes) == list(range(len(SHEET.strokes)))
    for group in groups:
        low, high = take(SHEET, group.strokes).bounds
        np.testing.assert_array_equal(group.box, [*low, *high])


# --- files


def test_a_table_has_a_caption_for_each_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroupCaptioner, "load", lambda *_: TemplateCaptioner(Nearest()))
    lines = [
        {"key_id": "b", "drawing": [stroke.T.tolist() for stroke in SHEET.strokes]},
        {"key_id": "a", "drawing": [stroke.T.tolist() for stroke in HOUSE.strokes]},
        {"key_id": "none", "drawing": []},
        {"key_id": "a", "drawing": [stroke.T.tolist() for stroke in FACE.strokes]},
    ]
    path = tmp_path / "sheets.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = caption_files([path], CaptionConfig(), tmp_path / "captions.csv", "cpu")
    assert (tmp_path / "captions.csv").read_text().splitlines() == [
        "imgId,caption",
        'b,"a house to the left of two ladders, with a sun in the sky"',
        "a,a house",
    ]
    empty, twice = done.problems
    assert (empty.image_id, twice.image_id) == ("none", "a")
    assert "empty" in empty.problem
    assert "twice" in twice.problem
    rows = (tmp_path / "captions.problems.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["imgId", "none", "a"]


def test_several_files_are_captioned_and_none_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, drawing in (("house", HOUSE), ("face", FACE)):
        line = {"key_id": name, "drawing": [stroke.T.tolist() for stroke in drawing.strokes]}
        Path(f"{name}.ndjson").write_text(json.dumps(line) + "\n")
    for action in ("caption", "name"):
        given = ["house.ndjson", "face.ndjson", "--out", f"{action}.csv", "--device", "cpu"]
        assert main(["doodle", action, *given]) == 0
        rows = Path(f"{action}.csv").read_text().splitlines()[1:]
        assert list(dict.fromkeys(row.split(",")[0] for row in rows)) == ["house", "face"]
        assert main(["doodle", action, "no.ndjson", *given]) == 1
        assert "no.ndjson does not exist" in capsys.readouterr().err


def test_grades_of_one_scene_have_no_intervals() -> None:
    (scene,) = compose_scenes(doodles(2), SceneConfig(1, 0))
    said = {"template": TemplateCaptioner(Nearest()).caption([scene.drawing])}
    scores = {"nouns": 0.5, "counts": 1.0, "relations": float("nan"), "exact": 0.0}
    way = grade_way(doodles(1)[:1], Nearest(), TemplateCaptioner(Nearest()), trips=0, pictures=0)
    trips = score_trips([Trip(scene.facts, scene.caption, scene.caption, scene.facts, scene.facts)])
    graded = Graded(
        {"apart": [scene]}, {"apart": said}, {"apart": {"template": [scores]}}, replace(way, trips=trips)
    )
    told = json.loads(json.dumps(graded.as_dict(), allow_nan=False))
    assert told["captions"]["apart"]["template"]["nouns"] == {"mean": 0.5, "low": None, "high": None}
    assert told["names"]["top_1"] == {"mean": 1.0, "low": None, "high": None}
    assert told["round_trips"]["scores"]["exact"] == 1
    assert told["round_trips"]["intervals"]["exact"] == [None, None]
    first, *lines = table_of(graded).splitlines()
    assert first.endswith(": 1.000")
    (row,) = [line for line in lines if line.startswith("  template")]
    assert "0.500" in row
    assert "(" not in row
    page = grade_page(graded)
    assert "0.500" in page
    assert " to " not in page[page.index("<td>template") :].partition("</tr>")[0]


def test_grades_are_of_all_parts_and_make_a_page(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grades, "LEARNT", 60)  # scenes, of which a thousand take longer than all else
    config = GradeConfig(trained / "captioner.safetensors", count=4, trips=3, pictures=2, shown=3)
    graded = grade_captioners(doodles(2), Nearest(), config, doodles(2))
    told = graded.as_dict()
    found = told["captions"]
    assert list(found) == ["apart", "touching", "any noun", "pixels"]
    for part in found.values():
        assert list(part) == ["captioner", "template", "constant", "nearest"]
        assert part["captioner"]["scenes"] == 4
    # Drawings of only four kinds that lie apart are easy for the plain way, where one caption is not enough.
    assert found["apart"]["template"]["nouns"]["mean"] > 0.8 > found["apart"]["constant"]["nouns"]["mean"]
    assert told["names"]["top_1"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert 0 < told["round_trips"]["scenes"] <= 3
    assert told["round_trips"]["scores"]["exact"] <= told["round_trips"]["scores"]["nouns"]
    assert list(told["followed"]) == list(FOLLOW)
    assert told["followed"]["exactly"]["above_chance"] > told["followed"]["loosely"]["above_chance"]
    page = grade_page(graded, config)
    assert page.count("<tr><td>") >= 2 + 1 + len(FOLLOW)
    assert page.count("<figure") == 3
    assert graded.scenes["apart"][0].caption in page
    assert not re.findall(r"https?:|@import|url\(", page.replace("http://www.w3.org", ""))
    assert "exact" in table_of(graded)


@pytest.mark.slow
def test_captioners_of_pixels_learn_and_are_graded(tmp_path: Path) -> None:
    shared = {"scenes": 24, "epochs": 1, "batch": 8, "size": 64, "width": 16}
    try:
        train_grid(doodles(2), tmp_path / "grid", GridTraining(**shared), "cpu")  # type: ignore[arg-type]
    except CheckpointError as error:
        pytest.skip(str(error))
    train_lstm(doodles(2), tmp_path / "lstm", LstmTraining(**shared), "cpu")  # type: ignore[arg-type]
    for name in ("grid", "lstm"):
        captioner = open_captioner(tmp_path / name / "captioner.safetensors", Nearest(), 0.0)
        captions = captioner.caption([SHEET, SUN, Drawing(())])
        assert len(captions) == 3
        assert captions[2].text == NOTHING
