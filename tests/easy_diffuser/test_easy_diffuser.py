"""Easy Diffuser: tags and prompts, what is learned of them, how it is graded, sessions, and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.easy_diffuser.test_webui_client import answering, encoded, picture, serving
from tests.interrogator_world import write_world
from tests.tiny_clip import write_tiny_clip
from unprompt import easy_diffuser
from unprompt.bundle.loaded import LoadedBundle
from unprompt.cli import main
from unprompt.easy_diffuser.config import FitConfig, NegativeConfig
from unprompt.easy_diffuser.errors import OrderError
from unprompt.easy_diffuser.fit import draw_rows, fit, learn_relatedness
from unprompt.easy_diffuser.grading import Share, auc, auc_interval, calibration, grade, why_no_skill
from unprompt.easy_diffuser.negative import chosen_words
from unprompt.easy_diffuser.places import picture_places
from unprompt.easy_diffuser.relatedness import (
    Relatedness,
    best_threshold,
    fit_sigmoid,
    read_relatedness,
    related,
    sigmoid,
    write_relatedness,
)
from unprompt.easy_diffuser.round_trips import RoundTrips, make_round_trips
from unprompt.easy_diffuser.session import Result, Session
from unprompt.easy_diffuser.space import check_space, space_of
from unprompt.easy_diffuser.tags import bare_words, find_mentions, plurals, read_tags
from unprompt.errors import ConfigError, InputError, RunError, UnreadableImageError
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.painting.webui_errors import WebUIError
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.grammar import read_scene
from unprompt.records import Prompts
from unprompt.storage.images import ImageFile, encode_png, find_images

LEARNED = Relatedness(a=20.0, b=-8.0, threshold=0.3, bundle="tiny", space=(0.5,), tags=("a", "b", "c"))


def trips(count: int, tags: int, a: float, b: float, seed: int = 0) -> RoundTrips:
    """Round trips in which sigmoid(a * cosine + b) is the truth."""
    random = np.random.default_rng(seed)
    cosines = random.normal(0.2, 0.08, (count, tags)).astype(np.float32)
    there = random.random((count, tags)) < sigmoid(a * cosines.astype(np.float64) + b)
    return RoundTrips(tuple(f"i{row}" for row in range(count)), cosines, there)


class TestTags:
    @pytest.mark.parametrize(
        ("tag", "prompt", "there"),
        [
            ("cat", "a Cat, on a mat", True),
            ("cat", "two cats", True),
            ("cat", "a cat's tail", True),
            ("cat", "concatenated category", False),
            ("cats", "a cat", False),
            ("fox", "three foxes", True),
            ("cherry", "cherries", True),
            ("boy", "boys", True),
            ("wolf", "a pack of wolves", True),
            ("knife", "knives", True),
            ("cap", "heroes in capes", False),
            ("person", "many people", True),
            ("snowman", "snowmen", True),
            ("hot air balloon", "hot-air balloons over a lake", True),
            ("hot air balloon", "hot balloon in the air", False),
            ("balloon", "a hot air balloon in oil", True),
            ("ice cream", "ice, cream", True),
        ],
    )
    def test_words_one_after_the_other_in_singular_or_plural(
        self, tag: str, prompt: str, there: bool
    ) -> None:
        assert find_mentions([f"artstation, {prompt}, trending"], [tag])[0, 0] == there

    def test_the_pocket_grammar_knows_what_is_shown(self) -> None:
        tags = ["dog", "cat", "stag", "deer", "in a forest", "guide dog", "black cat"]
        shown = {
            "a hot dog": set(),
            "two guide dogs": {"dog", "guide dog"},
            "a black cat": {"cat", "black cat"},
            "a deer": {"stag", "deer"},
            "a dog next to a cat": {"dog", "cat"},
        }
        rows = find_mentions(list(shown), tags)
        for row, expected in zip(rows, shown.values(), strict=True):
            assert {tag for tag, there in zip(tags, row, strict=True) if there} == expected

    def test_plurals_that_would_be_other_words_are_not_made(self) -> None:
        assert plurals("cap") == {"caps"}
        assert plurals("glass") == {"glasses"}
        assert plurals("potato") == {"potatos", "potatoes"}
        assert plurals("city") == {"cities"}
        assert bare_words("A fox’s den, sci-fi!") == ["a", "fox", "den", "sci", "fi"]

    def test_the_lists_of_the_package(self) -> None:
        common, pocket = read_tags("common"), read_tags("pocket")
        assert len(common) > 300
        assert len(pocket) > 1000
        assert all(tag == tag.strip() and bare_words(tag) for tag in common + pocket)
        assert len(set(map(str.lower, common))) == len(common)

    def test_a_file_of_ones_own(self, tmp_path: Path) -> None:
        path = tmp_path / "tags.txt"
        path.write_text("# mine\n\n a  red fox \ncat\ncat\n", encoding="utf-8")
        assert read_tags(path) == read_tags(str(path)) == ("a red fox", "cat")
        path.write_text("cat\n!!\n")
        with pytest.raises(InputError, match="line 2: '!!' has no letter"):
            read_tags(path)
        path.write_text("# nothing\n")
        with pytest.raises(InputError, match="has no tags"):
            read_tags(path)
        with pytest.raises(InputError, match="no list of tags nowhere"):
            read_tags("nowhere")


class TestLearning:
    def test_the_truth_is_found_again(self) -> None:
        data = trips(400, 300, 25.0, -9.0)
        a, b = fit_sigmoid(data.cosines.ravel(), data.there.ravel())
        assert a == pytest.approx(25, rel=0.03)
        assert b == pytest.approx(-9, rel=0.03)

    def test_scikit_learn_finds_the_same(self) -> None:
        linear = pytest.importorskip("sklearn.linear_model")
        data = trips(30, 20, 15.0, -4.0)
        cosines, there = data.cosines.ravel().astype(np.float64), data.there.ravel()
        hits, misses = there.sum(), (~there).sum()
        targets = np.where(there, (hits + 1) / (hits + 2), 1 / (misses + 2))
        theirs = linear.LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
        theirs.fit(
            np.concatenate([cosines, cosines])[:, None],
            np.repeat([1, 0], len(cosines)),
            sample_weight=np.concatenate([targets, 1 - targets]),
        )
        a, b = fit_sigmoid(cosines, there)
        assert a == pytest.approx(float(theirs.coef_[0, 0]), rel=1e-4)
        assert b == pytest.approx(float(theirs.intercept_[0]), rel=1e-4)

    def test_parted_without_an_error_still_has_an_answer(self) -> None:
        cosines = np.array([0.1, 0.2, 0.6, 0.7])
        a, b = fit_sigmoid(cosines, cosines > 0.5)
        r = sigmoid(a * cosines + b)
        assert np.isfinite([a, b]).all()
        # Platt's targets for two hits and two misses are 3/4 and 1/4.
        assert ((r > 0.6) == (cosines > 0.5)).all()
        assert r.mean() == pytest.approx(0.5)

    @pytest.mark.parametrize(
        ("cosines", "there", "says"),
        [
            ([0.1, 0.2], [False, False], "none of 2 pairs"),
            ([0.1, 0.2], [True, True], "all of 2 pairs"),
            ([0.1, 0.1], [True, False], "are the same"),
            ([0.3, 0.2, 0.1], [False, False, True], "no nearer to the images"),
        ],
    )
    def test_where_nothing_can_be_learned(self, cosines: list[float], there: list[bool], says: str) -> None:
        with pytest.raises(InputError, match=says):
            fit_sigmoid(np.array(cosines), np.array(there))

    def test_sigmoid_is_exact_in_both_tails(self) -> None:
        np.testing.assert_allclose(
            sigmoid(np.array([-800.0, -30.0, 0.0, 30.0, 800.0])),
            [0, np.exp(-30) / (1 + np.exp(-30)), 0.5, 1 / (1 + np.exp(-30)), 1],
            rtol=1e-12,
        )

    @given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30))
    @settings(max_examples=200, deadline=None)
    def test_no_threshold_has_a_higher_f1(self, pairs: list[tuple[int, bool]]) -> None:
        r = np.array([level / 9 for level, _ in pairs])
        there = np.array([hit for _, hit in pairs])
        if not there.any():
            return

        def f1(threshold: float) -> float:
            called = r >= threshold
            return float(2 * (called & there).sum() / (called.sum() + there.sum()))

        threshold = best_threshold(r, there)
        assert 0 <= threshold <= 1
        assert f1(threshold) == pytest.approx(max(f1(level) for level in r))

    def test_the_related_come_least_first(self) -> None:
        r = np.array([0.9, 0.1, 0.4, 0.3, 0.4])
        assert related(r, 0.3) == [3, 2, 4, 0]
        assert related(r, 0.95) == []


class TestGrading:
    def test_auc_by_counting_pairs(self) -> None:
        random = np.random.default_rng(0)
        scores = random.integers(0, 6, 60).astype(np.float64)
        there = random.random(60) < 0.3
        wins = [
            1.0 if hit > miss else 0.5 if hit == miss else 0.0
            for hit in scores[there]
            for miss in scores[~there]
        ]
        assert auc(scores, there) == pytest.approx(np.mean(wins))

    def test_bins_by_hand(self) -> None:
        r = np.array([0.1, 0.9, 0.2, 0.8])
        low, high = calibration(r, np.array([False, True, True, True]), bins=2)
        assert (low.low, low.high, low.pairs, low.predicted, low.observed) == (
            0.1,
            0.2,
            2,
            pytest.approx(0.15),
            0.5,
        )
        assert (high.predicted, high.observed) == (pytest.approx(0.85), 1.0)

    def test_wilsons_interval(self) -> None:
        share = Share.of(8, 10)  # a table's value
        assert (share.value, share.low, share.high) == (
            0.8,
            pytest.approx(0.4902, abs=1e-4),
            pytest.approx(0.9433, abs=1e-4),
        )
        assert Share.of(0, 0) == Share(0, 0, 0.0, 0.0, 1.0)
        assert Share.of(0, 5).low == 0
        assert Share.of(5, 5).high == 1

    def test_a_grade_by_hand(self) -> None:
        # r = 0.5 where the cosine is 0.4; related from 0.3, that is from a cosine of 0.358.
        data = RoundTrips(
            ("x", "y", "z"),
            np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.3], [0.9, 0.0, 0.6]], dtype=np.float32),
            np.array([[True, True, False], [True, False, False], [True, False, False]]),
        )
        graded = grade(LEARNED, data)
        assert (graded.images, graded.pairs) == (3, 9)
        assert graded.share == pytest.approx(4 / 9)
        assert (graded.precision.right, graded.precision.count) == (3, 4)
        assert (graded.recall.right, graded.recall.count) == (3, 4)
        assert (graded.chosen.right, graded.chosen.count) == (1, 2)  # b of x, c of z; y has none
        assert (graded.naive.right, graded.naive.count) == (1, 3)  # c of x, a of y, b of z
        assert (graded.naive_there.right, graded.naive_there.count) == (0, 2)
        with pytest.raises(InputError, match="nothing can be graded"):
            grade(LEARNED, replace(data, there=np.zeros((3, 3), dtype=bool)))

    def test_what_is_fitted_right_is_calibrated(self) -> None:
        data = trips(500, 100, 25.0, -9.0)
        right = replace(LEARNED, a=25.0, b=-9.0)
        wrong = replace(LEARNED, a=25.0, b=-6.0)
        assert grade(right, data).calibration_error < 0.005
        assert grade(wrong, data).calibration_error > 0.05
        assert grade(right, data).auc == pytest.approx(grade(wrong, data).auc)

    def test_hanley_and_mcneils_interval(self) -> None:
        # Their own example: 58 normal and 51 abnormal images, an area of 0.893, a standard error of 0.032.
        low, high = auc_interval(0.893, 51, 58)
        assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.001)
        assert (low + high) / 2 == pytest.approx(0.893)

    def test_the_interval_holds_the_auc_of_other_samples(self) -> None:
        random = np.random.default_rng(0)
        drawn = []
        for _ in range(300):
            there = np.arange(2000) < 40
            drawn.append(auc(random.normal(size=2000) + 0.7 * there, there))
        low, high = auc_interval(float(np.mean(drawn)), 40, 1960)
        assert np.mean([low < value < high for value in drawn]) == pytest.approx(0.95, abs=0.03)

    @pytest.mark.parametrize(
        ("held_out", "says"),
        [
            ({}, "has no grade"),
            ({"auc": "x", "share": 0.1, "images": 1, "pairs": 2}, "has no grade"),
            ({"auc": 0.9, "share": 0.0, "images": 100, "pairs": 1000}, "has no grade"),
            ({"auc": 0.70, "share": 0.1, "images": 100, "pairs": 1000}, ""),
            ({"auc": 0.65, "share": 0.1, "images": 100, "pairs": 1000}, "65% of cases (59% to 71%;"),
            # As many pairs, but of few images: each counts for one hit.
            ({"auc": 0.70, "share": 0.1, "images": 10, "pairs": 1000}, "70% of cases (52% to 88%;"),
        ],
    )
    def test_skill_is_all_of_the_interval_above_the_line(
        self, held_out: dict[str, object], says: str
    ) -> None:
        why = why_no_skill(held_out)
        assert says in why
        assert bool(why) == bool(says)


class TestFiles:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        graded = replace(LEARNED, held_out={"auc": 0.9})
        write_relatedness(path, graded)
        assert read_relatedness(path) == graded

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"a": None}, "'a' must be a number"),
            ({"a": -1.0}, "'a' must be above 0"),
            ({"b": True}, "'b' must be a number"),
            ({"threshold": 1.5}, "'threshold' is a relatedness"),
            ({"tags": []}, "'tags' must be a list of texts"),
            ({"tags": "cat"}, "'tags' must be a list of texts"),
            ({"space": ["x"]}, "'space' must be a list of numbers"),
        ],
    )
    def test_other_files_are_refused(self, change: dict[str, object], says: str, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        write_relatedness(path, LEARNED)
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(InputError, match=rf"r\.json: {says}"):
            read_relatedness(path)

    def test_a_file_of_something_else(self, tmp_path: Path) -> None:
        path = tmp_path / "r.json"
        path.write_text('{"a": 1}')
        with pytest.raises(InputError, match="has no 'b'; name a file that"):
            read_relatedness(path)
        with pytest.raises(RunError, match="cannot be written"):
            write_relatedness(path / "r.json", LEARNED)


class TestOrder:
    """What needs no model."""

    def test_without_an_image(self) -> None:
        session = easy_diffuser.start()
        for ask in (session.run, session.send2ui):
            with pytest.raises(OrderError, match="call input_img"):
                ask()

    def test_before_run(self, tmp_path: Path) -> None:
        Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
        session = easy_diffuser.start(tmp_path / "a.png")
        with pytest.raises(OrderError, match=r"call run\(\) before print_caption"):
            session.print_caption()

    def test_what_makes_no_sense(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no\.png: there is no such file"):
            easy_diffuser.start(tmp_path / "no.png")
        with pytest.raises(ConfigError, match="count must be"):
            easy_diffuser.start(count=0)
        with pytest.raises(ConfigError, match="tags must be"):
            easy_diffuser.start(tags=[])
        with pytest.raises(InputError, match="does not exist"):
            easy_diffuser.start(relatedness=tmp_path / "no.json")
        for change in ({"limit": 3}, {"held_out": 1.0}, {"group_cosine": 0.0}):
            with pytest.raises(ConfigError):
                FitConfig(**change)  # type: ignore[arg-type]


TAGS = ("fox", "red bus", "tree", "night")
BUNDLE = """
[[members]]
name = "interrogator"
kind = "interrogator"
weight = 1.0
checkpoint = "{clip}"
captioner = "blip"
phrases = "lists"
"""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_world(tmp_path_factory.mktemp("world"))
    write_tiny_clip(folder / "other", seed=5)
    for clip in ("clip", "other"):
        (folder / f"{clip}.toml").write_text(BUNDLE.format(clip=clip), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def loaded(world: Path) -> LoadedBundle:
    return LoadedBundle.load(str(world / "clip.toml"), "cpu")


@pytest.fixture(scope="module")
def fitted(loaded: LoadedBundle) -> Relatedness:
    """A relatedness whose threshold is the second of four tags' on the first picture."""
    grade = {"auc": 0.9, "share": 0.1, "images": 100, "pairs": 1000}
    return Relatedness(10.0, 0.0, 0.5, "clip", space_of(loaded), TAGS, held_out=grade)


