"""`unprompt info`, and `unprompt IMAGE`: what is printed, as a user sees it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import unprompt
from tests.marked_pictures import PARAMETERS, comfy_png, graph, png_with, saved, with_comment
from tests.processes import run_command, started
from unprompt.cli import begins_with_a_picture, look, main
from unprompt.datasets.dataset import read_dataset
from unprompt.errors import ConfigError, InputError
from unprompt.metadata.files import FilePrompt

LIGHTHOUSE = "a lighthouse at dusk, (warm light:1.2)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(png_with(parameters=PARAMETERS))
    (pictures / "b.webp").write_bytes(with_comment("WEBP", b"UNICODE\0" + PARAMETERS.encode("utf-16-le")))
    (pictures / "c.png").write_bytes(comfy_png(graph("a fox\n\x1b[2Jin snow")))
    (pictures / "d.png").write_bytes(saved("PNG"))
    return pictures


def test_in_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("read from  EXIF UserComment, AUTOMATIC1111") == 1
    assert "  prompt     a fox\n             [2Jin snow\n  negative   blurry\n" in shown
    assert shown.endswith(
        "3 of 4 images have their prompt in the file (AUTOMATIC1111 2, ComfyUI 1); 1 has none, first: d.png\n"
    )


def test_as_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder), "--csv"]) == 0
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert [(row["imgId"], row["seed"]) for row in rows] == [("a", "42"), ("b", "42"), ("c", "7")]
    assert rows[0]["prompt"] == LIGHTHOUSE
    assert captured.err.startswith("3 of 4 images")


def test_as_json_with_a_file_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "e.png").write_bytes(b"nothing")
    assert main(["info", str(folder), "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert [one["prompt"] for one in told["images"]][:2] == [LIGHTHOUSE] * 2
    assert told["images"][2]["size"] == [512, 768]
    assert told["without"] == [str(folder / "d.png")]
    assert [Path(one["file"]).name for one in told["unreadable"]] == ["e.png"]
    assert "could not be read: 1, first: e.png" in captured.err


def test_nothing_that_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "e.png").write_bytes(b"nothing")
    assert main(["info", str(tmp_path)]) == 1
    assert "the only image cannot be read: e.png" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "none.png")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_data_set(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder), "--dataset", str(tmp_path / "D"), "--plain"]) == 0
    assert f"data set    3 images with prompts: {tmp_path / 'D'}" in capsys.readouterr().out
    data = read_dataset(tmp_path / "D")
    assert data.prompts.texts[1:] == ("a lighthouse at dusk, warm light", "a fox [2Jin snow")


@pytest.mark.parametrize(
    ("given", "flag"),
    [(["--plain"], "--plain"), (["--part", "9"], "--part"), (["--overwrite"], "--overwrite")],
)
def test_what_belongs_to_a_data_set_is_refused_without_one(
    given: list[str], flag: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(folder), *given]) == 1
    told = capsys.readouterr()
    assert told.err == f"unprompt: {flag} belongs to --dataset, without which it does nothing\n"
    assert not told.out
    with pytest.raises(ConfigError, match="plain belongs to dataset, without which it does nothing"):
        unprompt.info(folder, plain=True)


@pytest.mark.parametrize("keeps", [False, True])
def test_it_says_whether_it_goes_on(
    keeps: bool,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unprompt.metadata.files.read_file_prompts", interrupted)
    more = ["--dataset", str(tmp_path / "DATASET")] if keeps else []
    assert main(["info", str(folder), *more]) == 130
    told = capsys.readouterr().err.splitlines()[-1]
    assert ("run the same command again to go on" in told) is keeps
    assert ("nothing was left half done" in told) is not keeps


def test_in_python(folder: Path, tmp_path: Path) -> None:
    found = unprompt.info(folder, dataset=tmp_path / "D", device="cpu")
    assert [one.prompt for one in found] == [LIGHTHOUSE, LIGHTHOUSE, "a fox\n[2Jin snow", ""]
    assert len(read_dataset(tmp_path / "D")) == 3
    (one,) = unprompt.info(str(folder / "a.png"))
    assert one.generation is not None
    assert one.generation.seed == 42
    with pytest.raises(InputError, match="does not exist"):
        unprompt.info("none.png")


class TestAPictureAlone:
    def test_its_prompt_is_read_and_nothing_is_loaded(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("unprompt.bundle.loaded.LoadedBundle.load", None)
        assert main([str(folder / "a.png")]) == 0
        shown = capsys.readouterr().out
        first, *more = shown.splitlines()
        assert first == "read from the file (PNG text parameters, AUTOMATIC1111):"
        assert more == [LIGHTHOUSE, "negative: blurry, lowres"]

    def test_as_json(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "e.png").write_bytes(b"nothing")
        assert main([str(folder / "a.png"), str(folder / "c.png"), str(folder / "e.png"), "--json"]) == 0
        captured = capsys.readouterr()
        told = json.loads(captured.out)
        assert [(one["imgId"], one["prompt"], one["seed"]) for one in told["images"]] == [
            ("a", LIGHTHOUSE, 42), ("c", "a fox\n[2Jin snow", 7),
        ]  # fmt: skip
        assert told["images"][0]["place"] == "PNG text parameters"
        assert not any("guess" in one for one in told["images"])
        assert [one["file"] for one in told["unreadable"]] == [str(folder / "e.png")]
        assert captured.err == f"unprompt: e.png: {told['unreadable'][0]['problem']}\n"

    @pytest.mark.parametrize("name", ["none.png", "no/folder"])
    def test_one_that_is_not_there(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([name]) == 1
        assert f"unprompt: {name} does not exist" in capsys.readouterr().err

    def test_a_command_is_a_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "train").mkdir()
        (tmp_path / "pictures").mkdir()
        assert not begins_with_a_picture(["train", "x.png"])
        assert not begins_with_a_picture([])
        assert not begins_with_a_picture(["--version", "x.png"])
        assert not begins_with_a_picture(["predikt"])
        assert not begins_with_a_picture(["x" * 5000])
        assert begins_with_a_picture(["pictures"])
        assert begins_with_a_picture(["--debug", "x.png"])

    @pytest.mark.slow
    def test_without_a_prompt_it_is_guessed(
        self, folder: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pytest.importorskip("torch")
        scene = scenes / "images" / "scene-01.png"
        assert main([str(folder / "a.png"), str(scene), "--device", "cpu"]) == 0
        shown = capsys.readouterr().out
        assert f"{folder / 'a.png'}: read from the file (" in shown
        guess = shown.split(f"{scene}: no prompt in the file; guessed by the bundle 'lite':\n")[1]
        assert guess.strip()
        assert main([str(folder / "a.png"), str(scene), "--guess", "--device", "cpu", "--json"]) == 0
        read, guessed = json.loads(capsys.readouterr().out)["images"]
        assert (read["prompt"], read["bundle"]) == (LIGHTHOUSE, "lite")
        assert read["guess"] not in ("", LIGHTHOUSE)
        assert (guessed["prompt"], guessed["guess"]) == ("", guess.rstrip("\n"))

    @pytest.mark.parametrize(("given", "told"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
    def test_threads_that_wait_leave_the_cores_to_others(
        self, folder: Path, given: str | None, told: str
    ) -> None:
        """It has to be said before torch is imported, which here is as if it were not installed."""
        program = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"))
            raise ImportError(name="torch")

sys.meta_path.insert(0, Watch())
from unprompt.cli import main
main(sys.argv[1:])
"""
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environment |= {"OMP_WAIT_POLICY": given} if given else {}
        asked = [sys.executable, "-c", program, str(folder / "d.png")]
        run = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
        assert {*run.stdout.split()} == {told}

    def test_what_was_found_is_printed_where_it_is_interrupted(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def guesses(left: list[FilePrompt], *_: str) -> Iterator[tuple[FilePrompt, str]]:
            yield left[0], "a lamp"
            raise KeyboardInterrupt

        monkeypatch.setattr(look, "_guesses", guesses)
        assert main([str(folder), "--guess", "--json"]) == 130
        told = json.loads(capsys.readouterr().out)
        assert told["interrupted"]
        assert [one["prompt"] for one in told["images"][:2]] == [LIGHTHOUSE] * 2
        assert [one.get("guess") for one in told["images"]] == ["a lamp", None, None, None]

    @pytest.mark.skipif(sys.platform != "linux", reason="permissions work otherwise here")
    def test_a_cache_that_cannot_be_looked_into_only_costs_time(
        self, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("torch")
        scene, printed = scenes / "images" / "scene-01.png", tmp_path / "printed.txt"
        (tmp_path / "closed").mkdir(mode=0)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "closed"))
        with started(run_command, [str(scene), "--device", "cpu"], printed, False) as process:
            process.join()
        shown = printed.read_text()
        assert process.exitcode == 0, shown
        assert "guessed by the bundle 'lite'" in shown
        assert "(Permission denied); classes are embedded anew each run, unless XDG_CACHE_HOME" in shown
