from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from unprompt.cli import main
from unprompt.colouring_pages.extract import Extractor, open_extractor
from unprompt.colouring_pages.grade import grade_pairs, kind_of, line_width
from unprompt.colouring_pages.page_config import PageConfig
from unprompt.datasets.pairs import Pairs, read_pairs
from unprompt.datasets.write_pairs import write_pairs
from unprompt.errors import InputError
from unprompt.storage.images import ImageFile


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    """Two filled shapes, and their rims."""
    sides: dict[str, list[ImageFile]] = {"source": [], "target": []}
    forms = (
        ("source", (24, 30, 100, 98), {"fill": (200, 60, 30)}),
        ("target", (23, 29, 101, 99), {"outline": 0, "width": 3}),  # its middle is the rim
    )
    for number, kind in enumerate(("ellipse", "rectangle")):
        for side, box, form in forms:
            image = Image.new("RGB", (128, 128), "white")
            getattr(ImageDraw.Draw(image), kind)(box, **form)
            path = tmp_path / f"{side}-{number}.png"
            image.save(path)
            sides[side].append(ImageFile(f"p{number}", path))
    return Pairs(
        ("p0", "p1"),
        tuple(sides["source"]),
        tuple(sides["target"]),
        ("1F534: flat, white", "pocket: a red square"),
    )


def test_a_page_of_the_right_lines_scores_high_and_by_kind(pairs: Pairs) -> None:
    graded = grade_pairs(pairs, open_extractor(PageConfig("canny")))
    means = graded.by_kind()
    assert list(means) == ["flat", "pocket", "all"]
    assert means["all"].f1 > 0.95
    assert means["all"].regions > 0.95
    assert means["all"].closed > 0.95
    assert means["all"].f1 == pytest.approx((means["flat"].f1 + means["pocket"].f1) / 2)
    assert graded.seconds > 0


def test_ink_is_scored_as_it_is(pairs: Pairs) -> None:
    def truth(picture: np.ndarray) -> np.ndarray:
        """Half of the truth: the upper one."""
        ink = 1 - np.asarray(Image.open(pairs.targets[0].path).convert("L"), np.float32) / 255
        ink[64:] = 0
        return ink

    one = pairs.at(["p0"])
    score = grade_pairs(one, Extractor("half", 128, truth), what="ink").scores["p0"]
    assert score.precision == pytest.approx(1, abs=0.01)
    assert score.recall == pytest.approx(0.5, abs=0.03)
    assert score.closed == 0


@pytest.mark.parametrize("width", [1, 2, 4, 7])
def test_lines_are_measured(width: int) -> None:
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).ellipse((30, 30, 170, 170), outline=0, width=width)
    assert line_width(image) == pytest.approx(width, rel=0.15)


@pytest.mark.parametrize(
    ("caption", "kind"),
    [
        ("1F98A: flat, night, jpeg", "flat"),
        ("pocket: a fox, noise", "pocket"),
        ("a fox", "other"),
        ("", "other"),
    ],
)
def test_captions_say_the_kind(caption: str, kind: str) -> None:
    assert kind_of(caption) == kind


def test_no_pairs_are_told() -> None:
    with pytest.raises(InputError, match="no pairs to grade on"):
        grade_pairs(Pairs((), (), ()), open_extractor(PageConfig("canny")))


def test_the_command_prints_a_table_and_writes_lines(
    pairs: Pairs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(pairs, tmp_path / "pairs", "parts")
    command = ["page", "grade", str(tmp_path / "pairs"), "--methods", "canny", "dodge"]
    assert main([*command, "--out", str(tmp_path / "scores")]) == 0
    shown = capsys.readouterr().out.splitlines()
    counts = {"flat": "1", "pocket": "1", "all": "2"}
    assert [line.split()[:3] for line in shown] == [
        ["method", "source", "n"],
        *([method, kind, n] for method in ("canny", "dodge") for kind, n in counts.items()),
    ]
    rows = list(csv.DictReader((tmp_path / "scores" / "canny.csv").open()))
    assert [row["imgId"] for row in rows] == ["p0", "p1", "mean"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["canny"]["all"]["f1"] == pytest.approx(float(rows[-1]["f1"]), abs=1e-4)
    assert [told["dodge"][kind]["n"] for kind in ("flat", "pocket", "all")] == [1, 1, 2]


def test_the_command_scores_all_pairs_or_says_how_many(
    pairs: Pairs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = tuple(f"p{number}" for number in range(30))
    sources, targets = (
        tuple(map(ImageFile, ids, (file.path for file in 15 * side)))
        for side in (pairs.sources, pairs.targets)
    )
    many = Pairs(ids, sources, targets, ("",) * 30)
    write_pairs(many, tmp_path / "pairs", "parts")
    command = ["page", "grade", str(tmp_path / "pairs"), "--methods", "canny", "--json", "--ink"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["canny"]["all"]["n"] == 30
    assert "--most" not in printed.err
    assert main([*command, "--most", "3"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["canny"]["all"]["n"] == 3
    assert "the first 3 of 30 pairs are scored (--most)" in printed.err
    assert main([*command, "--weights", "generator.safetensors"]) == 1
    assert "weights are of auto and pix2pix, and methods are canny" in capsys.readouterr().err


@pytest.mark.slow
def test_from_data_to_a_page_by_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """page data, train, make with what was learnt, and pairs of stage 2 of it."""
    pairs, run = str(tmp_path / "pairs"), tmp_path / "run"
    assert main(["page", "data", "--out", pairs, "--count", "8", "--size", "72", "--pocket", "0.2"]) == 0
    assert len(read_pairs(Path(pairs))) == 8
    small = ["--filters", "2", "--levels", "3", "--judge-filters", "2", "--size", "64", "--jitter", "0.125"]
    assert (
        main(["page", "train", pairs, "--out", str(run), "--epochs", "1", *small, "--judge-layers", "2"]) == 0
    )
    assert "try it: unprompt page make" in capsys.readouterr().out
    weights = ["--weights", str(run / "generator.safetensors")]
    picture = tmp_path / "a.png"
    Image.new("RGB", (90, 60), (30, 90, 200)).save(picture)
    made = ["page", "make", str(picture), "--out", str(tmp_path / "pages"), "--dpi", "72"]
    assert main([*made, "--method", "pix2pix", *weights]) == 0
    assert (tmp_path / "pages" / "a.pdf").exists()
    second = ["page", "data", str(picture), "--out", str(tmp_path / "two"), *weights, "--size", "64"]
    assert main(second) == 0
    assert len(read_pairs(tmp_path / "two")) == 2
    assert main(second[:5]) == 1
    assert "give images and --weights, or neither" in capsys.readouterr().err
