"""Many machines give the bytes of one, a lost machine costs what it had, and none runs what lies around."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tests
from tests.crew.squares import interrogating
from tests.whole_world import png
from unprompt import python as unprompt
from unprompt.errors import ConfigError
from unprompt.runs.config import PredictConfig

MODULES = ("json", "pickle", "numpy", "secrets", "queue", "torch", "unprompt", "wave")
REPOSITORY = Path(tests.__file__).parents[1]


@pytest.fixture
def strange_folder(tmp_path: Path) -> Path:
    """A folder with files of modules' names, each of which leaves a file beside it where it is run."""
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in MODULES:
        ran = tmp_path / f"ran-{name}"
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'w')\nraise ImportError('strange')\n")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """What commands left, but for what says when and how fast."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.mark.slow
def test_every_command_gives_the_bytes_of_one_machine(
    world: Path, strange_folder: Path, tmp_path: Path
) -> None:
    """A machine is lost and workers are killed meanwhile, see on_ray.py."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    quiet = {"device": "cpu", "progress": False}
    unprompt.predict(world / "images", here / "RUN", bundle=world / "all.toml", chunk=1, **quiet)
    unprompt.interrogate(world / "images", here / "prompts.csv", **interrogating(world), **quiet)
    unprompt.caption(world / "images", out=here / "captions.csv", model=world / "blip", **quiet)
    unprompt.bank(world / "DATA", here / "BANK", checkpoint=world / "clip", **quiet)

    paths = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    environment = {**os.environ, "PYTHONPATH": paths, "UNPROMPT_TEST": str(tmp_path)}
    command = [sys.executable, str(REPOSITORY / "tests" / "crew" / "on_ray.py"), str(world), str(there)]
    done = subprocess.run(
        command, cwd=strange_folder, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert not list(tmp_path.glob("ran-*"))
    assert files_of(here) == files_of(there)


@pytest.mark.slow
def test_workers_open_an_address_themselves(tmp_path: Path) -> None:
    """See on_addresses.py."""
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    paths = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    command = [sys.executable, str(REPOSITORY / "tests" / "crew" / "on_addresses.py"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]


def test_a_deadline_is_of_one_machine() -> None:
    with pytest.raises(ConfigError, match="--deadline goes by the pace of one machine"):
        PredictConfig(cluster="ray", deadline=60)
    with pytest.raises(ConfigError, match="cluster"):
        PredictConfig(cluster="slurm")
