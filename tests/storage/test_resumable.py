"""Arrays that are filled in steps. Folders and files are tested with the commands that fill them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.rooms import PACKAGE
from unprompt.errors import ChangedError, HeldError, RunError
from unprompt.storage.files import read_json, write_json
from unprompt.storage.resumable import (
    HOLDS,
    FolderKind,
    as_begun,
    check_folder,
    fill_array,
    finish,
    hold_work,
    open_folder,
    rows_filled,
)

ROWS = np.arange(42, dtype=np.int16).reshape(7, 3, 2)
ORDER = (4, 5, 6, 0, 1, 2, 3)  # rows are not filled from the first to the last


class Killed(BaseException):
    pass


def blocks(done: int) -> Iterator[tuple[int, NDArray[Any] | str]]:
    """Row by row in ORDER; the last four, which follow each other, as one block where nothing cuts them."""
    order = ORDER[done:]
    if len(order) > 4:
        yield from ((row, ROWS[row][None]) for row in order[:-4])
    first = order[-4:][0] if order else 0
    if order:
        yield first, ROWS[first:4]


def fill(path: Path, make: Any = blocks, save: int = 1, at: int = -1) -> tuple[list[str], list[int]]:
    told: list[int] = []

    def tell(step: str, done: int, total: int) -> None:
        assert (step, total) == ("filling", len(ROWS))
        told.append(done)
        if done == at:
            raise Killed

    return fill_array(path, ROWS.shape, ROWS.dtype, make, save, "do without", "filling", tell), told


def test_the_bytes_are_those_of_numpy(tmp_path: Path) -> None:
    assert fill(tmp_path / "filled.npy") == ([], [0, 1, 2, 3, 7])
    np.save(tmp_path / "saved.npy", ROWS)
    assert (tmp_path / "filled.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["filled.npy", "saved.npy"]
    assert fill(tmp_path / "filled.npy") == ([], [])  # it is there


@pytest.mark.parametrize(("save", "kept"), [(1, 3), (2, 2), (3, 3), (4, 0)])
def test_what_a_kill_costs(tmp_path: Path, save: int, kept: int) -> None:
    path = tmp_path / "filled.npy"
    with pytest.raises(Killed):
        fill(path, save=save, at=3)
    assert not path.exists()
    assert rows_filled(path) == kept
    assert fill(path, save=save)[1][0] == kept
    np.testing.assert_array_equal(np.load(path), ROWS)


def test_an_array_with_problems_gets_no_name(tmp_path: Path) -> None:
    def make(done: int) -> Iterator[tuple[int, NDArray[Any] | str]]:
        for row in range(done, len(ROWS)):
            yield row, ROWS[row][None] if row % 3 else f"row {row} is torn"

    path, words = tmp_path / "filled.npy", ["row 0 is torn", "row 3 is torn", "row 6 is torn"]
    with pytest.raises(Killed):
        fill(path, make, save=2, at=4)
    assert rows_filled(path) == 4
    assert fill(path, make)[0] == words  # also those from before the kill
    assert not list(tmp_path.iterdir())


def test_what_a_kill_left_half_written_goes_files_and_folders(tmp_path: Path) -> None:
    kind = FolderKind("training", "train.json", ("metrics.csv", "tensorboard"))

    def begin() -> bool:
        with open_folder(tmp_path / "RUN", kind, {"seed": 0}, overwrite=False) as resumed:
            (tmp_path / "RUN" / "metrics.csv").touch()
        return resumed

    assert not begin()
    half = tmp_path / "RUN" / "tensorboard" / ".abc.part"  # as a TemporaryDirectory that was not cleaned up
    half.mkdir(parents=True)
    (half / ".events.1.part").touch()
    (tmp_path / "RUN" / ".metrics.csv.1.part").touch()
    assert begin()
    assert sorted(path.name for path in (tmp_path / "RUN").rglob("*")) == [
        *(".work", "lock", "metrics.csv", "plan.json", "sources.json", "tensorboard")
    ]


def test_a_place_that_cannot_be_written_says_what_else_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"filled\.npy cannot be written: .*XDG_CACHE_HOME.*, or do without$"):
        fill(tmp_path / "file" / "filled.npy")


def test_a_hidden_folder_stays_as_long_as_there_is_progress(tmp_path: Path) -> None:
    work, out = tmp_path / ".out.csv.work", tmp_path / "out.csv"
    with hold_work(work, out, "table"):
        (work / "progress.json").write_text("{}")
        (work / ".rows.csv.1.part").touch()
        with (
            pytest.raises(HeldError, match=r"another unprompt is writing .*out\.csv"),
            hold_work(work, out, "table"),
        ):
            pass
    with hold_work(work, out, "table"):
        assert sorted(path.name for path in work.iterdir()) == ["lock", "owner.json", "progress.json"]
        (work / "progress.json").unlink()
    assert not work.exists()


def test_a_hidden_folder_of_other_work_is_replaced_only_where_that_is_asked(tmp_path: Path) -> None:
    work, out = tmp_path / ".out.csv.work", tmp_path / "out.csv"
    with hold_work(work, out, "list"):
        (work / "progress.json").write_text("{}")
        (work / "rows.csv").write_text("hours of work")
    for _ in range(2):  # the refusal leaves it as it is
        with (
            pytest.raises(RunError, match=r"out\.csv was begun as a list, not as a table; .*--overwrite"),
            hold_work(work, out, "table"),
        ):
            pass
    with hold_work(work, out, "list"):
        assert (work / "rows.csv").read_text() == "hours of work"
    with hold_work(work, out, "table", overwrite=True):
        assert sorted(path.name for path in work.iterdir()) == ["lock", "owner.json"]
    assert not work.exists()
    work.mkdir()
    (work / "progress.json").write_text("{}")  # of an earlier version, which did not say whose it was
    with hold_work(work, out, "table"):
        assert (work / "progress.json").exists()


NAMER = FolderKind("training of a namer", "train.json", ("namer.safetensors",))
OTHERS = (
    FolderKind("training of a captioner", "train.json", ("captioner.safetensors",)),
    FolderKind("run", "run.json", ("*.csv",), more=", --update to do the images that are new"),
)


def hold(out: Path, kind: FolderKind, finished: bool, overwrite: bool = False) -> None:
    """Begin what a command of this kind leaves in its folder, and leave it at that or finish it."""
    with open_folder(out, kind, {"seed": 0}, overwrite):
        (out / ".work" / "state.pt").write_text("hours of work")
        (out / "namer.safetensors").write_text("what was learnt")
        if finished:
            finish(out, kind, {"seconds": 3})


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


def without_the_kind(record: Path) -> None:
    """As an earlier version wrote it."""
    write_json(record, {name: value for name, value in read_json(record).items() if name != HOLDS})


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("other", OTHERS)
def test_a_folder_of_another_kind_is_refused_and_stays_as_it_is(
    tmp_path: Path, other: FolderKind, finished: bool, overwrite: bool
) -> None:
    out = tmp_path / "RUN"
    hold(out, NAMER, finished)
    before = contents(out)
    with pytest.raises(
        RunError, match=rf"RUN .*not a {other.noun}.*; name another folder with --out$"
    ) as told:
        hold(out, other, True, overwrite)
    assert not isinstance(told.value, ChangedError)
    assert contents(out) == before
    with pytest.raises(RunError, match=f"not a {other.noun}"):
        check_folder(out, other, overwrite)
    if other.record == NAMER.record or not finished:
        assert "holds a training of a namer, not a" in str(told.value)


def test_what_an_earlier_version_left_is_taken_by_its_record_alone(tmp_path: Path) -> None:
    hold(tmp_path / "begun", NAMER, finished=False)
    without_the_kind(tmp_path / "begun" / ".work" / "plan.json")
    with open_folder(tmp_path / "begun", NAMER, {"seed": 0}, overwrite=False) as resumed:
        assert resumed
    hold(tmp_path / "done", NAMER, finished=True)
    without_the_kind(tmp_path / "done" / "train.json")
    with pytest.raises(RunError, match="holds a finished training of a namer"):
        hold(tmp_path / "done", NAMER, finished=True)
    hold(tmp_path / "done", NAMER, finished=True, overwrite=True)
    assert read_json(tmp_path / "done" / "train.json") == {"holds": "training of a namer", "seconds": 3}


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (NAMER, "add --overwrite to replace it, or name another folder"),
        (
            OTHERS[1],
            "add --overwrite to replace it, --update to do the images that are new, or name another folder",
        ),
    ],
)
def test_a_finished_folder_says_what_can_be_done(tmp_path: Path, kind: FolderKind, advice: str) -> None:
    hold(tmp_path / "RUN", kind, finished=True)
    for again in (
        lambda: hold(tmp_path / "RUN", kind, True),
        lambda: check_folder(tmp_path / "RUN", kind, False),
    ):
        with pytest.raises(RunError) as told:
            again()
        assert str(told.value) == f"{tmp_path / 'RUN'} holds a finished {kind.noun}; {advice}"


def test_every_kind_of_folder_has_a_noun_of_its_own() -> None:
    """Folders are told apart by it: most trainings have the same record."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    made = re.findall(r"\b(?:FolderKind|drawn_kind)\(\s*(?:noun=)?\"([^\"]+)\"", source)
    assert len(made) == len(re.findall(r"\b(?:FolderKind|drawn_kind)\((?!noun[:,])", source))
    assert [noun for noun, count in Counter(made).items() if count > 1] == []
    assert {"run", "bank", "training of a namer", "set of triples"} < set(made)


def test_a_part_that_changes_nothing_stays_as_it_was_begun(tmp_path: Path) -> None:
    kind = FolderKind("bank", "bank.json", ())
    begun, asked = {"images": ["a", "b"], "chunk": 8}, {"images": ["a", "b"], "chunk": 32}
    assert as_begun(tmp_path / "B", asked, "chunk") == asked
    with suppress(Killed), open_folder(tmp_path / "B", kind, begun, False):
        (tmp_path / "B" / ".work" / "chunk-0").touch()
        raise Killed
    assert as_begun(tmp_path / "B", asked, "chunk") == begun
    others = {**asked, "images": ["a", "c"]}
    assert as_begun(tmp_path / "B", others, "chunk") == others
    (tmp_path / "B" / ".work" / "plan.json").write_text('{"images": ["a", "b"]}')
    assert as_begun(tmp_path / "B", asked, "chunk") == asked
