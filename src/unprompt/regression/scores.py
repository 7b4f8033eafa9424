"""What an epoch of a training run gave: losses and scores, as a row of metrics.csv and in curves.png."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.learning.curves import (
    BLUE,
    GREY,
    ORANGE,
    drawn,
    entitle,
    label_ends,
    plot_columns,
    plot_losses,
    read_metrics,
    tidy,
    write_tables,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCALARS = {  # TensorBoard's name -> ours
    "score/train": "train",
    "score/validation": "validation",
    "score/constant": "constant",
    "loss": "loss",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
}


@dataclass(frozen=True)
class EpochScores:
    """What one epoch of training gave."""

    epoch: int  # from 1; 0 is the probe: the head alone on the frozen backbone's features
    step: int  # optimiser's steps so far
    loss: float  # mean over the epoch's training images
    train: float  # mean cosine of the training images as the network saw them, augmented
    validation: float  # score of the averaged weights on the validation images
    constant: float  # score there of the one vector that is best for the training prompts
    learning_rate: float  # at the end of the epoch
    images_per_second: float
    seconds: float  # training time so far, over all starts


COLUMNS = tuple(item.name for item in fields(EpochScores))


def best_epoch(rows: Sequence[EpochScores]) -> EpochScores:
    """The row with the highest validation score, the first of equals. `rows` must not be empty."""
    return max(rows, key=lambda row: row.validation)


def write_scores(out: Path, rows: Sequence[EpochScores]) -> None:
    """Write metrics.csv and TensorBoard's events into a RUN. `rows` must not be empty."""
    write_tables(out, [asdict(row) for row in rows], SCALARS)


def read_scores(path: Path) -> list[EpochScores]:
    """Read a run's metrics.csv. Raises InputError, with the line, for anything else."""
    return [EpochScores(**row) for row in read_metrics(path, COLUMNS)]


def plot_scores(path: Path, rows: Sequence[EpochScores], title: str) -> None:
    """Draw the score and the loss of every epoch into a PNG. `rows` must not be empty."""
    with drawn(path, 11.5, 4.6) as figure:
        entitle(figure, title)
        score_axes, loss_axes = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.15, 1]})
        _plot_scores(score_axes, rows)
        plot_losses(loss_axes, [asdict(row) for row in rows], ("loss",))
        for axes in (score_axes, loss_axes):
            if rows[0].epoch == 0:
                axes.set_xlabel("epoch (0: the head alone)")
            tidy(axes)


def _plot_scores(axes: Axes, rows: Sequence[EpochScores]) -> None:
    constant, best = rows[-1].constant, best_epoch(rows)
    axes.axhline(constant, ls="--", color=GREY, zorder=1)
    plot_columns(axes, [asdict(row) for row in rows], ("train", "validation"))
    axes.plot(best.epoch, best.validation, "o", ms=9, mfc="none", mec=ORANGE, mew=1.6)
    where = f"in epoch {best.epoch}" if best.epoch else "with the head alone"
    axes.set_title(f"score: best {best.validation:.4f} {where}", loc="left", fontsize=11)
    axes.set_ylabel("mean cosine")
    label_ends(
        axes,
        {
            f"best constant {constant:.3f}": (constant, GREY),
            f"training {rows[-1].train:.3f}": (rows[-1].train, BLUE),
            f"validation {rows[-1].validation:.3f}": (rows[-1].validation, ORANGE),
        },
    )
