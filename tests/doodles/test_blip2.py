"""A tiny BLIP-2 learns the captions of eight drawings by heart, and the command line teaches and asks one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_captioners import save_tiny_blip, save_tiny_blip2
from unprompt.cli import doodle_blip2
from unprompt.cli.trainings import add_trainings
from unprompt.doodles.blip2 import Blip2Captioner, is_blip2, train_on
from unprompt.doodles.captioned import captioned, sheet_of
from unprompt.doodles.drawing import Drawing
from unprompt.errors import CheckpointError
from unprompt.learning.blip2_config import Blip2Machine, Blip2Training

pytestmark = pytest.mark.usefixtures("one_thread")

CAPTIONS = (
    "a red house",
    "a blue ship near a river",
    "a golden hat",
    "the old man and a dog",
    "a small street",
    "a giant tree in the forest",
    "a green garden window",
    "the castle on a mountain with a bird",
)
# Of a language model that knows no words, all of it has to learn; of a trained one q_proj and k_proj do.
TARGETS = "q_proj+k_proj+v_proj+out_proj+fc1+fc2+language_projection"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_blip2(tmp_path_factory.mktemp("blip2") / "tiny")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["dropout"] = 0.0  # which would keep a network this small from learning by heart
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def hatched(cell: int) -> Drawing:
    """A frame of three by three cells, of which one is hatched."""
    x, y = cell % 3, cell // 3
    frame = np.array([(0.0, 0), (3, 0), (3, 3), (0, 3), (0, 0)])
    return Drawing((frame, np.array([(x + step % 2, y + step / 24) for step in range(25)])))


DRAWINGS = [hatched(cell) for cell in range(8)]


def write_strokes(path: Path) -> Path:
    lines = [
        {
            "key_id": str(100 + row),
            "word": ("ship", "bird")[row % 2],
            "drawing": [stroke.T.tolist() for stroke in one.strokes],
        }
        for row, one in enumerate(DRAWINGS)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.mark.slow
def test_eight_drawings_are_learnt_by_heart(folder: Path, tmp_path: Path) -> None:
    training = Blip2Training(targets=TARGETS, learning_rate=1e-2, epochs=10, batch=8, dropout=0)
    machine = Blip2Machine(device="cpu", gradient_checkpointing=False)
    often = captioned(DRAWINGS * 10, CAPTIONS * 10)  # ten steps an epoch: each ends with a save
    learnt = train_on(often, folder, tmp_path / "run", training, machine)
    assert learnt.rows[0]["loss"] > 3
    assert learnt.rows[-1]["accuracy"] == 1
    captioner = Blip2Captioner.load(folder, tmp_path / "run", device="cpu")
    assert captioner.caption(DRAWINGS) == list(CAPTIONS)
    assert captioner.caption_pictures([sheet_of(DRAWINGS[3])]) == [CAPTIONS[3]]
    assert captioner.title == "BLIP-2 (tiny)"
    plain = Blip2Captioner.load(folder, device="cpu").caption(DRAWINGS)
    assert not set(plain) & set(CAPTIONS)


def test_a_folder_is_known_by_its_config(folder: Path, tmp_path: Path) -> None:
    assert is_blip2(folder)
    assert not is_blip2(save_tiny_blip(tmp_path / "blip"))
    assert not is_blip2(tmp_path)


def train_options(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--json", action="store_true")
    add_trainings(parser, "--model", {"FOLDER": doodle_blip2.SETTINGS})
    options = parser.parse_args([str(one) for one in arguments])
    assert {"targets", "rank", "features", "device"} <= vars(options).keys()
    return options


def caption_options(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("drawings", type=Path, nargs="+")
    parser.add_argument("--by", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--device", default="cpu")
    doodle_blip2.add_caption_options(parser)
    return parser.parse_args([str(one) for one in arguments])


def test_the_commands_parts(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strokes, run = write_strokes(tmp_path / "strokes.ndjson"), tmp_path / "run"
    common = ("--data", strokes, "--model", folder, "--out", run, "--device", "cpu", "--epochs", 1)
    doodle_blip2.run_train(train_options(*common, "--batch", 4, "--rank", 2, "--length", 2))
    told = capsys.readouterr()
    assert "learnt 512 of 70,400 parameters from 8 drawings" in told.out  # 2 layers, q and k, 2 x (32 + 32)
    assert "of 8 captions only the first 2 tokens were learnt" in told.err
    doodle_blip2.run_train(train_options(*common, "--targets", "language+vision", "--json", "--overwrite"))
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["learning"] == 2 * 16 * (2 * (32 + 32) + (32 + 3 * 32))
    assert (numbers["drawings"], numbers["out"]) == (8, str(run))

    drawings = tmp_path / "drawings"
    drawings.mkdir()
    strokes.rename(drawings / "strokes.ndjson")
    sheet_of(DRAWINGS[0]).save(drawings / "scan.png")
    asked = (drawings, "--by", folder, "--length", 4, "--adapter", run)
    said = doodle_blip2.caption_drawings(caption_options(*asked, "--out", tmp_path / "captions.csv")).captions
    assert list(said) == [*(str(100 + row) for row in range(8)), "scan"]
    assert said["scan"] == said["100"]


def test_an_adapter_that_is_none(folder: Path, tmp_path: Path) -> None:
    options = caption_options(write_strokes(tmp_path / "a.ndjson"), "--by", folder, "--adapter", tmp_path)
    with pytest.raises(CheckpointError, match="no low-rank updates"):
        doodle_blip2.caption_drawings(options)
