"""Many drawings at once: a CSV of orders -> a folder of coloured pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from PIL import Image

from unprompt import __version__
from unprompt.colouring.paint_config import PaintConfig
from unprompt.colouring.svg import SUFFIX, draw_svg, painted_svg, read_svg
from unprompt.errors import InputError, UnreadableImageError
from unprompt.networks.checkpoints import sha256_of
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage.files import read_json, read_table, write_bytes, write_json, write_problems
from unprompt.storage.images import ImageFile, encode_png, read_image
from unprompt.storage.resumable import WORK, FolderKind, finish, open_folder
from unprompt.storage.sources import Sources
from unprompt.text.english import none_readable

if TYPE_CHECKING:
    from unprompt.colouring.small_paint import ColourPainter, Painted

COLUMNS = ("image", "words", "out")
RECORD, PROBLEMS = "coloured.json", "problems.csv"
KIND = FolderKind(
    noun="folder of coloured pictures",
    record=RECORD,
    outputs=("*.png", "*.svg", PROBLEMS),
)


@dataclass(frozen=True)
class ColourOrder:
    """One drawing, what is asked for, and the file that comes of it: .png or .svg."""

    image: Path
    words: str
    out: str


@dataclass(frozen=True)
class ColouredFolder:
    """What came of orders. `told`: by the file's name what there was to say about it."""

    path: Path
    orders: int
    problems: tuple[Problem, ...]
    told: dict[str, list[str]]
    resumed: bool


def read_orders(path: Path) -> tuple[ColourOrder, ...]:
    """Read a CSV with the columns image, words and out: a path relative to the CSV, the words, a file's name.

    Raises InputError, with the line, for what is none, and for names that are not different files in one
    folder.
    """
    table = read_table(path, COLUMNS)
    orders: list[ColourOrder] = []
    taken: set[str] = set()
    for line, row in zip(table.lines, table.rows, strict=True):
        image, words, out = (row[name] for name in COLUMNS)
        name = PurePosixPath(out)
        if len(name.parts) != 1 or "\\" in out or out.startswith("."):
            raise InputError(f"{path}, line {line}: out '{out}' is no plain file name")
        if name.suffix.lower() not in (".png", SUFFIX):
            raise InputError(f"{path}, line {line}: out '{out}' has to end in .png or .svg")
        if out.lower() in taken:
            raise InputError(f"{path}, line {line}: out '{out}' comes twice")
        taken.add(out.lower())
        orders.append(ColourOrder(path.parent / image, words, out))
    return tuple(orders)


def paint_orders(
    orders: Sequence[ColourOrder],
    out: Path,
    open_painter: Callable[[], ColourPainter],
    config: PaintConfig | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> ColouredFolder:
    """Colour drawings into the folder `out`; one that cannot be read is listed in problems.csv.

    Work that was interrupted goes on when called again with the same arguments. Raises InputError where no
    drawing can be read, RunError for a folder that holds something else.
    """
    config = config or PaintConfig()
    settings = _plain(config)
    plan = {
        "unprompt": __version__,
        "weights": settings.pop("weights"),
        "settings": settings,
        "orders": [[order.image.name, order.words, order.out] for order in orders],
    }
    files = [ImageFile(order.out, order.image) for order in orders]
    sources = Sources(files)
    problems: list[Problem] = []
    told: dict[str, list[str]] = {}
    with open_folder(out, KIND, plan, overwrite, sources=sources) as resumed:
        painter = open_painter()
        for number, order in enumerate(orders):
            mark = out / WORK / f"{number:07d}.json"
            if not mark.exists():
                write_json(mark, _one(order, out, painter, config))
                sources.note([files[number]])
            done = read_json(mark)
            if done["problem"]:
                problems.append(Problem(Path(order.out).stem, str(order.image), done["problem"]))
            elif done["told"]:
                told[order.out] = done["told"]
            progress("colouring", number + 1, len(orders))
        if len(problems) == len(orders):
            raise InputError(none_readable(len(orders), "drawing", problems[0].problem))
        write_problems(out / PROBLEMS, problems)
        finish(
            out,
            KIND,
            {
                "unprompt": __version__,
                "settings": _plain(config),
                "orders": len(orders),
                "unreadable": len(problems),
                "told": told,
            },
        )
    return ColouredFolder(out, len(orders), tuple(problems), told, resumed)


def _one(order: ColourOrder, out: Path, painter: ColourPainter, config: PaintConfig) -> dict[str, Any]:
    try:
        picture, drawing = open_drawing(order.image)
    except UnreadableImageError as error:
        return {"problem": str(error), "told": []}
    painted = painter.paint(picture, order.words, config)
    write_bytes(out / order.out, encode_painted(painted, Path(order.out).suffix, config, drawing))
    return {"problem": "", "told": list(painted.told)}


def open_drawing(path: Path) -> tuple[Image.Image, bytes | None]:
    """A drawing with its transparency, and its SVG where it is one. Raises UnreadableImageError."""
    if path.suffix.lower() == SUFFIX:
        content = read_svg(path)
        return draw_svg(content), content
    return read_image(path, alpha=True), None


def encode_painted(painted: Painted, suffix: str, config: PaintConfig, drawing: bytes | None) -> bytes:
    """Coloured line art as the bytes of a .svg or .png file."""
    if suffix.lower() == SUFFIX:
        return painted_svg(painted, drawing).encode()
    return encode_png(painted.image(config.paper == "transparent"))


def _plain(config: PaintConfig) -> dict[str, Any]:
    found = {**asdict(config)}
    for name in ("weights", "palette"):
        if found[name] is not None:
            found[name] = sha256_of(found[name])
    return found
