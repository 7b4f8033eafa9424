"""Every option of every command that takes a path, with paths that cannot be: one line, no traceback.

The table is read from the parser, so that a new option is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unprompt.cli import build_parser, main
from unprompt.cli.places import FILES, OUT, WRITTEN
from unprompt.storage.remote import path_of

PATHS = {"CSV", "FOLDER", "PATH"}  # of options whose type is text
SERVERS = {"app", "serve"}  # would wait for visitors where a path is none that matters yet
RECIPES = {"pocket", "demo"}  # train for minutes where nothing is wrong
HARMLESS = {"images", "image", "drawing", "drawings", "sources", "dataset", "datasets", "pairs", "triples"}


def leaves(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """The commands that have no commands below them."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield words, parser
    for action in below:
        for name, one in action.choices.items():
            yield from leaves(one, (*words, name))


COMMANDS = dict(leaves(build_parser()))


def takes_path(action: argparse.Action) -> bool:
    return action.type in (Path, path_of) or (action.metavar in PATHS and action.type is str)


OPTIONS = [
    (words, action) for words, parser in COMMANDS.items() for action in parser._actions if takes_path(action)
]
OUTS = [(words, action) for words, action in OPTIONS if action.dest in WRITTEN and action.option_strings]
TO_WRITE = [(words, action) for words, action in OUTS if action.dest == OUT]  # whatever is found
INPUTS = [
    (words, action)
    for words, action in OPTIONS
    if (words, action) not in OUTS and words[0] not in SERVERS | RECIPES
]


def called(cases: list[tuple[tuple[str, ...], argparse.Action]]) -> list[str]:
    return [f"{' '.join(words)} {(action.option_strings or [action.dest])[0]}" for words, action in cases]


def command_line(words: tuple[str, ...], given: argparse.Action, path: str, there: Path) -> list[str]:
    """A command with what it must have, and one path among it."""
    line = [*words]
    for action in COMMANDS[words]._actions:
        value = path if action is given else str(there / "out" if action.dest == "out" else there)
        if action.option_strings and (action.required or action is given):
            line += [action.option_strings[0], value]
        elif not action.option_strings and (action.required or action is given):
            line.append(value)
    return line


def refused(line: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What one line on stderr says of a command that cannot be run."""
    try:
        code = main(line)
    except SystemExit as end:  # wrong usage
        code = int(end.code or 0)
    told = capsys.readouterr().err
    assert code in (1, 2), (line, code, told)
    # Warnings may stand before the error; usage stands before what is wrong with it, and what is missing is
    # told in lines of their own, which are indented.
    own = [text for text in told.splitlines() if not text.startswith((" ", "usage"))]
    assert own, (line, told)
    assert all(text.startswith("unprompt") for text in own), (line, told)
    assert told.replace("\n", "").isprintable(), told
    return own[-1]


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder with a picture."""
    folder = tmp_path / "there"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    return folder


@pytest.mark.parametrize(("words", "action"), OPTIONS, ids=called(OPTIONS))
def test_a_nul_in_a_path_is_told(
    words: tuple[str, ...], action: argparse.Action, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(command_line(words, action, f"{there}/a\0b", there), capsys)
    assert "a\\x00b has a NUL character" in told


@pytest.mark.parametrize(("words", "action"), OUTS, ids=called(OUTS))
def test_a_place_that_cannot_be_is_told_before_any_work(
    words: tuple[str, ...], action: argparse.Action, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (there.parent / "nowhere").symlink_to(there.parent / "gone")
    for place, why in (
        (there / "a.png" / "b" / "out.csv", "a.png is a file; name another place"),
        (there.parent / "nowhere", "nowhere is a link that leads nowhere"),
        (there.parent / "nowhere" / "out.csv", "nowhere is a link that leads nowhere"),
        *([(there, "there is a folder; name a file in it")] if action.metavar in FILES else []),
    ):
        assert why in refused(command_line(words, action, str(place), there), capsys)


@pytest.mark.parametrize(("words", "action"), TO_WRITE, ids=called(TO_WRITE))
def test_a_place_without_the_right_to_write_is_told_before_any_work(
    words: tuple[str, ...],
    action: argparse.Action,
    there: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = os.access
    monkeypatch.setattr(  # root may write everywhere
        "os.access", lambda path, mode: access(path, mode) and not (mode & os.W_OK and Path(path) == there)
    )
    for place in (there / "out.csv", there / "new" / "out.csv"):
        told = refused(command_line(words, action, str(place), there), capsys)
        assert f"{place} cannot be written, for want of permission" in told
        assert told.endswith("name another place with --out")


HOSTILE = (b"\x1b[31mred\x07.png", b"caf\xe9.png", "gpj.\u202eexe.png".encode(), b"new\nline.png")


@pytest.mark.parametrize("more", [[], ["--json"], ["--csv"]])
def test_no_terminal_obeys_a_name_or_a_prompt_from_outside(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    prompt = PngInfo()
    prompt.add_text(
        "parameters", "a cat \x1b]0;owned\x07 \u202egpj\nNegative prompt: \x9b2J\nSteps: 20, Seed: 1"
    )
    for name in HOSTILE:
        with (tmp_path / os.fsdecode(name)).open("wb") as stream:
            Image.new("RGB", (8, 8)).save(stream, "PNG", pnginfo=prompt)
    (tmp_path / "bad\x1b[2J.png").write_bytes(b"no picture")
    assert main(["info", str(tmp_path), *more]) == 0
    told = capsys.readouterr()
    assert (told.out + told.err).replace("\n", "").replace("\t", "").isprintable()
    assert "bad\\x1b[2J.png: not an image" in told.err
    if more == ["--json"]:  # escaped, and so the same for whoever reads it
        files = {one["file"] for one in json.loads(told.out)["images"]}
        assert files == {str(tmp_path / os.fsdecode(name)) for name in HOSTILE}


def test_a_table_for_programs_has_prompts_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arabic has marks that turn the direction: no terminal is to obey them, and no table may lose them."""
    prompt = PngInfo()
    prompt.add_text("parameters", "قطة\u200f حمراء\nSteps: 20, Seed: 1")
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png", pnginfo=prompt)
    assert main(["info", str(tmp_path), "--csv"]) == 0
    assert "قطة\u200f حمراء" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("words", "action"), INPUTS, ids=called(INPUTS))
def test_a_path_that_cannot_be_read_is_told_in_one_line(
    words: tuple[str, ...],
    action: argparse.Action,
    there: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("XDG_CACHE_HOME", "UNPROMPT_CHECKPOINTS", "HF_HOME"):
        monkeypatch.setenv(name, str(there.parent / "cache"))
    monkeypatch.chdir(there)
    (there.parent / "nowhere").symlink_to(there.parent / "gone")
    (there.parent / "file").write_bytes(b"\xff\xfe\x00 not what anybody expects \x1b[31m")
    (there.parent / "empty").mkdir()
    for path in (
        there.parent / "missing.csv",
        there.parent / "nowhere",
        there.parent / "file",
        there.parent / "file" / "below.csv",
        there.parent / "empty",
        there.parent / os.fsdecode(b"caf\xe9 \x1b[31m.csv"),
        there.parent / ("n" * 300),
    ):
        refused(command_line(words, action, str(path), there), capsys)
        shutil.rmtree(there / "out", ignore_errors=True)