def order(loaded: LoadedBundle, path: Path) -> list[str]:
    """The tags by cosine with a picture, the nearest first."""
    cosines = loaded.likeness([Image.open(path).convert("RGB")], TAGS)[0]
    return [TAGS[row] for row in np.argsort(-cosines)]


class TestSession:
    def test_the_least_related_of_the_related(
        self, loaded: LoadedBundle, fitted: Relatedness, world: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, second = world / "images" / "p0.png", world / "images" / "p1.png"
        nearest = order(loaded, first)
        cosines = np.sort(loaded.likeness([Image.open(first).convert("RGB")], TAGS)[0])
        middle = float(fitted.of((cosines[1] + cosines[2]) / 2))
        session = easy_diffuser.start(first, loaded=loaded, relatedness=replace(fitted, threshold=middle))
        result = session.run()
        assert result is session.result
        assert [one.tag for one in result.related] == nearest[:2]
        assert result.negative == nearest[1]
        image = Image.open(first).convert("RGB")
        assert result.positive == loaded.interrogate([image], "kaggle")[0].prompt
        for one in result.related:
            assert one.relatedness == pytest.approx(float(fitted.of(np.array(one.similarity))))
        session.print_caption()
        assert capsys.readouterr().out == (
            f"positive prompt: {result.positive}\nnegative prompt: {result.negative}\n"
        )
        session.input_img(second)
        assert session.result is None
        with pytest.raises(OrderError):
            session.print_caption()
        image = Image.open(second).convert("RGB")
        assert session.run().positive == loaded.interrogate([image], "kaggle")[0].prompt

    def test_none_related_and_several(self, loaded: LoadedBundle, fitted: Relatedness, world: Path) -> None:
        image = world / "images" / "p0.png"
        none = easy_diffuser.start(image, loaded=loaded, relatedness=replace(fitted, threshold=1.0)).run()
        assert (none.negative, none.related) == ("", ())
        assert none.why_not == "no tag is related to this picture"
        everything = replace(fitted, threshold=0.0)
        some = easy_diffuser.start(image, loaded=loaded, relatedness=everything, count=3).run()
        assert some.negative == ", ".join(order(loaded, image)[:0:-1])
        own = easy_diffuser.start(image, loaded=loaded, relatedness=everything, tags=["a house"], mode="fast")
        assert own.run().negative == "a house"

    def test_one_without_skill_is_not_asked(
        self, loaded: LoadedBundle, fitted: Relatedness, world: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        everything = replace(fitted, threshold=0.0)
        for held_out, says in (
            ({}, "has no grade on held-out images"),
            ({**fitted.held_out, "auc": 0.62}, "in 62% of cases (56% to 68%; the AUC on"),
        ):
            weak = replace(everything, held_out=held_out)
            session = easy_diffuser.start(world / "images" / "p0.png", loaded=loaded, relatedness=weak)
            result = session.run()
            assert (result.negative, result.related) == ("", ())
            assert says in result.why_not
            assert result.positive
        session.print_caption()
        assert f"nothing in it is from the image: {result.why_not}" in capsys.readouterr().out
        worded = easy_diffuser.start(
            world / "images" / "p0.png",
            loaded=loaded,
            relatedness=weak,
            words=NegativeConfig(("marks",), ("logo",)),
        )
        assert worded.run().negative == ", ".join(chosen_words(worded.config.words))
        fair = easy_diffuser.start(world / "images" / "p0.png", loaded=loaded, relatedness=everything)
        assert fair.run().why_not == ""

    def test_another_bundles_relatedness_is_refused(
        self, loaded: LoadedBundle, fitted: Relatedness, world: Path
    ) -> None:
        other = LoadedBundle.load(str(world / "other.toml"), "cpu")
        check_space(fitted, loaded)
        with pytest.raises(ConfigError, match=r"fitted with the bundle 'clip'.* --bundle other --out"):
            easy_diffuser.start(world / "images" / "p0.png", loaded=other, relatedness=fitted).run()
        with pytest.raises(ConfigError, match="no relatedness of tags for the bundle 'clip'"):
            easy_diffuser.start(world / "images" / "p0.png", loaded=loaded).run()

    def test_the_way_to_a_web_ui(
        self, loaded: LoadedBundle, fitted: Relatedness, world: Path, tmp_path: Path
    ) -> None:
        session = easy_diffuser.start(world / "images" / "p0.png", loaded=loaded, relatedness=fitted)
        session.run()
        session.input_img(world / "images" / "p1.png")
        with serving(200, answering(encoded(picture(), "JPEG"))) as server:
            (path,) = session.send2ui(server.url, steps=3, out=tmp_path / "output.png", seed=1)
            (_, _, fields) = server.asked[0]
        assert session.result is not None
        assert fields == {
            "prompt": session.result.positive,
            "negative_prompt": session.result.negative,
            "steps": 3,
            "seed": 1,
        }
        with Image.open(path) as image:
            assert image.format == "PNG"

    def test_the_command(
        self,
        fitted: Relatedness,
        world: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write_relatedness(tmp_path / "r.json", fitted)
        (tmp_path / "bad.png").write_bytes(b"no")
        monkeypatch.setenv("UNPROMPT_WEBUI_AUTH", "ann:secret")
        common = ["easy-diffuser", "run", str(world / "images" / "p0.png"), str(tmp_path / "bad.png")]
        common += ["--bundle", str(world / "clip.toml"), "--relatedness", str(tmp_path / "r.json")]
        with serving(200, answering(encoded(picture()))) as server:
            assert main([*common, "--json", "--send", server.url, "--out", str(tmp_path / "made")]) == 0
            assert "Authorization" in server.asked[0][1]
        printed = capsys.readouterr()
        (row,) = json.loads(printed.out)["images"]
        assert row["image"] == "p0"
        assert row["pictures"] == [str(tmp_path / "made" / "p0.png")]
        assert "bad.png: not an image" in printed.err
        assert main(common) == 0
        assert f"positive: {row['positive']}" in capsys.readouterr().out
        for option in ("--out", "--steps", "--timeout"):
            assert main([*common, option, "7"]) == 1
            assert f"{option} is for pictures by a web UI" in capsys.readouterr().err

    def test_odd_names_stop_nothing(
        self, fitted: Relatedness, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_relatedness(tmp_path / "r.json", fitted)
        long = "é" * 125
        names = [
            *("1, a cat.png", 'say "hi".png', "two\nlines.png", "-x.png", "10_cat/001.png", "20_dog/001.png"),
            *("same.png", "same.jpg", f"{long}x.png", f"{long}x.bmp", f"{long}.webp"),
        ]
        for name in names:
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((world / "images" / "p0.png").read_bytes())
        common = ["easy-diffuser", "run", str(tmp_path / "images"), "--recursive"]
        common += ["--bundle", str(world / "clip.toml"), "--relatedness", str(tmp_path / "r.json")]
        with serving(200, answering(encoded(picture()))) as server:
            made = ["--send", server.url, "--out", str(tmp_path / "made")]
            assert main([*common, *made]) == 0
            told = capsys.readouterr()
            assert main([*common, *made, "--json"]) == 0
            rows = json.loads(capsys.readouterr().out)["images"]
            assert main([*common, "--send", server.url, "--out", str(tmp_path / "images")]) == 1
            assert len(server.asked) == 2 * len(names)  # none of the last
        assert "pictures would replace an image" in capsys.readouterr().err
        assert "\ntwo\\nlines\n  positive:" in f"\n{told.out}"
        assert [row["image"] for row in rows if "\n" in row["image"]] == ["two\nlines"]
        written = {path for path in (tmp_path / "made").rglob("*") if path.is_file()}
        assert len(written) == len(names)
        assert {Path(path) for row in rows for path in row["pictures"]} == written
        assert tmp_path / "made" / "10_cat" / "001.png" in written
        assert tmp_path / "made" / "same.jpg.png" in written


def test_a_picture_that_the_models_cannot_look_at_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([UnreadableImageError("what the model makes of it is infinite"), Result("a fox", "", ())])

    def run(_: Session) -> Result:
        answer = next(answers)
        if isinstance(answer, UnreadableImageError):
            raise answer
        return answer

    monkeypatch.setattr(Session, "run", run)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert main(["easy-diffuser", "run", str(tmp_path), "--json"]) == 0
    told = capsys.readouterr()
    numbers = json.loads(told.out)
    assert ([one["positive"] for one in numbers["images"]], numbers["unreadable"]) == (["a fox"], 1)
    assert "a.png: what the model makes of it is infinite" in told.err


def test_what_was_done_before_the_web_ui_failed_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def send(session: Session, url: str, steps: int, out: Path, *_: object) -> list[Path]:
        if out.stem == "b":
            raise WebUIError("the web UI has gone")
        return [out]

    monkeypatch.setattr(Session, "run", lambda _: Result("a fox", "", ()))
    monkeypatch.setattr(Session, "send2ui", send)
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    ask = [
        "easy-diffuser",
        "run",
        str(tmp_path),
        "--send",
        "http://127.0.0.1:1",
        "--out",
        str(tmp_path / "O"),
    ]
    assert main([*ask, "--json"]) == 1
    told = capsys.readouterr()
    done = [(one["image"], one.get("pictures")) for one in json.loads(told.out)["images"]]
    assert done == [("a", [str(tmp_path / "O" / "a.png")]), ("b", None)]  # of b there are prompts
    assert "the web UI has gone" in told.err
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"no")
    assert main([*ask, "--json"]) == 1
    assert capsys.readouterr().out == ""


def test_pictures_stay_in_their_folder(tmp_path: Path) -> None:
    """Ids are absolute paths where nothing shorter tells images apart."""
    files = [ImageFile(f"/a/{name}/1", tmp_path / f"{name}.png") for name in ("x", "y")]
    assert picture_places(files, tmp_path / "out") == [
        tmp_path / "out" / "a" / name / "1.png" for name in "xy"
    ]


@pytest.mark.parametrize("image_id", ["../evil", "a/../../evil", "..", "", "/"])
def test_ids_that_lead_out_of_the_folder_are_refused(image_id: str, tmp_path: Path) -> None:
    files = [ImageFile("a", tmp_path / "a.png"), ImageFile(image_id, tmp_path / "part.parquet", row=0)]
    with pytest.raises(InputError, match=r"1 of 2 ids cannot name a picture below a folder"):
        picture_places(files, tmp_path / "out")


class TestRoundTrips:
    def test_unreadable_images_become_problems(
        self, loaded: LoadedBundle, world: Path, tmp_path: Path
    ) -> None:
        for name in ("p0", "p1"):
            (tmp_path / f"{name}.png").write_bytes((world / "images" / f"{name}.png").read_bytes())
        (tmp_path / "o.png").write_bytes(b"no")
        prompts = Prompts(("p1", "p0", "o"), ("a red bus", "two foxes at night", "a tree"))
        done: list[tuple[str, int, int]] = []
        files = find_images(tmp_path)
        made, problems = make_round_trips(files, prompts, TAGS, loaded, lambda *step: done.append(step))
        assert made.ids == ("p0", "p1")
        np.testing.assert_array_equal(made.there, [[True, False, False, True], [False, True, False, False]])
        pictures = [Image.open(tmp_path / f"{name}.png").convert("RGB") for name in made.ids]
        np.testing.assert_allclose(made.cosines, loaded.likeness(pictures, TAGS), atol=1e-5)
        assert [problem.image_id for problem in problems] == ["o"]
        assert done == [("looking", 3, 3)]
        with pytest.raises(InputError, match=r"the only image cannot be read: o\.png"):
            make_round_trips(files[:1], prompts, TAGS, loaded)

    def test_the_draw_is_the_seeds(self) -> None:
        rows = draw_rows(100, FitConfig(limit=20))
        assert rows == draw_rows(100, FitConfig(limit=20)) == sorted(set(rows))
        assert len(rows) == 20
        assert rows != draw_rows(100, FitConfig(limit=20, seed=1))
        assert list(draw_rows(5, FitConfig(limit=20))) == list(range(5))

    def test_what_is_learned_beats_the_naive_rule(self) -> None:
        data, test = trips(300, 200, 40.0, -16.0), trips(200, 200, 40.0, -16.0, seed=1)
        graded = grade(learn_relatedness(data, [str(tag) for tag in range(200)], "made up", (0.5,)), test)
        assert graded.chosen.low > graded.naive.high
        assert graded.calibration_error < 0.01


def write_pocket(folder: Path, count: int) -> Path:
    """A data set of pocket scenes, in its folder form."""
    (folder / "images").mkdir(parents=True)
    lines = ["imgId,prompt"]
    drafts = (draft for draft in PocketPrompts(3).drafts(0) if not draft.rejected)
    for number in range(count):
        draft = next(drafts)
        (folder / "images" / f"s{number:03}.png").write_bytes(
            encode_png(draw_scene(read_scene(draft.text), draft.seed, 96))
        )
        lines.append(f's{number:03},"{draft.text}"')
    (folder / "prompts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_file_of_another_kind_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "settings.json"
    out.write_text('{"mine": true}')
    ask = ["easy-diffuser", "fit", str(tmp_path / "no data"), "--out", str(out)]
    assert main(ask) == 1
    assert (
        "settings.json is there already, and not from `unprompt easy-diffuser fit`" in capsys.readouterr().err
    )
    assert out.read_text() == '{"mine": true}'
    write_relatedness(out, LEARNED)
    assert main(ask) == 1
    assert "no data is not there" in capsys.readouterr().err


def test_tags_that_no_prompt_names_are_told_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "tags.txt").write_text("zeppelin over atlantis\n")
    config = FitConfig(bundle="no such bundle", tags=str(tmp_path / "tags.txt"))
    with pytest.raises(InputError, match=r"none of 3 pairs of an image and a tag .* nothing to learn"):
        fit(write_pocket(tmp_path / "DATA", 3), config)


def test_a_data_set_that_is_not_finished_is_told(tmp_path: Path) -> None:
    (tmp_path / "tags.txt").write_text("zeppelin over atlantis\n")
    (write_pocket(tmp_path / "DATA", 3) / ".work").mkdir()
    with (
        pytest.warns(UserWarning, match="DATA is not finished, and only 3 images of it will be taken"),
        pytest.raises(InputError, match="nothing to learn"),
    ):
        fit(tmp_path / "DATA", FitConfig(tags=str(tmp_path / "tags.txt")))


@pytest.mark.slow
class TestFit:
    def test_from_pocket_scenes_to_a_session(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = write_pocket(tmp_path / "DATA", 64)
        ask = ["easy-diffuser", "fit", str(data), "--bundle", "lite", "--device", "cpu"]
        assert main([*ask, "--json", "--out", str(tmp_path / "a.json")]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert main([*ask, "--out", str(tmp_path / "b.json")]) == 0
        shown = capsys.readouterr().out
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
        assert "calibration error, 10 bins" in shown
        found = read_relatedness(tmp_path / "a.json")
        assert (found.bundle, found.tags) == ("lite", read_tags("common"))
        assert numbers["held_out"]["images"] + found.fitted_on["images"] == 64
        assert numbers["held_out"]["auc"] > 0.55
        assert list(tmp_path.glob(".*")) == []
        image = next((data / "images").iterdir())
        assert found.held_out == numbers["held_out"]
        result = easy_diffuser.start(image, relatedness=tmp_path / "a.json", device="cpu").run()
        assert result.positive
        assert result.negative == (result.related[-1].tag if result.related else "")
        assert bool(result.why_not) == (not result.negative)

    def test_what_cannot_be_fitted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        data = write_pocket(tmp_path / "DATA", 12)
        (tmp_path / "tags.txt").write_text("zeppelin over atlantis\n")
        ask = ["easy-diffuser", "fit", str(data), "--tags", str(tmp_path / "tags.txt")]
        assert main([*ask, "--out", str(tmp_path / "a.json")]) == 1
        assert "nothing to learn" in capsys.readouterr().err
        assert main([*ask, "--out", str(data)]) == 1
        assert "is a folder" in capsys.readouterr().err
        assert not (tmp_path / "a.json").exists()
