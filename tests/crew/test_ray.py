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
from unprompt.crew.ray_actors import places_on
from unprompt.crew.work import Place
from unprompt.errors import ConfigError
from unprompt.runs.config import PredictConfig

MODULES = ("json", "pickle", "numpy", "secrets", "queue", "torch", "unprompt", "wave")
REPOSITORY = Path(tests.__file__).parents[1]
RAY = {
    "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)]),
    "RAY_prestart_worker_first_driver": "0",  # workers that nobody would give work to
    "RAY_worker_niceness": "0",  # else they wait for what runs beside the test
}


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
    """A machine is lost and workers are killed meanwhile, and images are read at addresses: see on_ray.py."""
    here, there, pictures = tmp_path / "here", tmp_path / "there", tmp_path / "pictures"
    for folder in (here, there, pictures):
        folder.mkdir()
    for number in range(3):
        (pictures / f"{number}.png").write_bytes(png(number))
    quiet = {"device": "cpu", "progress": False}
    unprompt.predict(world / "images", here / "RUN", bundle=world / "all.toml", chunk=1, **quiet)
    unprompt.interrogate(world / "images", here / "prompts.csv", **interrogating(world), **quiet)
    unprompt.caption(world / "images", out=here / "captions.csv", model=world / "blip", **quiet)
    unprompt.bank(world / "DATA", here / "BANK", checkpoint=world / "clip", **quiet)

    script = REPOSITORY / "tests" / "crew" / "on_ray.py"
    done = subprocess.run(
        [sys.executable, str(script), str(world), str(pictures), str(there)],
        cwd=strange_folder,
        env={**os.environ, **RAY, "UNPROMPT_TEST": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == ""  # where --json's numbers go: not what Ray says of a machine that is lost
    assert not list(tmp_path.glob("ran-*"))
    assert files_of(here) == files_of(there)


@pytest.mark.parametrize(
    ("resources", "cores", "on_gpus", "places", "kept"),
    [
        ({"CPU": 4.0}, None, False, [Place(0, 4)], {"num_cpus": 4}),
        ({"CPU": 5.0}, 2, False, [Place(0, 2), Place(1, 2)], {"num_cpus": 2}),
        ({"CPU": 1.0}, 2, False, [], {"num_cpus": 2}),
        ({"CPU": 0.0}, None, False, [], {"num_cpus": 1}),
        ({"memory": 1e9}, None, False, [], {"num_cpus": 1}),  # as a head that only leads says it
        ({"CPU": 8.0, "GPU": 2.0}, 3, True, [Place(0, 4)] * 2, {"num_gpus": 1, "num_cpus": 1}),
        ({"GPU": 1.0}, None, True, [Place(0, 1)], {"num_gpus": 1, "num_cpus": 0}),
        ({"CPU": 8.0}, None, True, [], {"num_gpus": 1, "num_cpus": 1}),
    ],
)
def test_a_machine_has_as_many_workers_as_it_has_room_for(
    resources: dict[str, float], cores: int | None, on_gpus: bool, places: list[Place], kept: dict[str, int]
) -> None:
    assert places_on(resources, cores, on_gpus) == (places, kept)


def test_a_deadline_is_of_one_machine() -> None:
    with pytest.raises(ConfigError, match="--deadline goes by the pace of one machine"):
        PredictConfig(cluster="ray", deadline=60)
    with pytest.raises(ConfigError, match="cluster"):
        PredictConfig(cluster="slurm")
