"""A Ray cluster of two machines on this one, of which one is lost while work is under way; run as a script.

A process of its own, since Ray starts servers. `python on_ray.py WORLD OUT`, with $UNPROMPT_TEST set to what
no other process has.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from tests.crew.squares import Squares, interrogating
from unprompt import python as unprompt
from unprompt.crew.ray_actors import join_ray
from unprompt.errors import CheckpointError, InputError, RunError

MARK = "UNPROMPT_TEST"


@contextmanager
def two_machines() -> Iterator[None]:
    """A head that does no work, and two machines with a core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        os.environ["RAY_ADDRESS"] = cluster.address
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


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


def check_squares(folder: Path) -> None:
    """Every job is done, in order, though a machine is lost; what goes wrong in a worker is told."""
    with join_ray() as crew:
        lost = folder / "lost"
        done = list(crew.do(Squares(lost_at=20, lost=lost), range(40)))
        assert [(job, square) for job, (square, _) in done] == [(n, n * n) for n in range(40)]
        assert lost.exists()
        for error, work in ((InputError, Squares(fail_at=7)), (CheckpointError, Squares(closed=True))):
            with pytest.raises(error, match="square"):
                list(crew.do(work, range(20)))
    sight = folder / "not there"
    sight.write_text("1")
    with join_ray(files=[sight]) as crew:
        sight.unlink()
        with pytest.raises(RunError, match=r"does not see .*not there"):
            list(crew.do(Squares(), range(3)))


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
    world, out = map(Path, sys.argv[1:])
    with two_machines():
        check_squares(out.parent)
        check_commands(world, out)
