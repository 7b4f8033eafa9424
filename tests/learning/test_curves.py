"""metrics.csv comes back bit for bit, TensorBoard sees each point once, and the picture shows the numbers."""

from __future__ import annotations

import math
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unprompt.errors import InputError
from unprompt.learning.curves import (
    Row,
    plot_curves,
    read_metrics,
    spread,
    write_events,
    write_metrics,
    write_tables,
)

COLUMNS = "epoch,step,loss,validation,learning_rate,images_per_second,seconds"
SCALARS = {"loss": "loss", "score/validation": "validation"}


def scores(epoch: int, validation: float = 0.5) -> Row:
    return {
        "epoch": epoch,
        "step": 10 * epoch,
        "loss": 1 / (epoch + 2),
        "validation": validation,
        "learning_rate": 1e-4,
        "images_per_second": 87.5,
        "seconds": 60.0 * epoch,
    }


# --- metrics.csv

numbers = st.floats(allow_nan=False)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1000), st.integers(0, 10**9), *[numbers] * 5).map(
            lambda values: dict(zip(COLUMNS.split(","), values, strict=True))
        ),
        min_size=1,
    )
)
def test_any_metrics_come_back_bit_for_bit(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.csv"
        write_metrics(path, rows)
        assert read_metrics(path) == rows
        first = path.read_bytes()
        write_metrics(path, read_metrics(path))
        assert path.read_bytes() == first


def test_metrics_are_a_plain_table(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.csv", [scores(1, 0.1 + 0.2)])
    assert (tmp_path / "metrics.csv").read_text() == (
        f"{COLUMNS}\n1,10,0.3333333333333333,0.30000000000000004,0.0001,87.5,60.0\n"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda text: text.replace("loss", "losses"),
            "has the header 'epoch,step,losses,.*expected epoch,step,loss",
        ),
        (lambda text: "", "has the header ''"),
        (lambda text: text.replace(",87.5", ""), "line 2: 6 fields, expected 7"),
        (lambda text: text.replace("87.5", "fast"), "line 2: could not convert"),
        (lambda text: text.replace("1,10,", "1.5,10,"), "line 2: invalid literal"),
    ],
)
def test_other_tables_are_told_with_their_line(tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "metrics.csv"
    write_metrics(path, [scores(1)])
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        read_metrics(path, COLUMNS.split(","))


def test_tables_of_other_trainings_are_read_too_but_no_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,generator\n1,2,0.5\n")
    assert read_metrics(path) == [{"epoch": 1, "step": 2, "generator": 0.5}]
    path.write_text("imgId,prompt\n1,2\n")
    with pytest.raises(InputError, match="expected epoch,step,…"):
        read_metrics(path)


# --- TensorBoard


def points(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """What TensorBoard itself reads from a folder: (step, time, value) by name."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.wall_time, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_tensorboard_reads_each_point_once_after_many_writes(tmp_path: Path) -> None:
    rows = [scores(epoch, 0.5 + epoch / 100) for epoch in range(4)]
    for count in (1, 2, 4):
        assert write_events(tmp_path / "tensorboard", rows[:count], SCALARS)
    found = points(tmp_path / "tensorboard")
    assert set(found) == set(SCALARS)
    assert [step for step, _, _ in found["score/validation"]] == [0, 10, 20, 30]
    assert [value for _, _, value in found["score/validation"]] == pytest.approx([0.5, 0.51, 0.52, 0.53])
    assert [time for _, time, _ in found["loss"]] == [0, 60, 120, 180]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_a_file_that_a_kill_left_does_not_double_the_points(tmp_path: Path) -> None:
    """Killed between the new file's coming and the old one's going, both are there."""
    write_events(tmp_path / "a", [scores(0), scores(1)], SCALARS)
    write_events(tmp_path / "b", [scores(0), scores(1), scores(2)], SCALARS)
    (old,), (new,) = (tmp_path / "a").iterdir(), (tmp_path / "b").iterdir()
    new.rename(tmp_path / "a" / f"{old.name}.later")
    assert [step for step, _, _ in points(tmp_path / "a")["loss"]] == [0, 10, 20]


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.warns(UserWarning, match="pip install tensorboard"):
        write_tables(tmp_path, [scores(0)])
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_tensorboard_shows_all_but_counts_and_times(tmp_path: Path) -> None:
    write_tables(tmp_path, [scores(1), scores(2)])
    assert set(points(tmp_path / "tensorboard")) == {
        "loss",
        "validation",
        "learning_rate",
        "images_per_second",
    }


# --- pictures


@pytest.mark.parametrize("names", [(), ("validation",)])
@pytest.mark.parametrize("count", [1, 2, 101])
def test_curves_are_a_picture_of_any_number_of_epochs(
    tmp_path: Path, count: int, names: tuple[str, ...], recwarn: pytest.WarningsRecorder
) -> None:
    rows = [scores(epoch, 0.6 - math.exp(-epoch) / 10) for epoch in range(1, count + 1)]
    plot_curves(tmp_path / "curves.png", rows, "a title with $5 and $6", names)
    with Image.open(tmp_path / "curves.png") as image:
        assert (image.width > 1000) == bool(names)  # scores have a panel of their own
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50
    assert not recwarn.list
    first = (tmp_path / "curves.png").read_bytes()
    plot_curves(tmp_path / "curves.png", rows, "a title with $5 and $6", names)
    assert (tmp_path / "curves.png").read_bytes() == first
    plot_curves(tmp_path / "curves.png", [*rows[:-1], rows[-1] | {"validation": 0.9}], "a title", names)
    assert (tmp_path / "curves.png").read_bytes() != first


@given(st.lists(st.floats(-2, 2)).map(sorted), st.floats(0.001, 0.2))
def test_labels_are_moved_apart_and_no_more_than_needed(heights: list[float], gap: float) -> None:
    places = spread(heights, gap)
    steps = [above - below for below, above in pairwise(places)]
    assert all(step >= gap - 1e-9 for step in steps)
    assert sum(places) == pytest.approx(sum(heights), abs=1e-9)
    apart = all(above - below >= gap for below, above in pairwise(heights))
    if apart:
        assert places == pytest.approx(heights)


def test_labels_that_lie_on_each_other_stay_about_their_middle() -> None:
    assert spread([0.5, 0.5, 0.9], 0.1) == pytest.approx([0.45, 0.55, 0.9])
