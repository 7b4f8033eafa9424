"""A run's scores as a table, as TensorBoard's scalars, and as a picture."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.learning.test_curves import points
from unprompt.errors import InputError
from unprompt.regression.scores import (
    SCALARS,
    EpochScores,
    best_epoch,
    plot_scores,
    read_scores,
    write_scores,
)


def scores(epoch: int, validation: float = 0.5) -> EpochScores:
    return EpochScores(
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


def test_scores_come_back_from_a_plain_table(tmp_path: Path) -> None:
    rows = [scores(0), scores(1, 0.1 + 0.2)]
    write_scores(tmp_path, rows)
    assert read_scores(tmp_path / "metrics.csv") == rows
    assert (tmp_path / "metrics.csv").read_text() == (
        "epoch,step,loss,train,validation,constant,learning_rate,images_per_second,seconds\n"
        "0,0,0.5,0.6,0.5,0.4,0.0001,87.5,0.0\n"
        "1,10,0.3333333333333333,0.6,0.30000000000000004,0.4,0.0001,87.5,60.0\n"
    )
    assert set(points(tmp_path / "tensorboard")) == set(SCALARS)


def test_a_table_of_another_training_is_told(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,loss\n1,10,0.5\n")
    with pytest.raises(InputError, match="has the header 'epoch,step,loss', expected epoch,step,loss,train,"):
        read_scores(tmp_path / "metrics.csv")


def test_the_best_epoch_is_the_first_of_equals() -> None:
    rows = [scores(0, 0.4), scores(1, 0.6), scores(2, 0.6), scores(3, 0.5)]
    assert best_epoch(rows).epoch == 1


@pytest.mark.parametrize("count", [1, 2, 101])
def test_scores_are_a_picture_of_any_number_of_epochs(
    tmp_path: Path, count: int, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "curves.png"
    rows = [scores(epoch, 0.6 - math.exp(-epoch) / 10) for epoch in range(count)]
    plot_scores(path, rows, "a title with $5 and $6")
    with Image.open(path) as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50
    assert not recwarn.list
    first = path.read_bytes()
    plot_scores(path, rows, "a title with $5 and $6")
    assert path.read_bytes() == first
    plot_scores(path, [*rows[:-1], replace(rows[-1], validation=0.9)], "a title")
    assert path.read_bytes() != first
