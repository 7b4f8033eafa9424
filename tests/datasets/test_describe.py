"""Looking at data: numbers worked out by hand, neighbours by brute force, a page that nothing breaks."""

from __future__ import annotations

import io
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.html_pages import HOSTILE, listen, open_browser, parse, readable
from unprompt.cli import build_parser, main
from unprompt.cli.options import settings_from
from unprompt.datasets.config import DescribeConfig
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.describe import Description, describe_dataset, sample_rows, study_distinct
from unprompt.datasets.neighbours import constant_score, nearest_rows, study_neighbours
from unprompt.datasets.page import check_place, page_path, render_description, write_page
from unprompt.datasets.picture_check import check_pictures
from unprompt.datasets.provenance import read_provenance, write_value
from unprompt.datasets.wording import Lengths, most_frequent, study_wording
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.records import DIM, Prompts, unit_rows
from unprompt.storage.files import write_json, write_prompts
from unprompt.storage.images import find_images
from unprompt.storage.parts import ROW_GROUP, Part, part_name, write_part


def png(width: int = 8, height: int = 8, color: str = "teal") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), color).save(stream, "PNG")
    return stream.getvalue()


def axes(*rows: Sequence[float]) -> np.ndarray:
    """Unit embeddings whose first coordinates are given, the others 0."""
    vectors = np.zeros((len(rows), DIM))
    for row, start in enumerate(rows):
        vectors[row, : len(start)] = start
    return unit_rows(vectors)


