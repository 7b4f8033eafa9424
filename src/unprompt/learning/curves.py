"""How a training run went, epoch by epoch: metrics.csv, the curves as a picture, events for TensorBoard."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.errors import InputError
from unprompt.storage.files import read_text, write_table, writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6E6E6E"
DPI = 120
EVENTS = "events.out.tfevents.*"  # what TensorBoard takes for its own
SCALARS: Mapping[str, str] = {  # TensorBoard's name -> ours
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
_WHOLE = ("epoch", "step")


def best_epoch(rows: Sequence[EpochScores]) -> EpochScores:
    """The row with the highest validation score, the first of equals. `rows` must not be empty."""
    return max(rows, key=lambda row: row.validation)


def write_metrics(path: Path, rows: Sequence[EpochScores]) -> None:
    """Write metrics.csv, a row an epoch. Floats have the fewest digits that give the same number back."""
    write_table(path, COLUMNS, ([repr(value) for value in astuple(row)] for row in rows))


def read_metrics(path: Path) -> list[EpochScores]:
    """Read what `write_metrics` wrote. Raises InputError, with the line, for anything else."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        raise InputError(f"{path} has the header '{','.join(header)}', expected {','.join(COLUMNS)}")
    rows = []
    for line in reader:
        if len(line) != len(COLUMNS):
            raise InputError(f"{path}, line {reader.line_num}: {len(line)} fields, expected {len(COLUMNS)}")
        try:
            values = {
                name: int(text) if name in _WHOLE else float(text)
                for name, text in zip(COLUMNS, line, strict=True)
            }
        except ValueError as error:
            raise InputError(f"{path}, line {reader.line_num}: {error}") from error
        rows.append(EpochScores(**values))  # type: ignore[arg-type]  # whole where it must be
    return rows


def write_events(folder: Path, rows: Sequence[EpochScores]) -> bool:
    """Write all rows as one TensorBoard event file in `folder`, instead of those that are there.

    The clock of its points is the training time, so that the relative axis shows that over all starts.
    Returns False, having done nothing, where TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    older = list(folder.glob(EVENTS))
    with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=folder) as beside:
        # The purge makes a TensorBoard that watches the folder forget the points of the older file, of
        # which it would else show each twice. It needs a new name, or it goes on with the file it has open.
        with SummaryWriter(beside, purge_step=0) as writer:
            for row in rows:
                for name, attribute in SCALARS.items():
                    writer.add_scalar(name, getattr(row, attribute), row.step, walltime=row.seconds)
        for written in Path(beside).iterdir():
            shutil.move(written, folder / written.name)
    for path in older:
        path.unlink()
    return True


def plot_curves(path: Path, rows: Sequence[EpochScores], title: str) -> None:
    """Draw the score and the loss of every epoch into a PNG. `rows` must not be empty."""
    with drawn(path, 11.5, 4.6) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)
        score_axes, loss_axes = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.15, 1]})
        _plot_scores(score_axes, rows)
        _plot_loss(loss_axes, rows)
        tidy(score_axes)
        tidy(loss_axes)


def _plot_scores(axes: Axes, rows: Sequence[EpochScores]) -> None:
    constant = rows[-1].constant
    axes.axhline(constant, ls="--", color=GREY, zorder=1)
    ends = {f"best constant {constant:.3f}": (constant, GREY)}  # label -> its line's end and colour
    for attribute, label, colour in (
        ("train", "training", BLUE),
        ("validation", "validation", ORANGE),
    ):
        values = [getattr(row, attribute) for row in rows]
        axes.plot([row.epoch for row in rows], values, color=colour, marker=_marker(rows), ms=4)
        ends[f"{label} {values[-1]:.3f}"] = (values[-1], colour)
    best = best_epoch(rows)
    axes.plot(best.epoch, best.validation, "o", ms=9, mfc="none", mec=ORANGE, mew=1.6)
    axes.set_title(f"score: best {best.validation:.4f} {_epoch_name(best.epoch)}", loc="left", fontsize=11)
    axes.set_ylabel("mean cosine")
    _epoch_axis(axes, rows)
    label_ends(axes, ends)


def _plot_loss(axes: Axes, rows: Sequence[EpochScores]) -> None:
    epochs = [row.epoch for row in rows]
    axes.plot(epochs, [row.loss for row in rows], color=BLUE, marker=_marker(rows), ms=4)
    axes.set_title(f"training loss: {rows[-1].loss:.4f} at the end", loc="left", fontsize=11)
    axes.set_ylabel("loss, mean of the epoch", color=BLUE)
    axes.tick_params(axis="y", colors=BLUE)
    _epoch_axis(axes, rows)
    rates = axes.twinx()
    rates.plot(epochs, [row.learning_rate for row in rows], ":", color=GREEN, marker=_marker(rows), ms=3)
    rates.set_ylabel("learning rate, end of the epoch (dotted)", color=GREEN)
    rates.tick_params(axis="y", colors=GREEN)
    rates.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    rates.set_ylim(bottom=0)
    rates.spines[["top", "left"]].set_visible(False)


def _marker(rows: Sequence[EpochScores]) -> str:
    return "o" if len(rows) <= 30 else ""


def _epoch_name(epoch: int) -> str:
    return f"in epoch {epoch}" if epoch else "with the head alone"


def _epoch_axis(axes: Axes, rows: Sequence[EpochScores]) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = rows[0].epoch, rows[-1].epoch
    axes.set_xlabel("epoch (0: the head alone)" if first == 0 else "epoch")
    margin = max(0.02 * (last - first), 0.5 if last == first else 0.0)
    axes.set_xlim(first - margin, last + margin)
    if last - first <= 10:
        axes.set_xticks(range(first, last + 1))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


@contextmanager
def drawn(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches to draw on, written to `path` as a PNG when the block ends well.

    The same drawing gives the same bytes; nothing of matplotlib's global state is used or changed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)  # becomes the figure's canvas
    yield figure
    with writing(path) as stream:
        figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})


def tidy(axes: Axes) -> None:
    """Take away what says nothing, and lay a faint grid below the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)


def label_ends(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """Write labels right of the axes at the heights (and in the colours) of their lines' ends.

    Labels that would lie on each other are moved apart. Call it when the limits of the axes are final.
    """
    low, high = axes.get_ylim()
    labels = sorted(ends, key=lambda label: ends[label][0])
    heights = spread([(ends[label][0] - low) / (high - low) for label in labels], gap=0.06)
    for label, height in zip(labels, heights, strict=True):
        axes.annotate(
            label,
            (1.0, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=ends[label][1],
            fontsize=9.5,
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights apart, each group about its own middle, until all are `gap` from the next."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _places(groups[-1], gap)[0] - _places(groups[-2], gap)[-1] < gap:
            last = groups.pop()
            groups[-1] += last
    return [place for group in groups for place in _places(group, gap)]


def _places(group: Sequence[float], gap: float) -> list[float]:
    """Where the heights of a group go: `gap` apart, about their mean."""
    first = sum(group) / len(group) - gap * (len(group) - 1) / 2
    return [first + gap * number for number in range(len(group))]
