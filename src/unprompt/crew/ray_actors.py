"""A crew of actors on a Ray cluster: many machines, each with the work's models loaded once.

Plain actors and not Ray Data, since of a lost worker only the jobs that it had are done again, by whoever is
left; Ray Data carries the work as blocks of a table, and makes a lost block again with all that led to it.
Here every job goes from this process to one actor and what was made comes straight back, so nothing of value
lies anywhere else, and this process alone writes.
"""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from unprompt import __version__
from unprompt.crew.ledger import LOSSES, Ledger
from unprompt.crew.work import Job, Made, Place, Work
from unprompt.errors import ConfigError, RunError, UnpromptError, counted
from unprompt.networks.devices import core_count
from unprompt.storage.memory import IMAGES
from unprompt.storage.packages import needed_for
from unprompt.storage.remote import AnyPath, RemotePath

LOOK = 5.0  # seconds between two looks at which machines the cluster has
LANDMARKS = 16  # files by which a machine shows that it sees what this one sees
PACKAGES = ("numpy", "pillow", "torch")  # of which other versions may give other numbers


@dataclass(frozen=True)
class Expected:
    """What a machine must have so that its work is this machine's.

    `folder`: the current one, which relative paths start from. `memory`: bytes that images may take in each
    worker while they are decoded, where that was said. `landmarks`: files and their bytes.
    """

    folder: str
    versions: dict[str, str]
    memory: int | None
    landmarks: tuple[tuple[AnyPath, int], ...]


