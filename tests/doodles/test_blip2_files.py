"""`doodle caption --by FOLDER`: what is done is kept and goes on, what cannot be read is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from unprompt.cli import main
from unprompt.doodles.blip2 import Blip2Captioner
from unprompt.doodles.blip2_files import find_drawings
from unprompt.doodles.captioned import SIZE
from unprompt.errors import InputError

CROSS = [[[0, 9], [0, 9]], [[0, 9], [9, 0]]]


class Speaker:
    """Stands where a BLIP-2 would, and counts what it is shown. `stops_at`: the batch that is interrupted."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.stops_at: int | None = None

    def caption_pictures(self, pictures: Sequence[Image.Image]) -> list[str]:
        if self.stops_at == len(self.batches):
            raise KeyboardInterrupt
        self.batches.append(len(pictures))
        return [f"a picture, {picture.width} wide" for picture in pictures]


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    speaker = Speaker()
    monkeypatch.setattr(Blip2Captioner, "load", lambda *arguments: speaker)
    return speaker


def write_strokes(path: Path, count: int) -> Path:
    lines = [json.dumps({"drawing": CROSS, "key_id": f"{path.stem}{n}"}) for n in range(count)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def caption(drawings: Path, *more: object) -> int:
    given = ("doodle", "caption", drawings, "--by", "MODEL", "--device", "cpu", *more)
    return main([str(one) for one in given])


def test_what_was_stopped_goes_on(
    tmp_path: Path, speaker: Speaker, capsys: pytest.CaptureFixture[str]
) -> None:
    drawings, out, whole = write_strokes(tmp_path / "a.ndjson", 5), tmp_path / "t.csv", tmp_path / "w.csv"
    assert caption(drawings, "--batch", 2, "--out", whole) == 0
    assert speaker.batches == [2, 2, 1]
    speaker.batches, speaker.stops_at = [], 2
    assert caption(drawings, "--batch", 2, "--out", out) == 130
    assert "run the same command again to go on; what is done is kept" in capsys.readouterr().err
    assert out.read_bytes() == b"".join(whole.read_bytes().splitlines(keepends=True)[:5])

    assert caption(drawings, "--batch", 2, "--prompt", "a", "--out", out) == 1
    assert "was begun with other settings" in capsys.readouterr().err
    speaker.batches, speaker.stops_at = [], None
    assert caption(drawings, "--batch", 2, "--out", out, "--json") == 0
    assert speaker.batches == [1]
    assert out.read_bytes() == whole.read_bytes()
    told = json.loads(capsys.readouterr().out)
    assert told["captions"] == {f"a{n}": {"caption": f"a picture, {SIZE} wide"} for n in range(5)}


def test_drawings_that_have_changed_are_not_mixed(
    tmp_path: Path, speaker: Speaker, capsys: pytest.CaptureFixture[str]
) -> None:
    drawings, out = write_strokes(tmp_path / "a.ndjson", 4), tmp_path / "t.csv"
    speaker.stops_at = 1
    assert caption(drawings, "--batch", 2, "--out", out) == 130
    drawings.write_text(drawings.read_text().replace("9", "8"))
    speaker.batches, speaker.stops_at = [], None
    assert caption(drawings, "--batch", 2, "--out", out) == 1
    assert "a.ndjson has changed since" in capsys.readouterr().err
    assert caption(drawings, "--batch", 2, "--out", out, "--overwrite") == 0
    assert speaker.batches == [2, 2]


def test_captions_are_shown_as_they_come(
    tmp_path: Path, speaker: Speaker, capsys: pytest.CaptureFixture[str]
) -> None:
    speaker.stops_at = 1
    assert caption(write_strokes(tmp_path / "a.ndjson", 4), "--batch", 2) == 130
    assert capsys.readouterr().out.splitlines() == [f"a{n}: a picture, {SIZE} wide" for n in range(2)]


def test_as_many_are_looked_at_together_as_is_said(tmp_path: Path, speaker: Speaker) -> None:
    assert caption(write_strokes(tmp_path / "a.ndjson", 45), "--batch", 40) == 0
    assert speaker.batches == [40, 5]


@pytest.mark.parametrize("out", ["captions.csv", None])
def test_what_cannot_be_captioned_is_told(
    tmp_path: Path, speaker: Speaker, capsys: pytest.CaptureFixture[str], out: str | None
) -> None:
    folder = tmp_path / "drawings"
    folder.mkdir()
    lines = [json.dumps({"drawing": drawing, "key_id": key}) for key, drawing in (("x", CROSS), ("y", []))]
    (folder / "a.ndjson").write_text("\n".join([lines[0], "no drawing", lines[1]]))
    Image.new("L", (20, 10)).save(folder / "scan.png")
    (folder / "broken.png").write_bytes(b"nothing")
    more = ["--out", tmp_path / out] if out else []
    assert caption(folder, "--json", *more) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert set(told["captions"]) == {"x", "scan"}
    assert told["captions"]["scan"]["caption"] == "a picture, 20 wide"
    problem_by_id = {one["image_id"]: one["problem"] for one in told["problems"]}
    assert set(problem_by_id) == {"y", "a-2", "broken"}
    assert "nothing is drawn there" in problem_by_id["y"]
    assert problem_by_id["a-2"].startswith("line 2: ")
    assert "broken: " in shown.err
    if out:
        rows = (tmp_path / "captions.problems.csv").read_text().splitlines()
        assert {row.split(",")[0] for row in rows} == {"imgId", "y", "a-2", "broken"}


@pytest.mark.parametrize("more", [(), ("--out", "t.csv")])
def test_drawings_of_which_none_can_be_read(
    tmp_path: Path,
    speaker: Speaker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"nothing")
    assert caption(tmp_path, *more) == 1
    assert "none of 2 drawings can be read, first: 1.png: " in capsys.readouterr().err
    (tmp_path / "empty.ndjson").touch()
    assert caption(tmp_path / "empty.ndjson", *more) == 1
    assert "no drawings in " in capsys.readouterr().err
    assert speaker.batches == []


@pytest.mark.parametrize(
    "given",
    [
        ("--prompt", "a photo"),
        ("--beams", "3"),
        ("--length", "32"),
        ("--batch", "0"),
        ("--adapter", "RUN"),
    ],
)
def test_options_of_blip2_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: tuple[str, ...]
) -> None:
    drawings = write_strokes(tmp_path / "a.ndjson", 1)
    assert main(["doodle", "caption", str(drawings), *given]) == 1
    assert f"{given[0]} belongs to --by FOLDER of a BLIP-2" in capsys.readouterr().err


@pytest.mark.parametrize("given", [("--weights", "W"), ("--namer", "N"), ("--sure", "0.25")])
def test_options_of_groups_beside_blip2(
    tmp_path: Path, speaker: Speaker, capsys: pytest.CaptureFixture[str], given: tuple[str, str]
) -> None:
    assert caption(write_strokes(tmp_path / "a.ndjson", 1), *given) == 1
    assert f"{given[0]} belongs to captions by groups of strokes, not to --by" in capsys.readouterr().err


def test_drawings_to_caption_have_ids(tmp_path: Path) -> None:
    write_strokes(tmp_path / "a.ndjson", 2)
    Image.new("L", (20, 10)).save(tmp_path / "scan.png")
    found = find_drawings([tmp_path])
    assert [one.file.image_id for one in found] == ["a0", "a1", "scan"]
    assert [one.sheet().size for one in found] == [(SIZE, SIZE), (SIZE, SIZE), (20, 10)]
    with pytest.raises(InputError, match="a0"):
        find_drawings([tmp_path, tmp_path / "a.ndjson"])
