"""Sets of doodles: splits by what is drawn, copies only in train, no mirrors where captions name a side."""

from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.doodles.near import OWN, assert_same
from tests.html_pages import HOSTILE, listen, open_browser, parse
from unprompt.cli import main
from unprompt.doodles import data
from unprompt.doodles.data import SIDES, prepare_doodles
from unprompt.doodles.data_config import DoodleSetSettings
from unprompt.doodles.data_page import choose_samples
from unprompt.doodles.doodle_set import DoodleSet
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.ink import picture_of
from unprompt.doodles.kept import Smallest, chance, digest_of
from unprompt.doodles.layouts import find_sketches
from unprompt.doodles.read import read_doodles
from unprompt.doodles.simplify import simplified
from unprompt.errors import ConfigError, InputError, RunError

SMALL = {"size": 32, "pen": 1.6, "part": 7}


def line(drawing: Drawing, key: str, **more: object) -> str:
    strokes = [[stroke[:, 0].tolist(), stroke[:, 1].tolist()] for stroke in drawing.strokes]
    return json.dumps({"key_id": key, "word": "", "drawing": strokes, **more}) + "\n"


def write_source(path: Path, count: int = 12, **more: object) -> Path:
    """`count` different drawings of each of four words."""
    with path.open("w") as lines:
        for number in range(count):
            for word, drawing in OWN.items():
                moved = Drawing((*drawing.strokes, [(0, 0), (10 + number, 40 + 3 * number)]))
                lines.write(line(moved, f"{word[:2]}{number}", word=word, **more))
    return path


def read_set(out: Path) -> dict[str, list[Doodle]]:
    return {
        split: list(read_doodles(path))
        for split in data.SPLITS
        if (path := out / f"{split}.ndjson.gz").exists()
    }


def files_of(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    }


def test_a_set_has_strokes_pictures_captions_and_a_page(tmp_path: Path) -> None:
    source = write_source(tmp_path / "doodles.ndjson", countrycode="DE", recognized=True)
    made = prepare_doodles([source], tmp_path / "set", DoodleSetSettings(**SMALL))
    assert made.count == 48
    found = read_set(tmp_path / "set")
    assert {split: len(doodles) for split, doodles in found.items()} == {
        split: len(doodles) + made.copies * (split == "train") for split, doodles in made.drawings.items()
    }
    for split in data.SPLITS:
        parts = sorted((tmp_path / "set" / "data").glob(f"{split}-*.parquet"))
        rows = pl.concat([pl.read_parquet(part) for part in parts])
        assert rows["imgId"].to_list() == [doodle.key for doodle in found[split]]
        assert rows["text"].to_list() == [doodle.caption for doodle in found[split]]
        assert max(pl.read_parquet(part).height for part in parts) == min(7, len(found[split]))
        for content in rows["image"].struct.field("bytes").to_list():
            with Image.open(io.BytesIO(content)) as image:
                assert (image.size, image.mode) == ((32, 32), "RGB")
    captions = {doodle.caption for doodles in found.values() for doodle in doodles}
    assert captions == {f"a drawing of a {word}" for word in OWN}
    assert {doodle.country for doodles in found.values() for doodle in doodles} == {"DE"}
    record = json.loads((tmp_path / "set" / "set.json").read_text())
    assert (record["words"], record["problems"], record["repeated"]) == (4, 0, 0)
    assert (tmp_path / "set" / "problems.csv").read_text() == "imgId,file,problem\n"
    # The set is one that can be read again, as captioned pictures too.
    sketches = find_sketches(tmp_path / "set") or []
    assert {(sketch.split, sketch.caption) for sketch in sketches} == {
        (split, doodle.caption) for split, doodles in found.items() for doodle in doodles
    }


