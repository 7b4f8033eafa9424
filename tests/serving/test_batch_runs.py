"""Runs for visitors: queued, one at a time, each in its own folder, by models that others ask too."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from unprompt.errors import InputError, RunError
from unprompt.runs.chunks import Chunk, RunFolder
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.serving import batch_runs
from unprompt.serving.batch_runs import BEGUN, MOST_WAITING, BatchRun, BatchRuns, State, count_before
from unprompt.serving.models import Models
from unprompt.storage.files import read_embeddings, read_json, read_prompts, write_json

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
    runs = BatchRuns(tmp_path / "out", lite, tmp_path)
    yield runs
    cancel_all(runs)


def cancel_all(runs: BatchRuns) -> None:
    """So that nothing goes on behind a test."""
    for run in runs.runs():
        runs.cancel(run.name)


def later_server(runs: BatchRuns, root: Path) -> BatchRuns:
    """What is known of the runs by a server that is started when the first has ended; its bundle is none."""
    return BatchRuns(runs.out, models_of("none"), root)


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

        runs = BatchRuns(tmp_path / "out", Models(load), tmp_path)
        yield runs
        cancel_all(runs)
        gate.set()

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

    def test_an_owner_has_one_open_run_over_a_folder(self, runs: BatchRuns, pictures: Path) -> None:
        first = runs.begin(pictures, "pictures", 3, owner="a")
        assert runs.begin(pictures, "pictures", 3, owner="a").name == first.name  # clicked twice
        assert runs.begin(pictures, "pictures", 3, owner="b").name != first.name
        assert runs.begin(pictures.parent, "all", 3, owner="a").name != first.name
        runs.cancel(first.name)
        assert runs.begin(pictures, "pictures", 3, owner="a").name != first.name
        assert len(runs.runs()) == 4

    def test_a_waiting_run_can_be_cancelled(
        self, runs: BatchRuns, pictures: Path, gate: threading.Event
    ) -> None:
        first, second = (runs.begin(pictures, "pictures", 3) for _ in range(2))
        runs.cancel(second.name)
        gate.set()
        until(lambda: not now(runs, first.name).is_open)
        assert now(runs, second.name).state is State.CANCELLED
        assert not second.folder.exists()
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
        runs = BatchRuns(tmp_path / "file", models_of("none"), tmp_path)
        with pytest.raises(RunError, match="cannot be made"):
            runs.begin(pictures, "pictures", 3)

    def test_a_run_that_cannot_be_noted_is_told(
        self, runs: BatchRuns, pictures: Path, gate: threading.Event
    ) -> None:
        gate.set()
        failed = runs.begin(pictures, "pictures", 3)
        until(lambda: not now(runs, failed.name).is_open)
        shutil.rmtree(runs.out / BEGUN)
        (runs.out / BEGUN).touch()
        with pytest.raises(RunError, match="cannot be written"):
            runs.begin(pictures, "pictures", 3)
        assert [run.name for run in runs.runs()] == [failed.name]
        assert sorted(path.name for path in runs.out.iterdir()) == [BEGUN, failed.name]
        runs.go_on(failed.name)
        assert now(runs, failed.name).state is State.FAILED
        assert "cannot be written" in now(runs, failed.name).message

    def test_what_a_server_leaves_unfinished_can_go_on_by_a_later_one(
        self, runs: BatchRuns, pictures: Path, tmp_path: Path
    ) -> None:
        running, waiting = (runs.begin(pictures, "my / pictures", 3, owner="me") for _ in range(2))
        until(lambda: now(runs, running.name).state is State.RUNNING)
        later = later_server(runs, tmp_path)
        left = {run.name: run for run in later.runs()}
        assert left.keys() == {running.name, waiting.name}
        for run in left.values():
            assert (run.state, run.label, run.source, run.total) == (
                State.UNFINISHED,
                "my / pictures",
                pictures,
                3,
            )
            assert run.can_go_on
            assert not run.is_open
        later.go_on(waiting.name)
        until(lambda: now(later, waiting.name).state is State.FAILED)
        assert "no bundle is called 'none'" in now(later, waiting.name).message
        assert now(later_server(runs, tmp_path), waiting.name).can_go_on  # one that has failed, too

    def test_nothing_is_left_of_a_run_that_was_cancelled_before_it_began(
        self, runs: BatchRuns, pictures: Path, tmp_path: Path
    ) -> None:
        first, second = (runs.begin(pictures, "pictures", 3) for _ in range(2))
        until(lambda: now(runs, first.name).state is State.RUNNING)
        runs.cancel(second.name)
        assert sorted(path.name for path in runs.out.iterdir()) == [BEGUN, first.name]
        assert [run.name for run in later_server(runs, tmp_path).runs()] == [first.name]
        again = runs.begin(pictures, "pictures", 3)
        assert again.name != second.name
        runs.go_on(second.name)
        assert now(later_server(runs, tmp_path), second.name).can_go_on

    def test_a_later_server_goes_on_below_its_root_only(
        self, runs: BatchRuns, pictures: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        run = runs.begin(pictures, "pictures", 3)
        other = tmp_path_factory.mktemp("other")
        shutil.copytree(pictures, other / "pictures")
        assert now(later_server(runs, tmp_path), run.name).source == pictures
        elsewhere = now(later_server(runs, other), run.name)
        assert (elsewhere.source, elsewhere.can_go_on) == (None, False)
        assert elsewhere.message == "there is no folder 'pictures' below the root any more"
        shutil.rmtree(pictures)
        pictures.symlink_to(other / "pictures")
        assert not now(later_server(runs, tmp_path), run.name).can_go_on

    def test_images_that_lead_out_of_the_root_by_their_turn_are_refused(
        self,
        runs: BatchRuns,
        pictures: Path,
        gate: threading.Event,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        first, second = (runs.begin(pictures, "pictures", 3) for _ in range(2))
        until(lambda: now(runs, first.name).state is State.RUNNING)
        outside = tmp_path_factory.mktemp("outside") / "secret.png"
        Image.new("RGB", (32, 32)).save(outside)
        (pictures / "p3.png").symlink_to(outside)
        gate.set()
        until(lambda: not now(runs, second.name).is_open)
        assert "leads out of the root by a link, first: p3.png" in now(runs, second.name).message

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"label": "a", "source": "b", "images": "many"}'])
    def test_records_that_say_nothing_are_passed_over(
        self, text: str, runs: BatchRuns, pictures: Path, tmp_path: Path
    ) -> None:
        run = runs.begin(pictures, "pictures", 3)
        (runs.out / BEGUN / f"{run.name}.json").write_text(text)
        assert later_server(runs, tmp_path).runs() == []


class TestEnds:
    """How runs end, by a `predict` that does as a test says."""

    @pytest.fixture
    def work(self, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Path, Callable[..., object]], object]]:
        """What is done in the place of `predict`, of a RUN folder and what waits for its turn, one a run."""
        todo: list[Callable[[Path, Callable[..., object]], object]] = []

        def instead(source: Path, out: Path, *given: object, loaded: Any, **named: object) -> object:
            return todo.pop(0)(out, loaded)

        monkeypatch.setattr("unprompt.runs.predict.predict", instead)
        monkeypatch.setattr("unprompt.serving.in_turn.members_in_turn", lambda loaded, take: take)
        return todo

    @pytest.fixture
    def runs(self, tmp_path: Path) -> Iterator[BatchRuns]:
        loaded = SimpleNamespace(bundle=SimpleNamespace(name="none"), device="cpu")
        runs = BatchRuns(tmp_path / "out", Models(lambda: loaded), tmp_path)  # type: ignore[arg-type, return-value]
        yield runs
        cancel_all(runs)

    def test_one_that_is_cancelled_behind_its_last_step_is_done(
        self, runs: BatchRuns, pictures: Path, tmp_path: Path, work: list[Any]
    ) -> None:
        def finish(out: Path, take: object) -> object:
            runs.cancel(out.name)
            write_json(out / "run.json", {"images": 3, "problems": 1, "seconds": 2})
            return SimpleNamespace(images=3, problems=("one",), seconds=2.0)

        work.append(finish)
        run = runs.begin(pictures, "pictures", 3)
        until(lambda: now(runs, run.name).state is State.DONE)
        assert (now(runs, run.name).done, now(runs, run.name).problems) == (3, 1)
        assert not list((runs.out / BEGUN).iterdir())
        assert now(later_server(runs, tmp_path), run.name).state is State.DONE

    def test_one_whose_images_cannot_be_read_is_finished(
        self, runs: BatchRuns, pictures: Path, tmp_path: Path, work: list[Any]
    ) -> None:
        def fail(out: Path, take: object) -> object:
            write_json(out / "run.json", {"images": 3, "problems": 3, "seconds": 2})
            raise InputError("none of 3 images can be read")

        work.append(fail)
        run = runs.begin(pictures, "pictures", 3)
        until(lambda: not now(runs, run.name).is_open)
        failed = now(runs, run.name)
        assert (failed.state, failed.message) == (State.FAILED, "none of 3 images can be read")
        assert not failed.can_go_on
        (later,) = later_server(runs, tmp_path).runs()
        assert (later.state, later.problems) == (State.DONE, 3)

    @pytest.mark.parametrize("kept", [False, True])
    def test_one_that_is_cancelled_leaves_what_it_has_done(
        self, kept: bool, runs: BatchRuns, pictures: Path, tmp_path: Path, work: list[Any]
    ) -> None:
        def step(out: Path, take: Callable[..., object]) -> object:
            if kept:
                write_json(out / ".work" / "chunk.json", {})
            runs.cancel(out.name)
            return take(lambda: None)

        def wait(out: Path, take: object) -> object:
            raise InputError("behind the first")

        work.extend([step, wait])
        first, second = (runs.begin(pictures, "pictures", 3) for _ in range(2))
        until(lambda: not now(runs, second.name).is_open)
        assert now(runs, first.name).state is State.CANCELLED
        assert first.folder.exists() is kept
        assert [run.name for run in later_server(runs, tmp_path).runs() if run.name == first.name] == (
            [first.name] if kept else []
        )


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
    (later,) = later_server(runs, tmp_path).runs()
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
def test_a_later_server_goes_on_where_a_run_was_ended(
    runs: BatchRuns, lite: Models, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    for number in range(3, 12):  # more than are under way at a time
        shutil.copy(pictures / "p0.png", pictures / f"p{number}.png")
    monkeypatch.setattr(batch_runs, "CHUNK", 1)
    written: list[int] = []
    write = RunFolder.write_chunk

    def write_and_end(folder: RunFolder, number: int, chunk: Chunk) -> None:
        write(folder, number, chunk)
        if not written:
            runs.cancel(folder.path.name)
        written.append(number)

    monkeypatch.setattr(RunFolder, "write_chunk", write_and_end)
    name = runs.begin(pictures, "pictures", 12).name
    until(lambda: now(runs, name).state is State.CANCELLED)
    behind = runs.begin(tmp_path / "none", "none", 0)
    until(lambda: not now(runs, behind.name).is_open)  # and so the first has ended
    assert 0 < len(written) < 12
    later = BatchRuns(runs.out, lite, tmp_path)
    assert now(later, name).can_go_on
    later.go_on(name)
    until(lambda: not now(later, name).is_open)
    assert (now(later, name).state, now(later, name).done) == (State.DONE, 12)
    assert sorted(written) == list(range(12))  # none of them twice
    predict(pictures, tmp_path / "alone", PredictConfig(device="cpu"))
    alone = read_prompts(tmp_path / "alone" / "prompts.csv")
    assert read_prompts(now(later, name).folder / "prompts.csv") == alone


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
