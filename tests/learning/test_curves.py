"""metrics.csv comes back bit for bit, TensorBoard sees each point once, and the picture shows the numbers."""

from __future__ import annotations

import math
import sys
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unprompt.errors import InputError
from unprompt.learning import curves
from unprompt.learning.curves import (
    EpochScores,
    best_epoch,
    plot_curves,
    read_metrics,
    spread,
    write_events,
    write_metrics,
)


def scores(epoch: int, validation: float = 0.5, **more: float) -> EpochScores:
    row = EpochScores(
        epoch=epoch,
        step=10 * epoch,
        loss=1 / (epoch + 2),
        train=0.6,
        validation=validation,
        constant=0.4,
        learning_rate=1e-4,
        images_per_second=87.5,
        seconds=60.0 * epoch,
    )
    return replace(row, **more)


# --- metrics.csv

numbers = st.floats(allow_nan=False)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            EpochScores,
            st.integers(0, 1000),
            st.integers(0, 10**9),
            *[numbers] * 7,
        )
    )
)
def test_any_metrics_come_back_bit_for_bit(rows: list[EpochScores]) -> None:
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
        "epoch,step,loss,train,validation,constant,learning_rate,images_per_second,seconds\n"
        "1,10,0.3333333333333333,0.6,0.30000000000000004,0.4,0.0001,87.5,60.0\n"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("train", "training"), "has the header 'epoch,step,loss,training"),
        (lambda text: "", "has the header ''"),
        (lambda text: text.replace(",87.5", ""), "line 2: 8 fields, expected 9"),
        (lambda text: text.replace("87.5", "fast"), "line 2: could not convert"),
        (lambda text: text.replace("1,10,", "1.5,10,"), "line 2: invalid literal"),
    ],
)
def test_other_tables_are_told_with_their_line(tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "metrics.csv"
    write_metrics(path, [scores(1)])
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        read_metrics(path)


def test_the_best_epoch_is_the_first_of_equals() -> None:
    rows = [scores(0, 0.4), scores(1, 0.6), scores(2, 0.6), scores(3, 0.5)]
    assert best_epoch(rows).epoch == 1


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
        assert write_events(tmp_path / "tensorboard", rows[:count])
    found = points(tmp_path / "tensorboard")
    assert set(found) == set(curves.SCALARS)
    assert [step for step, _, _ in found["score/validation"]] == [0, 10, 20, 30]
    assert [value for _, _, value in found["score/validation"]] == pytest.approx([0.5, 0.51, 0.52, 0.53])
    assert [time for _, time, _ in found["loss"]] == [0, 60, 120, 180]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_a_file_that_a_kill_left_does_not_double_the_points(tmp_path: Path) -> None:
    """Killed between the new file's coming and the old one's going, both are there."""
    write_events(tmp_path / "a", [scores(0), scores(1)])
    write_events(tmp_path / "b", [scores(0), scores(1), scores(2)])
    (old,), (new,) = (tmp_path / "a").iterdir(), (tmp_path / "b").iterdir()
    new.rename(tmp_path / "a" / f"{old.name}.later")
    assert [step for step, _, _ in points(tmp_path / "a")["loss"]] == [0, 10, 20]


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert not write_events(tmp_path / "tensorboard", [scores(0)])
    assert not (tmp_path / "tensorboard").exists()


# --- pictures


@pytest.mark.parametrize("count", [1, 2, 101])
def test_curves_are_a_picture_of_any_number_of_epochs(
    tmp_path: Path, count: int, recwarn: pytest.WarningsRecorder
) -> None:
    rows = [scores(epoch, 0.6 - math.exp(-epoch) / 10) for epoch in range(count)]
    plot_curves(tmp_path / "curves.png", rows, "a title with $5 and $6")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50
    assert not recwarn.list
    first = (tmp_path / "curves.png").read_bytes()
    plot_curves(tmp_path / "curves.png", rows, "a title with $5 and $6")
    assert (tmp_path / "curves.png").read_bytes() == first
    plot_curves(tmp_path / "curves.png", [*rows[:-1], replace(rows[-1], validation=0.9)], "a title")
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
