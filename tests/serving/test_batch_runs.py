"""Runs for visitors: queued, one at a time, each in its own folder, by models that others ask too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from unprompt.errors import RunError
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.serving.batch_runs import MOST_WAITING, BatchRun, BatchRuns, State, count_before
from unprompt.serving.models import Models
from unprompt.storage.files import read_embeddings, read_json, read_prompts

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle

PATIENCE = 240  # seconds; what is awaited takes a few on a machine with nothing else to do


def until(happened: Callable[[], object]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (80 * number, 40, 90)).save(folder / f"p{number}.png")
    return folder


def models_of(bundle: str) -> Models:
    def load() -> LoadedBundle:
        from unprompt.bundle.loaded import LoadedBundle

        return LoadedBundle.load(bundle, "cpu")

    return Models(load)


@pytest.fixture(scope="module")
def lite() -> Models:
    return models_of("lite")


@pytest.fixture
def runs(tmp_path: Path, lite: Models) -> Iterator[BatchRuns]:
    runs = BatchRuns(tmp_path / "out", lite)
    yield runs
    runs.close()


def now(runs: BatchRuns, name: str) -> BatchRun:
    return next(run for run in runs.runs() if run.name == name)


class TestQueue:
    """The bundle is one that does not exist, and is looked for when the gate opens: until then runs wait."""

    @pytest.fixture
    def gate(self) -> threading.Event:
        return threading.Event()

    @pytest.fixture
    def runs(self, tmp_path: Path, gate: threading.Event) -> Iterator[BatchRuns]:
        def load() -> LoadedBundle:
            from unprompt.bundle.loaded import LoadedBundle

            assert gate.wait(PATIENCE)
            return LoadedBundle.load("none")

        runs = BatchRuns(tmp_path / "out", Models(load))
        yield runs
        gate.set()
        runs.close()

    def test_what_goes_wrong_is_told(self, runs: BatchRuns, pictures: Path, gate: threading.Event) -> None:
        gate.set()
        run = runs.begin(pictures, "pictures", 3)
        until(lambda: not now(runs, run.name).is_open)
        failed = now(runs, run.name)
        assert failed.state is State.FAILED
        assert "no bundle is called 'none'" in failed.message
        assert failed.can_go_on

    def test_each_run_has_a_folder_of_its_own(self, runs: BatchRuns, pictures: Path) -> None:
        several = [runs.begin(pictures, "../some where", 3, owner=str(number)) for number in range(5)]
        assert len({run.folder for run in several}) == 5
        assert all(run.folder.parent == runs.out and run.folder.is_dir() for run in several)
        assert all("some-where" in run.name for run in several)

    def test_a_waiting_run_can_be_cancelled(
        self, runs: BatchRuns, pictures: Path, gate: threading.Event
    ) -> None:
        first, second = (runs.begin(pictures, "pictures", 3) for _ in range(2))
        runs.cancel(second.name)
        gate.set()
        until(lambda: not now(runs, first.name).is_open)
        assert now(runs, second.name).state is State.CANCELLED
        runs.cancel(first.name)
        assert now(runs, first.name).state is State.FAILED  # what is over stays what it is

    def test_a_run_that_goes_on_comes_behind_those_that_wait(self, runs: BatchRuns, pictures: Path) -> None:
        first, second, third = (runs.begin(pictures, "pictures", 3) for _ in range(3))
        until(lambda: now(runs, first.name).state is State.RUNNING)
        runs.cancel(second.name)
        runs.go_on(second.name)
        before = {run.name: count_before(run, runs.runs()) for run in runs.runs()}
        assert [before[run.name] for run in (first, third, second)] == [0, 1, 2]

    def test_there_is_an_end_to_waiting(self, runs: BatchRuns, pictures: Path) -> None:
        def begin_many() -> None:
            for _ in range(MOST_WAITING + 2):  # one of them may have begun meanwhile
                runs.begin(pictures, "pictures", 3)

        with pytest.raises(RunError, match=f"{MOST_WAITING} runs are waiting"):
            begin_many()

    def test_a_folder_that_cannot_be_made_is_told(self, tmp_path: Path, pictures: Path) -> None:
        (tmp_path / "file").touch()
        runs = BatchRuns(tmp_path / "file", models_of("none"))
        with pytest.raises(RunError, match="cannot be made"):
            runs.begin(pictures, "pictures", 3)
        runs.close()


@pytest.mark.slow
def test_a_run_leaves_what_predict_leaves_and_a_later_server_knows_it(
    runs: BatchRuns, pictures: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    (pictures / "broken.png").write_bytes(b"nothing")
    run = runs.begin(pictures, "pictures", 4, owner="me")
    until(lambda: not now(runs, run.name).is_open)
    done = now(runs, run.name)
    assert (done.state, done.done, done.total, done.problems, done.message) == (State.DONE, 4, 4, 1, "")
    assert read_json(done.folder / "run.json")["images"] == 4
    assert read_prompts(done.folder / "prompts.csv").ids == ("broken", "p0", "p1", "p2")
    (later,) = BatchRuns(tmp_path / "out", models_of("none")).runs()
    assert (later.name, later.state, later.total, later.problems) == (run.name, State.DONE, 4, 1)
    assert later.source is None


@pytest.mark.slow
def test_a_cancelled_run_ends_and_can_go_on(runs: BatchRuns, pictures: Path) -> None:
    pytest.importorskip("torch")
    run = runs.begin(pictures, "pictures", 3)
    until(lambda: now(runs, run.name).state is State.RUNNING)
    runs.cancel(run.name)
    assert now(runs, run.name).state is State.CANCELLED
    runs.go_on(run.name)
    until(lambda: not now(runs, run.name).is_open)
    assert now(runs, run.name).state is State.DONE
    assert (run.folder / "submission.csv").is_file()


@pytest.mark.slow
def test_a_run_gives_what_predict_gives(runs: BatchRuns, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    run = runs.begin(pictures, "pictures", 3)
    until(lambda: not now(runs, run.name).is_open)
    alone = tmp_path / "alone"
    predict(pictures, alone, PredictConfig(device="cpu"))
    found, wanted = (read_embeddings(place / "members" / "zeroshot.npz") for place in (run.folder, alone))
    assert found.ids == wanted.ids
    np.testing.assert_allclose(found.vectors, wanted.vectors, atol=1e-5)
    assert read_prompts(run.folder / "prompts.csv") == read_prompts(alone / "prompts.csv")


@pytest.mark.slow
def test_models_answer_others_in_the_middle_of_a_run(runs: BatchRuns, lite: Models, pictures: Path) -> None:
    """A question that comes while a run waits for its first forward pass is answered before its second."""
    pytest.importorskip("torch")
    loaded = lite.ask(lambda loaded: loaded).result(PATIENCE)
    begun, hold = threading.Event(), threading.Event()

    def wait(_: LoadedBundle) -> None:
        begun.set()
        assert hold.wait(PATIENCE)

    lite.ask(wait)
    assert begun.wait(PATIENCE)
    run = runs.begin(pictures, "pictures", 3)
    until(lambda: now(runs, run.name).state is State.RUNNING)
    answer = lite.ask(lambda again: (again is loaded, now(runs, run.name).state))
    hold.set()
    assert answer.result(PATIENCE) == (True, State.RUNNING)
    until(lambda: now(runs, run.name).state is State.DONE)
