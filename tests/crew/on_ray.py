"""A Ray cluster of two machines on this one, of which one is lost while work is under way; run as a script.

A process of its own, since Ray starts servers. `python on_ray.py WORLD PICTURES OUT`, with $UNPROMPT_TEST set
to what no other process has. What starts takes longest: a worker has to import all packages. So there are no
more machines and workers than are needed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import ray
from ray.cluster_utils import Cluster

from tests.crew.on_addresses import check_addresses
from tests.crew.squares import Squares, interrogating
from unprompt import python as unprompt
from unprompt.crew.ray_actors import RayActors, _Staff, _Worker, join_ray
from unprompt.errors import CheckpointError, InputError, RunError

MARK = "UNPROMPT_TEST"
NEEDED = {"num_cpus": 1, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}


@contextmanager
def two_machines() -> Iterator[int]:
    """Two machines with a core each; gives the process of the first, which this one is connected to."""
    cluster = Cluster(initialize_head=True, head_node_args=NEEDED)
    try:
        cluster.add_node(num_cpus=1)
        os.environ["RAY_ADDRESS"] = cluster.address
        (raylet,) = cluster.head_node.all_processes["raylet"]
        yield raylet.process.pid
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def kept_workers() -> Iterator[None]:
    """Works that follow each other are done by the same workers, where those are not lost."""
    kept: list[_Worker] = []
    hired = _Staff._hired

    def hired_or_kept(staff: _Staff, node: str, place: Any, options: Any) -> _Worker:
        for earlier in kept:
            if earlier.node == node:
                kept.remove(earlier)
                worker = _Worker(earlier.actor, node)
                worker.awaited = worker.actor.open.remote(staff._work, place, staff._expected)
                return worker
        return hired(staff, node, place, options)

    with (
        patch.object(_Staff, "_hired", hired_or_kept),
        patch.object(_Staff, "dismiss", lambda staff: kept.extend(staff._workers)),
    ):
        yield


def kill_workers() -> int:
    """Kill this cluster's actors; returns how many."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(b"ray::_Actor") and mark in (
                process / "environ"
            ).read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
    return killed


def check_squares(crew: RayActors, lost: Path, spared: int) -> None:
    """Every job is done, in order, though a machine is lost; that and what goes wrong in a worker is told."""
    with pytest.warns(UserWarning, match=r"a worker on .* was lost \(.*\); what it had is done again"):
        done = list(crew.do(Squares(lost_at=20, lost=lost, spared=spared), range(40)))
    assert [(job, square) for job, (square, _) in done] == [(n, n * n) for n in range(40)]
    assert lost.exists()
    with pytest.raises(InputError, match="square"):
        list(crew.do(Squares(fail_at=7), range(20)))


def check_openings(crew: RayActors, folder: Path) -> None:
    """Where the work cannot begin, it is told why."""
    with pytest.raises(CheckpointError, match="square"):
        list(crew.do(Squares(closed=True), range(20)))
    sight = folder / "not there"
    sight.write_text("1")
    with join_ray(files=[sight]) as blind:
        sight.unlink()
        with pytest.raises(RunError, match=r"does not see .*not there"):
            list(blind.do(Squares(), range(3)))


def check_alone() -> None:
    """Without an address, work goes to a cluster of its own, not to one that happens to run here."""
    script = (
        "import ray; from unprompt.crew.ray_actors import join_ray\n"
        "with join_ray(cores=1, count=1): print([node['Resources']['CPU'] for node in ray.nodes()])"
    )
    others = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=sys.prefix,  # -c would find the modules of the strange folder
        env=others,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stdout == "[1.0]\n", done.stderr[-4000:]


def check_commands(world: Path, out: Path) -> None:
    """Each command on the cluster; the workers of the first are killed in its middle."""
    killed = []

    def kill_once(step: str, done: int, total: int) -> None:
        if done and not killed:
            killed.append(kill_workers())

    at_work = {"device": "cpu", "cluster": "ray"}
    images = world / "images"
    unprompt.predict(images, out / "RUN", bundle=world / "all.toml", chunk=1, progress=kill_once, **at_work)
    assert sum(killed) > 0
    at_work["progress"] = False
    unprompt.interrogate(images, out / "prompts.csv", **interrogating(world), **at_work)
    unprompt.caption(images, out=out / "captions.csv", model=world / "blip", **at_work)
    unprompt.bank(world / "DATA", out / "BANK", checkpoint=world / "clip", **at_work)


if __name__ == "__main__":
    world, pictures, out = map(Path, sys.argv[1:])
    with two_machines() as first, join_ray() as crew:
        check_alone()
        check_squares(crew, out.parent / "lost", spared=first)
        with kept_workers():
            check_openings(crew, out.parent)
            check_addresses(pictures)
            check_commands(world, out)