def test_only_what_is_trained_on_is_warped(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.ndjson")
    plain = {doodle.key: simplified(doodle.drawing) for doodle in read_doodles(source)}
    prepare_doodles([source], tmp_path / "set", DoodleSetSettings(copies=2, **SMALL))
    found = read_set(tmp_path / "set")
    for split, doodles in found.items():
        warped = [doodle for doodle in doodles if "-warped-" in doodle.key]
        assert len(warped) == (2 * len(doodles) // 3 if split == "train" else 0)
        for doodle in doodles:
            if doodle not in warped:
                assert_same(doodle.drawing, plain[doodle.key])
    keys = [{doodle.key.partition("-")[0] for doodle in doodles} for doodles in found.values()]
    assert not keys[0] & keys[1] | keys[0] & keys[2] | keys[1] & keys[2]
    assert sum(map(len, keys)) == 48


def test_the_same_strokes_by_another_name_are_on_the_same_side(tmp_path: Path) -> None:
    write_source(tmp_path / "one.ndjson")
    text = (tmp_path / "one.ndjson").read_text()
    # Larger and elsewhere: simplified, they are the same; with other words they are no repetition.
    other = [json.loads(one) for one in text.splitlines()]
    with (tmp_path / "two.ndjson").open("w") as lines:
        for entry in other:
            drawing = Drawing(tuple(list(zip(*stroke, strict=True)) for stroke in entry["drawing"]))
            lines.write(line(drawing.moved(2, (7, 9)), f"x{entry['key_id']}", caption="what was seen"))
    made = prepare_doodles(
        [tmp_path / "one.ndjson", tmp_path / "two.ndjson"], tmp_path / "set", DoodleSetSettings(size=0)
    )
    assert made.count == 96
    for doodles in made.drawings.values():
        keys = {doodle.key for doodle in doodles}
        assert {key for key in keys if key.startswith("x")} == {
            f"x{key}" for key in keys if not key.startswith("x")
        }
    again = prepare_doodles([tmp_path / "one.ndjson"] * 2, tmp_path / "again", DoodleSetSettings(size=0))
    assert (again.count, again.repeated) == (48, 48)


def test_splits_of_the_sources_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "quickdraw"
    folder.mkdir()
    write_source(folder / "train.ndjson", 12)
    with (folder / "test.ndjson").open("w") as lines:
        lines.write(line(OWN["fish"], "t1", word="fish"))
        first = json.loads((folder / "train.ndjson").read_text().splitlines()[0])
        lines.write(json.dumps({**first, "key_id": "t2", "word": "again"}) + "\n")
    made = prepare_doodles([folder], tmp_path / "set", DoodleSetSettings(size=0))
    keys = {split: {doodle.key for doodle in doodles} for split, doodles in made.drawings.items()}
    assert keys["test"] == {"t1", "t2", first["key_id"]}  # what is also in the test is not trained on
    assert 0 < len(keys["validation"]) < 15
    mixed = prepare_doodles([folder], tmp_path / "mixed", DoodleSetSettings(size=0, own_splits=False))
    assert {doodle.key for doodle in mixed.drawings["test"]} != keys["test"]


def turned(drawing: Drawing) -> bool:
    """Whether the flag of a pole is on the left of it."""
    pole, flag = drawing.strokes
    return bool(flag[:, 0].mean() < pole[:, 0].mean())


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [("a flag", True), ("a flag on the left", False), ("a Left-hand flag", False), ("a bright flag", True)],
)
def test_what_a_caption_calls_left_stays_left(caption: str, mirrored: bool, tmp_path: Path) -> None:
    with (tmp_path / "a.ndjson").open("w") as lines:
        for number in range(30):
            flag = Drawing(([(0, 0), (0, 200 + number)], [(0, 0), (90, 30), (0, 60)]))
            lines.write(line(flag, f"f{number}", caption=caption))
    settings = DoodleSetSettings(size=0, copies=2, warp=0.3, validation=0, test=0)
    prepare_doodles([tmp_path / "a.ndjson"], tmp_path / "set", settings)
    share = np.mean(
        [turned(d.drawing) for d in read_doodles(tmp_path / "set" / "train.ndjson.gz") if "warped" in d.key]
    )
    assert 0.25 < share < 0.75 if mirrored else share == 0


def test_sides_are_words_of_their_own() -> None:
    assert SIDES.search("the rightmost tree")
    assert not SIDES.search("a bright cleft")


def test_it_goes_on_after_a_kill_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures" / "thing"
    pictures.mkdir(parents=True)
    for number, drawing in enumerate(OWN.values()):
        picture_of(drawing, 100, 3).save(pictures / f"{number}.png")
    sources = [write_source(tmp_path / "a.ndjson", 8), tmp_path / "pictures"]
    settings = DoodleSetSettings(**SMALL)
    prepare_doodles(sources, tmp_path / "whole", settings)
    calls = 0

    class Killed(BaseException):
        pass

    drawn = data.draw_picture

    def draw_some(*arguments: object) -> Image.Image:
        nonlocal calls
        calls += 1
        if calls % 12 == 0:
            raise Killed
        return drawn(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(data, "draw_picture", draw_some)
    for _ in range(40):
        try:
            prepare_doodles(sources, tmp_path / "cut", settings)
            break
        except Killed:
            assert not (tmp_path / "cut" / "set.json").exists()
    assert calls > 12
    whole, cut = files_of(tmp_path / "whole"), files_of(tmp_path / "cut")
    page = data.PAGE  # has the folder's name
    assert whole.keys() == cut.keys()
    assert {name: content for name, content in whole.items() if name != page} == {
        name: content for name, content in cut.items() if name != page
    }
    advice = "add --overwrite to replace it, or name another folder"
    with pytest.raises(RunError, match=f"cut holds a finished set of doodles; {advice}$"):
        prepare_doodles(sources, tmp_path / "cut", settings)


def test_channels_ground_and_pen(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.ndjson", 3)
    settings = DoodleSetSettings(
        size=48, pen=6, channels="grey", ground="black", copies=0, test=0, validation=0
    )
    prepare_doodles([source], tmp_path / "set", settings)
    (part,) = (tmp_path / "set" / "data").iterdir()
    with Image.open(io.BytesIO(pl.read_parquet(part)["image"][0]["bytes"])) as image:
        pixels = np.asarray(image)
    assert image.mode == "L"
    assert pixels[0, 0] == 0
    assert pixels.max() == 255


def test_most_of_a_word_by_chance_and_not_by_place(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.ndjson", 40)
    made = prepare_doodles([source], tmp_path / "set", DoodleSetSettings(size=0, most=5))
    kept = [doodle for doodles in made.drawings.values() for doodle in doodles]
    assert (len(kept), made.beyond) == (20, 140)
    numbers = [int(doodle.key[2:]) for doodle in kept]
    assert max(numbers) > 20


def test_of_each_word_those_are_kept_whose_chance_is_smallest_whatever_their_order(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.ndjson", 30)
    settings = DoodleSetSettings(size=0, most=4, copies=0, seed=3)
    expected = set()
    for word in OWN:
        digests = {
            doodle.key: digest_of(simplified(doodle.drawing))
            for doodle in read_doodles(source)
            if doodle.word == word
        }
        expected |= set(sorted(digests, key=lambda key: chance(3, digests[key]))[:4])
    made = prepare_doodles([source], tmp_path / "set", settings)
    assert {doodle.key for doodles in made.drawings.values() for doodle in doodles} == expected
    lines = source.read_text().splitlines(keepends=True)
    (tmp_path / "b.ndjson").write_text("".join(reversed(lines)))
    prepare_doodles([tmp_path / "b.ndjson"], tmp_path / "other", settings)
    assert (tmp_path / "set" / "train.ndjson.gz").read_bytes() == (
        tmp_path / "other" / "train.ndjson.gz"
    ).read_bytes()


def test_drawings_without_a_word_are_all_kept(tmp_path: Path) -> None:
    with (tmp_path / "a.ndjson").open("w") as lines:
        for number in range(20):
            flag = Drawing(([(0, 0), (0, 200 + 10 * number)], [(0, 0), (90, 30)]))
            lines.write(line(flag, f"f{number}", caption="a flag"))
    made = prepare_doodles([tmp_path / "a.ndjson"], tmp_path / "set", DoodleSetSettings(size=0, most=5))
    assert (made.count, made.beyond) == (20, 0)


@pytest.mark.parametrize("most", [0, 1, 7, 40, 99])
def test_the_smallest_of_numbers(most: int) -> None:
    numbers = np.random.default_rng(most).integers(0, 30, 40).tolist()
    those = Smallest(most)
    taken = [number for number in numbers if those.take(number)]
    limit = sorted(numbers)[most - 1] if 0 < most <= 40 else max(numbers)
    assert those.limit == (limit if 0 < most <= 40 else None)
    # Some are taken that are too large in the end; none that is small enough is left out.
    assert sorted(n for n in taken if n <= limit) == sorted(n for n in numbers if n <= limit)


def test_strokes_are_not_held_in_memory(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        source, random = tmp_path / f"{count}.ndjson", np.random.default_rng(0)
        with source.open("w") as lines:
            for number in range(count):
                # Zigzags of 200 points each: every point is needed, and the drawing stays as large as it is.
                x, up = np.linspace(0, 255, 200).round(), np.arange(200) % 2
                strokes = [
                    np.stack([x, 80 * row + 10 * up + random.integers(0, 4, 200)], 1) for row in range(3)
                ]
                lines.write(line(Drawing(tuple(strokes)), str(number), word=str(number % 5)))
        tracemalloc.start()
        prepare_doodles([source], tmp_path / str(count), DoodleSetSettings(size=0, copies=0, shown=5))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(5)  # what is imported at the first time
    assert (peak(160) - peak(40)) / 120 < 4000  # bytes a drawing, whose points alone are 9,600


def test_unguessed_empty_and_damaged_drawings_are_told(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.ndjson", 3, recognized=True)
    with source.open("a") as lines:
        lines.write(line(OWN["face"], "missed", word="face", recognized=False))
        lines.write('{"drawing": []}\n{"drawing": 7}\n')
    made = prepare_doodles([source], tmp_path / "set", DoodleSetSettings(size=0, recognised=True))
    assert (made.count, made.unguessed) == (12, 1)
    assert [problem.image_id for problem in made.problems] == ["a-14", "a-15"]
    assert "the drawing is empty" in (tmp_path / "set" / "problems.csv").read_text()


def test_captions_of_ones_own(tmp_path: Path) -> None:
    source = write_source(tmp_path / "a.ndjson", 2)
    (tmp_path / "captions.csv").write_text('imgId,caption\nho0,"a small house, with a door"\n')
    settings = DoodleSetSettings(size=0, captions=tmp_path / "captions.csv", caption="{} as a doodle")
    made = prepare_doodles([source], tmp_path / "set", settings)
    captions = {doodle.key: doodle.caption for doodles in made.drawings.values() for doodle in doodles}
    assert captions["ho0"] == "a small house, with a door"
    assert captions["ho1"] == "a house as a doodle"


def test_captions_in_another_of_unicodes_forms_are_the_drawings_own(tmp_path: Path) -> None:
    source = tmp_path / "a.ndjson"
    source.write_text(line(OWN["house"], "h\u00e4user", word="house"))
    (tmp_path / "captions.csv").write_text("imgId,caption\nha\u0308user,a small house\n")
    settings = DoodleSetSettings(size=0, captions=tmp_path / "captions.csv")
    made = prepare_doodles([source], tmp_path / "set", settings)
    assert [one.caption for doodles in made.drawings.values() for one in doodles] == ["a small house"]


def test_nothing_that_can_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("{}\n")
    with pytest.raises(InputError, match="cannot be read"):
        prepare_doodles([tmp_path / "a.ndjson"], tmp_path / "set")
    with pytest.raises(ConfigError, match="nothing would be left"):
        DoodleSetSettings(validation=0.5, test=0.5)


# --- the page


def test_every_word_is_on_the_page_before_any_is_twice() -> None:
    every = [("train", Doodle(f"{word}{n}", OWN["fish"], word)) for word in "abc" for n in range(5)]
    assert [doodle.key for _, doodle in choose_samples(every, 2)] == ["a0", "c0"]
    assert [doodle.key for _, doodle in choose_samples(every, 5)] == ["a0", "a1", "b0", "b1", "c0"]
    assert len(choose_samples(every, 99)) == 15


def make_hostile(tmp_path: Path) -> DoodleSet:
    with (tmp_path / "a.ndjson").open("w") as lines:
        for number, text in enumerate(HOSTILE):
            drawing = Drawing((*OWN["face"].strokes, [(number, number)]))
            lines.write(
                line(drawing, text, word=text, countrycode=text[:9], caption=text, recognized=number % 2 == 0)
            )
        lines.write('{"drawing": 7}\n')
    return prepare_doodles([tmp_path / "a.ndjson"], tmp_path / "set", DoodleSetSettings(size=0))


def test_the_page_escapes_what_it_shows(tmp_path: Path) -> None:
    make_hostile(tmp_path)
    page = parse((tmp_path / "set" / data.PAGE).read_text())
    assert len(page.named("script")) == 1
    assert not page.named("iframe")
    assert not page.named("img")


@pytest.mark.slow
def test_the_page_works_in_a_browser(tmp_path: Path) -> None:
    make_hostile(tmp_path)
    with open_browser() as browser:
        page = browser.new_page()
        complaints = listen(page)
        page.goto((tmp_path / "set" / data.PAGE).as_uri())
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.fill("#filter", "")
            assert page.locator("#cards svg path").count() == len(HOSTILE)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.fill("#filter", "right to left")
            assert page.locator("#cards li:visible").count() == 1
        assert complaints == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_source(tmp_path / "a.ndjson", 3)
    with source.open("a") as lines:
        lines.write("damaged\n")
    given = ["doodle", "data", str(source), "--out", str(tmp_path / "set"), "--size", "0"]
    assert main(given) == 0
    said = capsys.readouterr()
    assert "12 drawings" in said.out
    assert "1 drawing left out, see" in said.err
    assert main(given) == 1
    assert main([*given, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == 1