def make_dataset(
    folder: Path,
    prompts: Sequence[str],
    images: Sequence[bytes] | None = None,
    vectors: np.ndarray | None = None,
    number: int = 0,
) -> Path:
    """Write one part with ids a00, a01 … and, unless given, small pictures and random embeddings."""
    count = len(prompts)
    rng = np.random.default_rng(0)
    part = Part(
        ids=tuple(f"{chr(ord('a') + number)}{row:02}" for row in range(count)),
        prompts=tuple(prompts),
        images=tuple(images or [png()] * count),
        seeds=tuple(row // 2 for row in range(count)),
        engine="pocket",
        settings='{"size": 8, "style": "none"}',
        embeddings=unit_rows(rng.normal(size=(count, DIM))) if vectors is None else vectors,
    )
    write_part(folder / part_name(number), part)
    return folder


def describe(path: Path, **settings: Any) -> Description:
    return describe_dataset(read_dataset(path), DescribeConfig(**settings))


class TestWording:
    def test_words_openings_and_lengths_of_three_prompts(self) -> None:
        wording = study_wording(
            ["A picture of a cat, black-and-white", "a picture of a Cat's hat", "a picture of snow"]
        )
        words, characters, tokens = wording.lengths
        assert (words.unit, characters.unit, tokens.unit) == ("words", "characters", "tokens")
        assert list(words.values) == [6, 6, 4]
        assert list(characters.values) == [35, 24, 17]
        # With start and end: a picture of a cat , black - and - white; … cat 's hat; a picture of snow.
        assert list(tokens.values) == [13, 9, 6]
        assert wording.vocabulary == 8  # a picture of cat black-and-white cat's hat snow
        assert wording.once == 5
        assert [(word.text, word.count, word.share) for word in wording.words] == [("picture", 3, 1.0)]
        assert [(opening.text, opening.count) for opening in wording.openings] == [("a picture of", 3)]

    def test_every_image_counts_also_where_prompts_repeat(self) -> None:
        wording = study_wording(["red house", "red house", "blue house", "old red barn"])
        assert [(word.text, word.count) for word in wording.words] == [("house", 3), ("red", 3)]
        assert [word.share for word in wording.words] == [0.75, 0.75]
        assert wording.openings == ()  # one prompt has three words, and what stands once is no habit
        assert list(wording.lengths[0].values) == [2, 2, 2, 3]

    def test_a_word_counts_once_a_prompt(self) -> None:
        assert study_wording(["cat cat cat", "cat"]).words[0].count == 2

    def test_other_scripts_have_words_too(self) -> None:
        wording = study_wording(["кот на ковре", "кот спит"])
        assert [word.text for word in wording.words] == ["кот"]

    def test_percentiles_are_lengths_that_occur(self) -> None:
        lengths = Lengths("words", np.arange(1, 21), limit=18)  # 1 … 20
        assert (lengths.median, lengths.p95, lengths.longest, lengths.over_limit) == (10, 19, 20, 2)
        assert Lengths("words", np.array([7])).p95 == 7
        assert Lengths("words", np.array([7])).over_limit == 0

    def test_ties_are_in_alphabetical_order(self) -> None:
        assert [item.text for item in most_frequent({"b": 2, "a": 2, "c": 3, "d": 1}, 5)] == ["c", "a", "b"]

    def test_without_open_clip_there_are_no_tokens(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("unprompt.datasets.wording.package_folder", lambda name: None)
        assert [lengths.unit for lengths in study_wording(["a cat"]).lengths] == ["words", "characters"]


class TestNeighbours:
    def test_three_prompts_by_hand(self) -> None:
        # a and b are 0.6 apart, b and c 0.8, a and c 0.
        vectors = axes((1, 0), (0.6, 0.8), (0, 1))
        found = study_neighbours(["a", "b", "c"], vectors, [0, 1, 2])
        np.testing.assert_allclose(found.cosines, [0.6, 0.8, 0.8], atol=1e-6)
        assert [(pair.first, pair.second, round(pair.cosine, 5)) for pair in found.pairs] == [
            ("b", "c", 0.8),
            ("a", "b", 0.6),
        ]
        assert (found.at_least(0.7), found.at_least(0.59), found.at_least(0.9)) == (2, 3, 0)
        assert found.quantile(0.3) == pytest.approx(0.6, abs=1e-6)

    def test_some_queries_see_all_the_others(self) -> None:
        vectors = axes((1, 0), (0.6, 0.8), (0, 1))
        found = study_neighbours(["a", "b", "c"], vectors, [2])
        assert (len(found.cosines), found.total) == (1, 3)
        assert [(pair.first, pair.second) for pair in found.pairs] == [("b", "c")]

    def test_equal_prompts_count_once(self) -> None:
        vectors = axes((1, 0), (0, 1), (1, 0), (0.6, 0.8))
        found = study_distinct(["a", "b", "a", "c"], vectors)
        assert found is not None
        assert found.total == 3
        np.testing.assert_allclose(found.cosines, [0.6, 0.8, 0.8], atol=1e-6)
        assert study_distinct(["a", "a"], axes((1,), (1,))) is None

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_nearest_rows_are_those_of_brute_force(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(2, 40))
        rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
        rows = rng.integers(-2, 3, size=(count, 6)) + rng.choice([0.0, 1e-3]) * rng.normal(size=(count, 6))
        rows[~rows.any(axis=1)] = 1
        unit = unit_rows(rows)  # small whole numbers: many are equal, many equally near
        queries = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True)))
        sizes = st.integers(1, 45)  # of blocks, also far smaller than the table
        nearest, cosines = nearest_rows(unit, queries, data.draw(sizes), data.draw(sizes))
        for query, neighbour, cosine in zip(queries, nearest, cosines, strict=True):
            exact = [float(np.dot(unit[query].astype(float), other.astype(float))) for other in unit]
            assert neighbour != query
            assert cosine == pytest.approx(min(exact[neighbour], 1), abs=1e-12)
            assert cosine >= min(max(exact[:query] + exact[query + 1 :]), 1) - 1e-6

    def test_many_prompts_are_sampled(self) -> None:
        vectors = unit_rows(np.random.default_rng(0).normal(size=(11, DIM)))
        texts = [f"prompt {n}" for n in range(11)]
        some, every = (study_distinct(texts[:n], vectors[:n], 10, 4) for n in (11, 10))
        assert some is not None
        assert every is not None
        assert (len(some.cosines), some.total, len(every.cosines)) == (4, 11, 10)

    def test_the_constant_by_hand(self) -> None:
        assert constant_score(axes((1, 0), (0, 1))) == pytest.approx(math.sqrt(0.5))
        assert constant_score(axes((1, 0), (-1, 0))) == pytest.approx(0)
        assert constant_score(3 * axes((0.6, 0.8))) == pytest.approx(1)

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 10**6))
    def test_no_vector_scores_better_than_the_constant(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        unit = unit_rows(rng.normal(size=(9, 5)) + 1)
        others = unit_rows(rng.normal(size=(200, 5)) + 1)
        best = constant_score(unit)
        assert (unit @ others.T).mean(axis=0).max() <= best + 1e-6
        assert (unit @ unit_rows(unit.mean(axis=0)[None])[0]).mean() == pytest.approx(best, abs=1e-6)


class TestPictures:
    def test_sizes_and_problems(self, tmp_path: Path) -> None:
        pictures = [png(), png(8, 4), b"GIF", png(), png(400, 400)[:150], b""]
        make_dataset(tmp_path, ["p"] * 6, pictures)
        make_dataset(tmp_path, ["p"] * (ROW_GROUP + 3), number=1)
        found = check_pictures(find_images(tmp_path)[::-1], workers=2)
        assert found.opened == ROW_GROUP + 9
        assert found.sizes == (((8, 8), ROW_GROUP + 5), ((8, 4), 1))
        assert [(p.image_id, p.file) for p in found.problems] == [
            ("a02", "part-00000.parquet, row 2"),
            ("a04", "part-00000.parquet, row 4"),
            ("a05", "part-00000.parquet, row 5"),
        ]
        assert "not an image" in found.problems[0].problem

    def test_loose_files(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        for name, content in (("a", png(3, 2)), ("b", b""), ("c", png(3, 2))):
            (tmp_path / "images" / f"{name}.png").write_bytes(content)
        found = check_pictures(find_images(tmp_path / "images"))
        assert found.sizes == (((3, 2), 2),)
        assert [problem.problem for problem in found.problems] == ["the file is empty"]


class TestSampling:
    @given(st.integers(1, 500), st.integers(0, 60))
    def test_one_row_of_each_stretch(self, total: int, count: int) -> None:
        rows = sample_rows(total, count, "sheet")
        assert rows == sample_rows(total, count, "sheet")
        assert len(rows) == min(total, count)
        assert rows == sorted(set(rows))
        for stretch, row in enumerate(rows):
            assert stretch * total // len(rows) <= row < (stretch + 1) * total // len(rows)

    def test_purposes_pick_differently(self) -> None:
        assert sample_rows(10_000, 50, "sheet") != sample_rows(10_000, 50, "checked")


class TestProvenance:
    def test_dataset_json_counts_first(self, tmp_path: Path) -> None:
        make_dataset(tmp_path, ["one", "two", "three"])
        record = {
            "images": 3,
            "engine": "sd2",
            "settings": {"steps": 50, "sampler": "ddim", "guidance": None},
            "seed": 7,
            "versions": {"torch": "2.15.0"},
        }
        write_json(tmp_path / "dataset.json", record)
        description = describe(tmp_path)
        facts = dict(description.facts)
        assert facts["Engine"] == "sd2"
        assert facts["Settings"] == "steps: 50\nsampler: ddim\nguidance: null"
        assert facts["Seed"] == "7"
        assert facts["Made with"] == "torch: 2.15.0"
        assert facts["Seeds of the images"] == "2 different for 3 images"
        assert facts["Embeddings"] == "in the data set"
        assert description.notes == ()

    def test_columns_where_there_is_no_record(self, tmp_path: Path) -> None:
        description = describe(make_dataset(tmp_path, ["one", "two"]))
        assert description.facts["Engine"] == "pocket"
        assert description.facts["Settings"] == "size: 8\nstyle: none"
        assert "There is no dataset.json" in description.notes[0]
        assert "Seed" not in description.facts

    def test_seeds_count_where_they_are_known(self, tmp_path: Path) -> None:
        seeds: tuple[int | None, ...] = (9, None, 9, 4)
        for name, some, says in (("a", seeds, "2 different for 3 images"), ("b", (None,) * 4, None)):
            part = Part(
                tuple("wxyz"),
                ("fox",) * 4,
                (png(),) * 4,
                some,
                "own pictures",
                "{}",
                np.tile(axes((1,)), (4, 1)),
            )
            write_part(tmp_path / name / part_name(0), part)
            assert read_provenance(read_dataset(tmp_path / name)).facts.get("Seeds of the images") == says

    def test_a_record_that_does_not_fit(self, tmp_path: Path) -> None:
        make_dataset(tmp_path, ["one", "two"])
        write_json(tmp_path / "dataset.json", {"images": 3000})
        assert describe(tmp_path).notes == ("dataset.json says 3,000 images, but there are 2.",)
        (tmp_path / "dataset.json").write_text("[1]")
        assert "holds no JSON object" in describe(tmp_path).notes[0]

    def test_parts_by_different_engines(self, tmp_path: Path) -> None:
        make_dataset(tmp_path, ["one"])
        part = Part(("z",), ("two",), (png(),), (9,), "sd2", "{}", axes((1,)))
        write_part(tmp_path / part_name(1), part)
        assert describe(tmp_path).facts["Engine"] == "2 different"

    def test_others_parts_may_hold_something_else_under_these_names(self, tmp_path: Path) -> None:
        """As pandas writes seeds of which some are missing, and settings that are no text."""
        for number, seeds in enumerate((pl.Series([1, 2]), pl.Series([3.0, None]))):
            pl.DataFrame(
                {
                    "image": [{"bytes": png(), "path": None}] * 2,
                    "prompt": [f"a cat {number}", f"a dog {number}"],
                    "engine": ["sd"] * 2,
                    "settings": [{"steps": 20}] * 2,
                    "seed": seeds,
                }
            ).write_parquet(tmp_path / f"{number}.parquet")
        facts = read_provenance(read_dataset(tmp_path)).facts
        assert facts == {"Engine": "sd"}

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("plain", "plain"),
            ('"quoted"', '"quoted"'),
            ('{"a": [1, "é"]}', 'a: [1, "é"]'),
            (7, "7"),
            ([1], "[1]"),
        ],
    )
    def test_values_are_written_for_people(self, value: object, text: str) -> None:
        assert write_value(value) == text