def expect(files: Sequence[AnyPath]) -> Expected:
    """What this machine has, and some of the files that the work will be given."""
    step = max(1, len(files) // LANDMARKS)
    landmarks: list[tuple[AnyPath, int]] = []
    for path in files[::step]:
        with suppress(OSError, ValueError):
            landmarks.append((path, path.stat().st_size))
    return Expected(str(Path.cwd()), _versions(), IMAGES.wanted, tuple(landmarks))


def _versions() -> dict[str, str]:
    found = {"unprompt": __version__}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


class _Actor:
    """A worker: it begins jobs and finishes the oldest, one call after the other."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._under_way: deque[Callable[[], Any]] = deque()

    def open(self, work: Work[Any, Any], place: Place, expected: Expected) -> int:
        """Load the models; returns how many jobs it wants ahead. Raises RunError where machines differ."""
        _check_machine(expected)
        IMAGES.resize(expected.memory)
        ready = self._open.enter_context(work.open(place))
        self._begin = ready.begin
        return ready.ahead

    def begin(self, job: Any) -> None:
        """Take up a job."""
        self._under_way.append(self._begin(job))

    def finish(self, begun: None) -> Any:
        """What comes of the oldest job. `begun`: what `begin` gave; where it failed, so does this."""
        return self._under_way.popleft()()


def _check_machine(expected: Expected) -> None:
    here = socket.gethostname()
    versions = _versions()
    for package, wanted in expected.versions.items():
        if versions.get(package) != wanted:
            raise RunError(
                f"{package} is {versions.get(package, 'missing')} on the machine {here} and {wanted} on this "
                "one, which may give other numbers; install the same"
            )
    if Path(expected.folder).is_dir():
        os.chdir(expected.folder)  # which Ray has not put where modules are looked for
    for path, size in expected.landmarks:
        if isinstance(path, RemotePath):
            _check_reached(path, size, here)
        elif not path.is_file() or path.stat().st_size != size:
            raise RunError(
                f"the machine {here} does not see {path} as this one does; put the images on a disk that all "
                "machines of the cluster have under the same path"
            )


def _check_reached(path: RemotePath, size: int, here: str) -> None:
    """Raise RunError where a machine does not see a file in a store as the driver does."""
    try:
        seen = path.state(again=True).st_size
    except (FileNotFoundError, UnpromptError) as error:
        why = "it is not there" if isinstance(error, FileNotFoundError) else error
        raise RunError(
            f"the machine {here} does not reach {path} ({why}); give all machines of the cluster the same "
            "access, or put the images on a disk that they share"
        ) from None
    if seen != size:
        raise RunError(f"the machine {here} sees {path} with {seen:,} bytes, this one with {size:,}")


@dataclass(eq=False)
class _Worker:
    """An actor as this process sees it. `jobs`: numbers of those that it has, the oldest first.

    `machine`: the name by which people know the node.
    """

    actor: Any
    node: str
    machine: str = ""
    ahead: int | None = None  # None: it is not ready yet
    jobs: deque[tuple[int, Any]] = field(default_factory=deque)  # with what `begin` gave
    awaited: Any = None  # what it is to give next


class RayActors:
    """Actors on the cluster: one for each GPU where the work wants one, else one for each group of cores.

    `cores`: of such a group; None: all of a machine's. `count`: so many actors at most. `files`: some that
    every machine must see.
    """

    def __init__(self, cores: int | None, count: int | None, files: Sequence[AnyPath]) -> None:
        self._cores = cores
        self._count = count
        self._expected = expect(files)

    def device(self, wanted: str) -> str:
        """ "auto" -> "cuda" where the cluster has GPUs, else "cpu". Raises ConfigError for any other."""
        there = ["cpu", "cuda"] if _has_gpus() else ["cpu"]
        if wanted == "auto":
            return there[-1]
        if wanted not in there:
            raise ConfigError(f"the cluster has no device '{wanted}'; it has: {', '.join(there)}")
        return wanted

    def do(
        self,
        work: Work[Job, Made],
        jobs: Iterable[Job],
        ordered: bool = True,
        most: Callable[[], int] | None = None,
    ) -> Generator[tuple[Job, Made], None, None]:
        """As `Crew.do`. A lost worker costs the jobs that it had: they are done again by the others.

        Machines that join the cluster meanwhile work too. Raises what the work raises, and RunError where no
        machine is left or a job ends its workers again and again.
        """
        ledger: Ledger[Job, Made] = Ledger(jobs, ordered, most)
        staff = _Staff(work, self._expected, self._cores, self._count)
        try:
            while not ledger.is_over:
                staff.hire()
                staff.hand_out(ledger)
                if ledger.is_over:
                    break
                for worker in staff.heard_of():
                    yield from staff.hear(worker, ledger)
        finally:
            staff.dismiss()


class _Staff:
    """The actors of one work."""

    def __init__(
        self, work: Work[Any, Any], expected: Expected, cores: int | None, count: int | None
    ) -> None:
        self._work = work
        self._expected = expected
        self._cores = cores
        self._count = count
        self._on_gpus = work.wants_gpu and _has_gpus()
        self._workers: list[_Worker] = []
        self._looked = 0.0  # when it was last seen which machines there are
        self._losses: Counter[str] = Counter()  # by machine: actors lost before they were ready
        self._reason = ""  # why the last one was lost

    def hire(self) -> None:
        """Have as many actors on each machine as it has room for, now and then. Raises RunError for none."""
        import ray

        if self._workers and time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        for node in ray.nodes():
            name = node["NodeID"]
            if not node["Alive"] or self._losses[name] >= LOSSES:
                continue
            places, options = places_on(node["Resources"], self._cores, self._on_gpus)
            there = sum(worker.node == name for worker in self._workers)
            for number in range(there, len(places)):
                if self._count is None or len(self._workers) < self._count:
                    worker = self._hired(name, places[number], options)
                    worker.machine = node.get("NodeManagerHostname", name)
                    self._workers.append(worker)
        if not self._workers:
            lost = f": {self._reason}; what is done stays done" if self._reason else ""
            needed = "a GPU" if self._on_gpus else counted(self._cores or 1, "core")
            raise RunError(f"the Ray cluster has no machine (left) with {needed} for a worker{lost}")

    def _hired(self, node: str, place: Place, options: dict[str, Any]) -> _Worker:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        actor = ray.remote(_Actor).options(scheduling_strategy=there, **options).remote()
        worker = _Worker(actor, node)
        worker.awaited = actor.open.remote(self._work, place, self._expected)
        return worker

    def hand_out(self, ledger: Ledger[Any, Any]) -> None:
        """Give jobs to those who have the fewest, and ask for the oldest of each."""
        ready = [worker for worker in self._workers if worker.ahead is not None]
        window = 2 * sum((worker.ahead or 0) + 1 for worker in ready)
        while free := [worker for worker in ready if len(worker.jobs) <= (worker.ahead or 0)]:
            taken = ledger.take(window)
            if taken is None:
                break
            worker = min(free, key=lambda one: len(one.jobs))
            number, job = taken
            worker.jobs.append((number, worker.actor.begin.remote(job)))
        for worker in ready:
            if worker.awaited is None and worker.jobs:
                worker.awaited = worker.actor.finish.remote(worker.jobs[0][1])

    def heard_of(self) -> list[_Worker]:
        """The actors that have something to say; none after a while, as the cluster may have changed."""
        import ray

        awaited = {worker.awaited: worker for worker in self._workers if worker.awaited is not None}
        done, _ = ray.wait(list(awaited), timeout=LOOK, fetch_local=False)
        return [awaited[one] for one in done]

    def hear(self, worker: _Worker, ledger: Ledger[Any, Any]) -> list[tuple[Any, Any]]:
        """Take in what an actor gives, or that it is lost; returns the jobs that can be given out."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            answer = ray.get(worker.awaited)
        except RayTaskError as error:
            _raise_cause(error)
        except RayError as error:
            self._lose(worker, ledger, error)
            return []
        worker.awaited = None
        if worker.ahead is None:
            worker.ahead = answer
            return []
        number, _ = worker.jobs.popleft()
        return ledger.finish(number, answer)

    def _lose(self, worker: _Worker, ledger: Ledger[Any, Any], error: Exception) -> None:
        import ray

        self._workers.remove(worker)
        self._reason = _last_line(error)
        if worker.ahead is None:
            self._losses[worker.node] += 1
        with suppress(Exception):  # where it is only out of reach, it must not work on for nobody
            ray.kill(worker.actor)
        ledger.lose([number for number, _ in worker.jobs], self._reason)
        warnings.warn(
            f"a worker on {worker.machine} was lost ({self._reason}); what it had is done again",
            stacklevel=2,
        )

    def dismiss(self) -> None:
        """End the actors."""
        import ray

        for worker in self._workers:
            with suppress(Exception):
                ray.kill(worker.actor)


def places_on(
    resources: Mapping[str, float], cores: int | None, on_gpus: bool
) -> tuple[list[Place], dict[str, int]]:
    """The workers that a machine with these resources has room for, and what Ray keeps for each.

    `cores`: of each; None: all of the machine's. `on_gpus`: each has a GPU, and they share the cores.
    """
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if on_gpus:
        share = max(1, cpus // max(1, gpus))
        return [Place(0, share)] * gpus, {"num_gpus": 1, "num_cpus": min(1, cpus)}
    each = cores or max(1, cpus)
    return [Place(number, each) for number in range(cpus // each)], {"num_cpus": each}


def _has_gpus() -> bool:
    import ray

    return bool(ray.cluster_resources().get("GPU"))


def _raise_cause(error: Any) -> NoReturn:
    """Raise what a worker's code raised: a user's mistake as it is, anything else as a RunError."""
    cause = error
    while hasattr(cause, "as_instanceof_cause"):  # of a job that was not even begun, within one another
        cause = cause.cause
    if isinstance(cause, UnpromptError):
        raise type(cause)(str(cause)) from error
    raise RunError(f"a worker failed: {_last_line(error)}; what is done stays done") from error


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), repr(error))


@contextmanager
def join_ray(
    cores: int | None = None, count: int | None = None, files: Sequence[AnyPath] = ()
) -> Iterator[RayActors]:
    """A crew on the cluster of $RAY_ADDRESS, or on one that is started here and ends with the block.

    For `cores`, `count` and `files` see `RayActors`. Raises ConfigError where Ray is not installed, RunError
    where there is no such cluster.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with needed_for("--cluster ray", "cluster", ConfigError):
        import ray
    started = not ray.is_initialized()
    if started:
        _connect((cores or 1) * count if count else core_count())
    try:
        yield RayActors(cores, count, files)
    finally:
        if started:
            ray.shutdown()


def _connect(cores: int) -> None:
    """Begin to talk to the cluster, or start one with so many cores here, which reports to nobody.

    Ray lets its workers look for modules in the current directory, which may be somebody else's, unless they
    are given a folder of their own: here an empty one.
    """
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    alone = {
        "address": "local",  # one that runs on this machine was not asked for
        "include_dashboard": False,
        "num_cpus": cores,
        # Workers that begin before it is known what they need would never be given work.
        "_system_config": {"prestart_worker_first_driver": False},
    }
    here = {} if os.environ.get("RAY_ADDRESS") else alone
    # Ray gives its workers one thread each; another number of threads adds up in another order.
    threads = {"OMP_NUM_THREADS": str(core_count())}
    with tempfile.TemporaryDirectory(prefix="unprompt-") as empty, _nothing_printed():
        try:
            ray.init(
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": threads, "working_dir": empty},
                **here,
            )
        except Exception as error:  # Ray has no class of its own for a cluster that does not answer
            where = os.environ.get("RAY_ADDRESS", "this machine")
            raise RunError(f"no Ray cluster at {where}: {_last_line(error)}") from error


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Have Ray, where it is begun in this block, print nothing of what its machines say of themselves.

    It has a thread that prints that to stdout, where the numbers of --json go: 44 lines for each machine that
    is lost. No setting keeps it from doing so.
    """
    try:
        from ray._private import worker

        listen = worker.listen_error_messages
    except (ImportError, AttributeError):  # another version has it elsewhere: better printed than not begun
        yield
        return
    worker.listen_error_messages = lambda *_: None
    try:
        yield
    finally:
        worker.listen_error_messages = listen
