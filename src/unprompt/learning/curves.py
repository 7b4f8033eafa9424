"""How a training went, epoch by epoch: metrics.csv, the curves as a picture, events for TensorBoard."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.errors import InputError
from unprompt.storage.files import read_text, write_table, writing
from unprompt.text.english import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What one epoch gave, by the columns of metrics.csv. Every training has these, around those of its own:
# `epoch` from 1, the optimiser's `step`s so far; the `learning_rate` at the end of the epoch,
# `images_per_second` in it, and `seconds` of training so far, over all starts.
Row = dict[str, Any]
FIRST, LAST = ("epoch", "step"), ("learning_rate", "images_per_second", "seconds")
OUTPUTS = ("metrics.csv", "curves.png", "tensorboard")  # what a training leaves of its epochs

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6E6E6E"
COLOURS = (BLUE, ORANGE, "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DPI = 120
EVENTS = "events.out.tfevents.*"  # what TensorBoard takes for its own


def own_columns(row: Row) -> tuple[str, ...]:
    """The columns that only this training has: its losses and scores."""
    return tuple(name for name in row if name not in (*FIRST, *LAST))


def write_tables(out: Path, rows: Sequence[Row], scalars: Mapping[str, str] | None = None) -> None:
    """Write metrics.csv and TensorBoard's events into a training's folder. `rows` must not be empty.

    `scalars`: the columns that TensorBoard shows, by its names (None: all but counts and times, by ours).
    """
    write_metrics(out / "metrics.csv", rows)
    shown = scalars or {name: name for name in rows[0] if name not in (*FIRST, "seconds")}
    if not write_events(out / "tensorboard", rows, shown):
        warnings.warn(
            "nothing for TensorBoard, which is not installed (pip install tensorboard)", stacklevel=2
        )


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write metrics.csv, a row an epoch, with the columns of the first. `rows` must not be empty.

    Floats have the fewest digits that give the same number back.
    """
    columns = tuple(rows[0])
    write_table(path, columns, ([repr(row[name]) for name in columns] for row in rows))


def read_metrics(path: Path, columns: Sequence[str] = ()) -> list[Row]:
    """Read what `write_metrics` wrote, with these columns (empty: any).

    Raises InputError, with the line, for anything else.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    header = next(reader, [])
    if header != list(columns or header) or header[: len(FIRST)] != list(FIRST):
        expected = ",".join(columns or (*FIRST, "…"))
        raise InputError(f"{path} has the header '{','.join(header)}', expected {expected}")
    rows = []
    for line in reader:
        if len(line) != len(header):
            raise InputError(
                f"{path}, line {reader.line_num}: {counted(len(line), 'field')}, expected {len(header)}"
            )
        try:
            rows.append(
                {
                    name: int(text) if name in FIRST else float(text)
                    for name, text in zip(header, line, strict=True)
                }
            )
        except ValueError as error:
            raise InputError(f"{path}, line {reader.line_num}: {error}") from error
    return rows


def write_events(folder: Path, rows: Sequence[Row], scalars: Mapping[str, str]) -> bool:
    """Write all rows as one TensorBoard event file in `folder`, instead of those that are there.

    `scalars`: TensorBoard's name -> the column. The clock of its points is the training time, so that the
    relative axis shows that over all starts. Returns False, having done nothing, where TensorBoard is not
    installed.
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
                for name, column in scalars.items():
                    writer.add_scalar(name, row[column], row["step"], walltime=row["seconds"])
        for written in Path(beside).iterdir():
            shutil.move(written, folder / written.name)
    for path in older:
        path.unlink()
    return True


def plot_curves(path: Path, rows: Sequence[Row], title: str, scores: Sequence[str] = ()) -> None:
    """Draw the columns of a training's own into a PNG, `scores` beside the losses, which are all others.

    `rows` must not be empty.
    """
    losses = [name for name in own_columns(rows[0]) if name not in scores]
    with drawn(path, 11.5 if scores else 6.5, 4.6) as figure:
        entitle(figure, title)
        panels = figure.subplots(1, 2 if scores else 1, squeeze=False)[0]
        plot_losses(panels[-1], rows, losses)
        if scores:
            ends = plot_columns(panels[0], rows, scores)
            panels[0].set_title("scores", loc="left", fontsize=11)
            label_ends(panels[0], ends)
        for axes in panels:
            tidy(axes)


def plot_losses(axes: Axes, rows: Sequence[Row], losses: Sequence[str]) -> None:
    """Draw the losses of each epoch, and the learning rate at its end."""
    names = {loss: f"{loss}: {rows[-1][loss]:.4f}" for loss in losses}
    plot_columns(axes, rows, losses)
    if len(losses) == 1:
        axes.set_title(f"training {names[losses[0]]} at the end", loc="left", fontsize=11)
    else:
        axes.set_title("training losses, and what they are at the end", loc="left", fontsize=11)
        axes.legend([names[loss] for loss in losses], frameon=False, fontsize=9.5)
    axes.set_ylabel("loss, mean of the epoch", color=BLUE)
    axes.tick_params(axis="y", colors=BLUE)
    rates = axes.twinx()
    rates.plot(
        [row["epoch"] for row in rows],
        [row["learning_rate"] for row in rows],
        ":",
        color=GREEN,
        marker=_marker(rows),
        ms=3,
    )
    rates.set_ylabel("learning rate, end of the epoch (dotted)", color=GREEN)
    rates.tick_params(axis="y", colors=GREEN)
    rates.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    rates.set_ylim(bottom=0)
    rates.spines[["top", "left"]].set_visible(False)


def plot_columns(axes: Axes, rows: Sequence[Row], columns: Sequence[str]) -> dict[str, tuple[float, str]]:
    """Draw columns over the epochs, each in a colour of its own.

    Returns what `label_ends` takes: a label for each, and the height and colour of its end.
    """
    from itertools import cycle

    ends = {}
    for name, colour in zip(columns, cycle(COLOURS), strict=False):
        values = [row[name] for row in rows]
        axes.plot([row["epoch"] for row in rows], values, color=colour, marker=_marker(rows), ms=4)
        ends[f"{name} {values[-1]:.3f}"] = (values[-1], colour)
    _epoch_axis(axes, rows)
    return ends


def _marker(rows: Sequence[Row]) -> str:
    return "o" if len(rows) <= 30 else ""


def _epoch_axis(axes: Axes, rows: Sequence[Row]) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = rows[0]["epoch"], rows[-1]["epoch"]
    axes.set_xlabel("epoch")
    margin = max(0.02 * (last - first), 0.5 if last == first else 0.0)
    axes.set_xlim(first - margin, last + margin)
    if last - first <= 10:
        axes.set_xticks(range(int(first), int(last) + 1))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def entitle(figure: Figure, title: str) -> None:
    """Write a title over a figure, at its left."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", parse_math=False)


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
