"""What holds for every test: no network, no user's caches, no hub."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing import forkserver
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import FORKS, HEAVY

os.environ["HF_HUB_OFFLINE"] = "1"
# How fast examples are drawn says how busy the machine is.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers, files that have many slow tests go first, then those that have many at all.

    Begun last, a long one would be waited for.
    """
    if hasattr(config, "workerinput"):
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (-slow[item.path], -tests[item.path]))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the run's own, so that phrase tables are made once and nobody's are touched."""
    base = tmp_path_factory.getbasetemp()
    # The workers' folders lie beside each other, in one that belongs to the run.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """What tests write has to outlive their processes, not the machine: that needs no `fsync`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test, and nothing that it calls, open a connection beyond this machine's loopback."""
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: object) -> None:
        local = self.family == socket.AF_UNIX or (
            isinstance(address, tuple) and address[0] in {"127.0.0.1", "::1", "localhost"}
        )
        if not local:
            raise AssertionError(f"a connection to {address} was tried")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", only_here)


@pytest.fixture(scope="session", autouse=True)
def one_server_of_forks() -> Iterator[None]:
    """Processes are forked from one that has all heavy packages, even where our own code starts it first."""
    forkserver.set_forkserver_preload(list(HEAVY))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(forkserver, "set_forkserver_preload", lambda modules: None)
        yield


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of a crew are forked too: what they do is tested, not how they begin."""
    monkeypatch.setattr("unprompt.crew.processes.spawning", lambda: FORKS)


def copy_of(name: str, make: Callable[[Path], object], beside: Path, to: Path) -> Path:
    """A copy, at `to`, of the folder that `make` fills; it is made once for all workers of the run.

    `beside`: what belongs to the run, and so to all of them.
    """
    made, begun = beside.with_name(name), beside.with_name(f"{name}.begun")
    with beside.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait
        if not made.exists():
            shutil.rmtree(begun, ignore_errors=True)  # of one that failed
            begun.mkdir()
            make(begun)
            begun.rename(made)
    return shutil.copytree(made, to, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def one_loader() -> Iterator[None]:
    """Networks of bundles are loaded once for all tests of the module, but in processes of their own."""
    from unprompt.networks.loader import Loader

    known = cache(Loader)
    with pytest.MonkeyPatch.context() as patched:
        for user in ("unprompt.runs.predict", "unprompt.bundle.loaded"):
            patched.setattr(f"{user}.Loader", known)
        yield


@pytest.fixture(scope="session")
def scenes(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images/ (12 sample scenes, PNG) and their prompts.csv."""
    from unprompt.pocket.samples import write_scenes

    return copy_of(
        "scenes", lambda folder: write_scenes(folder, 12), own_cache, tmp_path_factory.mktemp("scenes")
    )


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for torch: in tiny layers threads wait for each other longer than the layer takes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Galleries of two pictures: to draw them all takes longer than a tiny network's training."""
    monkeypatch.setattr("unprompt.regression.outputs.GALLERY_IMAGES", 2)


@pytest.fixture(scope="module")
def world(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny CLIP, captioner, regression and bank in the real formats, pictures, and the bundle all.toml."""
    from tests.whole_world import write_whole_world

    return copy_of("world", write_whole_world, own_cache, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def pairs(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 64 pocket scenes, 64 pixels wide."""
    from unprompt.generate.config import RenderConfig
    from unprompt.generate.pocket_prompts import PocketPrompts
    from unprompt.generate.prompts import extend_prompts
    from unprompt.generate.render.run import render_prompts
    from unprompt.pocket.engine import PocketEngine

    def make(folder: Path) -> None:
        extend_prompts(folder / "prompts.csv", PocketPrompts(seed=3), count=64)
        render_prompts(folder / "prompts.csv", folder / "DATASET", PocketEngine(size=64), RenderConfig())

    return copy_of("pairs", make, own_cache, tmp_path_factory.mktemp("pairs")) / "DATASET"