class TestDescription:
    def test_numbers_by_hand(self, tmp_path: Path) -> None:
        prompts = ["a red cat", "a red cat", "a blue dog on grass", ""]
        vectors = axes((1, 0), (1, 0), (0, 1), (0.6, 0.8))
        description = describe(make_dataset(tmp_path, prompts, [png()] * 3 + [b"GIF"], vectors))
        assert description.numbers() == {
            "images": 4,
            "distinct_prompts": 3,
            "most_repeated_prompt": 2,
            "empty_prompts": 1,
            "opened": 4,
            "unreadable": 1,
            "sizes": {"8x8": 3},
            "lengths": {
                "words": {"median": 3, "p95": 5, "max": 5},
                "characters": {"median": 9, "p95": 19, "max": 19},
                "tokens": {"median": 5, "p95": 7, "max": 7, "over_77": 0},
            },
            "vocabulary": 7,
            "words": {"cat": 0.5, "red": 0.5},
            "openings": {"a red cat": 0.5},
            "constant": pytest.approx(math.hypot(2.6, 1.8) / 4, abs=1e-6),
            "nearest_neighbours": {
                "prompts": 3,
                "among": 3,
                "quantiles": {
                    share: pytest.approx(cosine, abs=1e-6)
                    for share, cosine in (
                        ("0.05", 0.6),
                        ("0.25", 0.6),
                        ("0.5", 0.8),
                        ("0.75", 0.8),
                        ("0.95", 0.8),
                    )
                },
                "at_least": {"0.9": 0, "0.95": 0},
            },
        }
        assert "1 of 4 prompts is empty." in description.notes

    def test_the_sheet_shows_what_was_opened(self, tmp_path: Path) -> None:
        make_dataset(tmp_path, [f"p{n}" for n in range(50)], [png()] * 49 + [b"GIF"])
        description = describe(tmp_path, images=50, checked=3)
        assert [image.prompt for image in description.sheet] == [f"p{n}" for n in range(50)]
        assert description.sheet[49].problem is not None
        assert description.pictures.opened == 50
        description = describe(tmp_path, images=5, checked=0)
        assert len(description.sheet) == description.pictures.opened == 5

    def test_one_image(self, tmp_path: Path) -> None:
        description = describe(make_dataset(tmp_path, ["a cat"]))
        assert description.neighbours is None
        assert description.constant == pytest.approx(1)
        page = parse(render_description(description))
        assert len(page.classed("card")) == 1
        assert page.classed("pairs") == []
        assert "1 image with 1 different prompt." in page.named("header")[0].text

    def test_an_embedding_without_a_direction(self, tmp_path: Path) -> None:
        vectors = axes((1,), (1,))
        vectors[1] = 0
        with pytest.raises(InputError, match="1 of 2 embeddings is zero"):
            describe(make_dataset(tmp_path, ["one", "two"], vectors=vectors))

    def test_settings_that_make_no_sense(self) -> None:
        with pytest.raises(ConfigError, match="images must be at least 0, got -1"):
            DescribeConfig(images=-1)

    def test_without_embeddings_and_without_their_model(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        description = describe(make_folder(tmp_path))
        assert (description.constant, description.neighbours) == (None, None)
        assert "pip install 'unprompt[lite]'" in description.notes[0]
        assert description.numbers()["nearest_neighbours"] is None
        page = parse(render_description(description))
        assert "could not be computed" in page.classed("notes")[0].text
        assert "How alike" not in page.named("main")[0].text
        assert len(page.named("svg")) == 6  # words, characters, tokens, each with its turned label

    @pytest.mark.slow
    def test_missing_embeddings_are_computed(self, tmp_path: Path) -> None:
        description = describe(make_folder(tmp_path), device="cpu")
        assert description.facts["Embeddings"].startswith("computed for this page")
        assert description.neighbours is not None
        assert {description.neighbours.pairs[0].first, description.neighbours.pairs[0].second} == {
            "a cat on a mat",
            "a kitten on a mat",
        }
        assert description.constant is not None
        assert 0.3 < description.constant < 0.95


def make_folder(folder: Path) -> Path:
    """A data set of loose images, without embeddings."""
    prompts = ("a cat on a mat", "a kitten on a mat", "the skyline of Tokyo at night", "a cat on a mat")
    ids = tuple(f"i{n}" for n in range(len(prompts)))
    (folder / "images").mkdir()
    for image_id in ids:
        (folder / "images" / f"{image_id}.png").write_bytes(png())
    write_prompts(folder / "prompts.csv", Prompts(ids, prompts))
    return folder


class TestPage:
    @pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud83d" not in text])
    def test_hostile_text_is_shown_as_text_and_adds_no_element(self, tmp_path: Path, text: str) -> None:
        def page_with(prompt: str) -> Any:
            folder = make_dataset(tmp_path / str(len(prompt)), [prompt, prompt + " b"], [png(), b"GIF"])
            write_json(folder / "dataset.json", {"engine": prompt, "settings": {prompt: prompt}})
            description = replace(describe(folder), name=prompt, notes=(prompt,))
            return parse(render_description(description))

        page, plain = page_with(text), page_with("x" * len(text) + " ")
        assert len(page.named("script")) == 1
        assert {element.tag for element in page.elements} == {element.tag for element in plain.elements}
        assert all(not name.startswith("on") for e in page.elements for name in e.attributes)
        shown = readable(text)
        assert page.named("h1")[0].text.strip() == shown.strip()
        assert shown in page.classed("card")[0].text
        assert shown in page.classed("pairs")[0].text
        assert f"{shown}: {shown}" in page.classed("facts")[0].text
        assert shown in page.classed("notes")[0].text

    def test_a_name_that_is_half_a_character_can_be_saved(self, tmp_path: Path) -> None:
        description = replace(describe(make_dataset(tmp_path, ["one", "two"])), name="half a\ud83d pair")
        write_page(tmp_path / "page.html", description)
        assert "half a\ufffd pair" in (tmp_path / "page.html").read_text(encoding="utf-8")

    def test_page_is_self_contained_and_its_ids_are_unique(self, tmp_path: Path) -> None:
        long = "word " * 100
        prompts = [long + "a", long + "b", "short https://example.org"]
        make_dataset(tmp_path, prompts, [png(), png(), b""], axes((1, 0), (0.96, 0.28), (0, 1)))
        html = render_description(describe(tmp_path))
        page = parse(html)
        assert re.findall(r"https?:|@import|url\(", html.replace("https://example.org", "")) == []
        for element in page.elements:
            assert (element.attributes.get("src") or "data:").startswith("data:")
            assert (element.attributes.get("href") or "#").startswith(("#", "data:"))
        ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
        assert len(ids) == len(set(ids))
        wanted = " ".join(
            e.attributes.get(name) or "" for e in page.elements for name in ("aria-labelledby", "for")
        )
        assert set(wanted.split()) <= set(ids)
        assert len(page.classed("fold")) == 2 + 2 + 1  # cards, the closest pair, the next one's first

    def test_what_stands_where(self, tmp_path: Path) -> None:
        vectors = axes((1, 0), (0.96, 0.28), (0, 1))
        folder = make_dataset(tmp_path, ["one cat", "two cats", "w " * 90], [png(), png(9, 9), b""], vectors)
        page = parse(render_description(describe(folder)))
        text = " ".join(page.named("main")[0].text.split())
        constant = math.hypot(1.96, 1.28) / 3
        assert f"{constant:.4f}constant vector" in text
        assert "2 (66.7%) have a neighbour at cosine 0.95 or nearer." in text
        assert "Each of the 3 different prompts was compared with all the others." in text
        assert "1 prompt (33.3%) has more than 77 tokens" in text
        assert [cell.text.strip() for cell in page.named("td")][:3] == ["0.9600", "one cat", "two cats"]
        assert "1 could not be read" in page.named("header")[0].text
        assert "3 of 3 images opened\n8 × 8: 1\n9 × 9: 1" in page.classed("facts")[0].text
        bars = sum(int(bar.attributes["data-count"] or 0) for bar in page.classed("bar"))
        assert bars == 4 * 3  # words, characters, tokens, neighbours

    def test_samples_are_called_samples(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("unprompt.datasets.describe.ALL_QUERIES", 10)
        monkeypatch.setattr("unprompt.datasets.describe.SOME_QUERIES", 7)
        folder = make_dataset(tmp_path, [f"prompt {n}" for n in range(30)], [b"GIF"] * 30)
        page = parse(render_description(describe(folder, images=4, checked=5)))
        text = " ".join(page.named("main")[0].text.split())
        assert "7 prompts, spread evenly over the 30 different ones, were each compared" in text
        assert re.search(
            r"([5-9]) of the \1 that were opened could not be read", page.named("header")[0].text
        )
        assert "4 of 30, spread evenly over the data set" in text
        assert re.search(r"[5-9] of 30 were opened, so there may be more", text)

    def test_the_same_data_set_gives_the_same_bytes(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            folder = make_dataset(tmp_path / name / "set", [f"a prompt {n % 40}" for n in range(90)])
            write_page(tmp_path / f"{name}.html", describe(folder, images=20), workers=len(name))
            write_page(folder / "describe.html", describe(folder, images=20), workers=1)
        pages = [tmp_path / "one.html", tmp_path / "two.html", tmp_path / "one" / "set" / "describe.html"]
        assert len({page.read_bytes() for page in pages}) == 1

    def test_where_the_page_goes(self, tmp_path: Path) -> None:
        folder = make_dataset(tmp_path / "set", ["one", "two"])
        assert page_path(folder) == folder / "describe.html"
        assert page_path(folder / part_name(0)) == folder / "part-00000.describe.html"
        (tmp_path / "file").write_text("")
        with pytest.raises(RunError, match="name another place with --out"):
            write_page(tmp_path / "file" / "page.html", describe(folder))


def run_command(*arguments: str) -> None:
    """`unprompt describe`, as the command line would run it."""
    options = build_parser(["describe"]).parse_args(["describe", *arguments])
    options.run(options)


class TestCommand:
    def test_page_and_lines(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = make_dataset(tmp_path / "set", ["a cat", "a dog", "a dog"], [png(), png(), b""])
        run_command(str(folder))
        printed = capsys.readouterr()
        assert "images      3 with 2 different prompts" in printed.out
        assert f"page        {folder / 'describe.html'}" in printed.out
        assert "1 of 3 images could not be read (first: part-00000.parquet, row 2" in printed.err
        assert (folder / "describe.html").read_text().startswith("<!doctype html>")
        assert len(read_dataset(folder)) == 3  # the page does not get in the way

    def test_json_is_all_there_is_on_stdout(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = make_dataset(tmp_path / "set", ["a cat", "a dog"])
        page = tmp_path / "elsewhere" / "page.html"
        run_command(str(folder), "--json", "--out", str(page), "--images", "1", "--check", "0")
        numbers = json.loads(capsys.readouterr().out)
        assert (numbers["images"], numbers["opened"]) == (2, 1)
        assert numbers["lengths"]["words"] == {"median": 2, "p95": 2, "max": 2}
        assert page.exists()
        assert not (folder / "describe.html").exists()

    def test_the_defaults_are_the_settings(self) -> None:
        options = build_parser(["describe"]).parse_args(["describe", "D"])
        assert settings_from(options, DescribeConfig) == DescribeConfig()


@pytest.fixture
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


def test_a_page_that_cannot_be_written_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a data set of others, which lies where nothing can be written."""
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "page.html", tmp_path):
        with pytest.raises(RunError, match=f"{out} cannot be written; name another place with --out"):
            check_place(out)
    check_place(tmp_path / "new" / "folders" / "page.html")
    check_place(Path("page.html"))
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("unprompt.datasets.page.os.access", lambda *_: False)
    assert main(["describe", str(tmp_path)]) == 1
    assert "describe.html cannot be written; name another place with --out" in capsys.readouterr().err


@pytest.mark.slow
def test_page_filters_folds_and_fits_a_phone(browser: Any, tmp_path: Path) -> None:
    texts = [text for text in HOSTILE if "\ud83d" not in text]
    prompts = [*texts, "plain words " * 30, *texts]
    pictures = [png(64, 32)] * (len(prompts) - 1) + [b"GIF"]
    folder = make_dataset(tmp_path, prompts, pictures)
    write_json(folder / "dataset.json", {"settings": {"k" * 90: "v" * 500}})
    described = describe(folder)
    many = Lengths("words", np.repeat(described.wording.lengths[0].values, 9000))
    wording = replace(described.wording, lengths=(many, *described.wording.lengths[1:]))
    description = replace(described, wording=wording, name="n" * 120, notes=tuple(texts))
    write_page(tmp_path / "page.html", description)
    page = browser.new_page(viewport={"width": 390, "height": 844})
    complaints = listen(page)
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for plot in page.locator(".plot > svg").all():
        assert plot.bounding_box()["height"] > 150
        assert plot.locator(".bar").first.bounding_box()["height"] > 1
    assert page.locator(".plot > svg").count() == 4

    cards = page.locator(".card:visible")
    assert cards.count() == len(prompts)
    page.get_by_role("searchbox").fill("PLAIN words")
    assert cards.count() == 1
    folded = cards.locator(".fold")
    height = folded.bounding_box()["height"]
    folded.locator("input").focus()
    page.keyboard.press("Space")
    assert folded.bounding_box()["height"] > height
    page.get_by_role("searchbox").fill("no such words")
    assert page.get_by_text("No image has this text.").is_visible()
    page.get_by_role("searchbox").fill("")
    assert cards.count() == len(prompts)
    for plot in page.locator(".plot > svg").all():  # the quantity's name does not lie over its numbers
        name = plot.locator(".turned text").bounding_box()
        numbers = plot.locator(":scope > text[text-anchor=end][x='-10']").all()
        assert name["x"] + name["width"] < min(number.bounding_box()["x"] for number in numbers)
        assert name["x"] > 0
    for width in (320, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
