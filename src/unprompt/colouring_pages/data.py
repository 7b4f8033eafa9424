"""Pairs to train on: pictures, and the pages that are to be made of them.

Stage 1 learns from drawings whose lines are known: OpenMoji's, whose outlines are left out, coloured, shaded
or damaged, and scenes of the pocket world. Stage 2 learns from pictures of any kind that are damaged, and
from the pages that stage 1 makes of them while they are whole: so it comes to ignore noise, blur and small
patterns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from unprompt import __version__
from unprompt.colouring_pages.clean import CleanSettings, clean
from unprompt.colouring_pages.data_config import PairSettings, StageTwoSettings
from unprompt.colouring_pages.inputs import (
    DAMAGES,
    GROUNDS,
    KINDS,
    Damage,
    add_pattern,
    damaged,
    draw_input,
    draw_photograph,
)
from unprompt.colouring_pages.openmoji import (
    FlatDrawing,
    drawings_of,
    has_fills,
    read_family,
    read_openmoji,
    usable_family,
)
from unprompt.colouring_pages.strokes import strokes
from unprompt.datasets.drawn_pairs import Amount, MadePair, drawn_kind, write_drawn_pairs, write_made_part
from unprompt.datasets.pairs import PROBLEMS
from unprompt.datasets.seeds import derive_seed
from unprompt.datasets.write_pairs import WrittenPairs
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.pocket.closing import borders
from unprompt.pocket.flat import Placement
from unprompt.pocket.pairs import LINE, draw_pair, paired_scene
from unprompt.pocket.version import VERSION, WORLD
from unprompt.progress import Progress, silent
from unprompt.records import Problem
from unprompt.storage import resumable as folders
from unprompt.storage.files import read_json, write_json, write_problems
from unprompt.storage.images import ImageFile, image_states, read_file
from unprompt.storage.packages import needed_for
from unprompt.storage.parts import part_name

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from unprompt.pocket.textures import Mask

    Ink = NDArray[np.floating[Any]]
    Extractor = Callable[[NDArray[np.uint8]], Ink]

KIND = drawn_kind("set of pairs of pages")
FINER = 2  # pixels a side of a drawing that become one
VISITS = 2  # pairs of a drawing that share its place in the picture
ZOOMED = 0.5  # how likely a drawing is shown larger than the picture, where that is asked for
DAMAGED = 0.28  # how likely each kind of damage is
INK = 0.5  # from which a pixel is a line
LONGEST_TEXT = 80
# Settings of stage 1 that the record tells.
MADE = ("size", "pocket", "photographs", "zoom", "plain", "split", "seed")
PHOTOGRAPH = "photograph"
CELLS = 3  # small areas side by side that make a pattern


def make_pairs(out: Path, settings: PairSettings | None = None, progress: Progress = silent) -> WrittenPairs:
    """Write pairs of stage 1 as parts of Pairs into the folder `out`, with captions that say what each is.

    Killed at any moment and called again with the same settings, it goes on and ends with the same bytes,
    with any number of workers. Raises RunError for a folder that is finished or belongs to something else,
    and where a worker is killed; ConfigError and InputError where packages or their drawings are missing.
    """
    settings = settings or PairSettings()
    folders.check_folder(out, KIND, settings.overwrite)  # before a family is read, which takes a while
    names, problems = _drawings(settings, progress)
    made = {"kind": "stage 1", **{name: getattr(settings, name) for name in MADE}}
    if settings.family:
        made["family"] = settings.family.name
    plan = {**made, WORLD: VERSION, "drawings": hashlib.sha256(json.dumps(names).encode()).hexdigest()}
    amount = Amount(settings.count, settings.part, settings.workers, settings.overwrite)
    draw = partial(make_pair, settings=settings, names=names)
    return write_drawn_pairs(out, KIND, draw, amount, plan, made, progress, problems)


def _drawings(settings: PairSettings, progress: Progress) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Names of OpenMoji's drawings of the split, or files of a family; and those that cannot be drawn."""
    if settings.family:
        found, problems = usable_family(settings.family, has_fills, progress)
        return tuple(map(str, found)), problems
    return drawings_of(settings.split), ()


def make_pair(number: int, settings: PairSettings, names: Sequence[str]) -> MadePair:
    """One pair of stage 1; does not depend on any other. `names`: the drawings to choose from."""
    visit = number // VISITS
    random = np.random.Generator(np.random.PCG64(derive_seed(settings.seed, "pair", number)))
    place = np.random.Generator(np.random.PCG64(derive_seed(settings.seed, "drawing", visit)))
    if place.random() < settings.pocket and not settings.family and not settings.plain:
        return _pocket_pair(number, settings, names, random)
    name = names[int(place.integers(len(names)))]
    placement = _placement(place, settings.zoom)
    drawing = _placed(name, settings.family is not None, settings.size * FINER, placement)
    name = Path(name).stem
    width = settings.size * FINER / LINE
    closed = drawing.closed
    if random.random() < settings.photographs and not settings.plain:
        source = draw_photograph(drawing, random, settings.size)
        target = Image.fromarray(closed.ink_shown(width)).reduce(FINER)
        return MadePair(f"{number:07d}-{name}", source, target, f"{name}: {PHOTOGRAPH}")
    kind = KINDS[int(random.integers(len(KINDS)))]
    grounds, likely = (GROUNDS[:1], 0.0) if settings.plain else (GROUNDS, DAMAGED)
    ground = grounds[int(random.integers(len(grounds)))]
    damages = tuple(damage for damage in DAMAGES if random.random() < likely)
    source = draw_input(drawing, kind, ground, damages, random, settings.size)
    ink = closed.ink_shown(width) if kind == "fills" else closed.ink(width)
    caption = f"{name}: {kind}, {', '.join((ground, *damages))}"
    return MadePair(f"{number:07d}-{name}", source, Image.fromarray(ink).reduce(FINER), caption)


def _pocket_pair(number: int, settings: PairSettings, names: Sequence[str], random: Generator) -> MadePair:
    seed = derive_seed(settings.seed, "scene", number)
    # What is strewn behind held-out subjects may be known: hardly any place has only held-out drawings.
    scene = paired_scene(seed, _set_of(tuple(names)), places=settings.split == "train")
    source, target = draw_pair(scene, seed, settings.size)
    damages = tuple(damage for damage in DAMAGES if damage != "gradients" and random.random() < DAMAGED / 2)
    source = damaged(source, damages, random)
    caption = ", ".join((f"pocket: {scene.prompt}"[:LONGEST_TEXT], *damages))
    return MadePair(f"{number:07d}-pocket-{settings.split}", source, target, caption)


@lru_cache(1)
def _set_of(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


@lru_cache(VISITS)
def _placed(name: str, family: bool, side: int, placement: Placement) -> FlatDrawing:
    return read_family(Path(name), side, placement) if family else read_openmoji(name, side, placement)


def _placement(random: Generator, zoom: float) -> Placement:
    """Where a drawing lies: whole, or half of the time up to `zoom` times as large and seen in part."""
    scale = random.uniform(0.65, 1.05)
    free = max(0.02, 0.45 * (1 - scale))
    if zoom > 1 and random.random() < ZOOMED:
        scale = zoom ** random.random()
        free = 0.4 * (scale - 1) + 0.02
    right, down = random.uniform(-free, free, 2)
    turn = random.normal(0, 8)
    return Placement(scale, turn, right, down, bool(random.random() < 0.5))


# --- stage 2


def stage_two(
    images: Sequence[ImageFile],
    extract: Extractor,
    out: Path,
    settings: StageTwoSettings | None = None,
    progress: Progress = silent,
    weights: str = "",
) -> WrittenPairs:
    """Write pairs of stage 2: damaged pictures, and what `extract` made of them while they were whole.

    `extract`: a picture (H, W, 3) uint8 -> how much each pixel is line (H, W), 0 to 1, as the model of stage
    1 gives it; it must always give the same. Its small parts are dropped: specks, and areas so small that a
    child could not colour them. A picture that cannot be decoded is left out and told in problems.csv.
    `weights`, such as its file's hash, tells it from others, which do not go on with what it began.

    Killed at any moment and called again with the same arguments, it goes on. Raises InputError where no
    picture can be read, RunError as `make_pairs`.
    """
    settings = settings or StageTwoSettings()
    if not images:
        raise InputError("there are no pictures to make pairs of")
    plan = {
        "unprompt": __version__,
        "kind": "stage 2",
        **{name: getattr(settings, name) for name in ("size", "variants", "smallest", "seed", "part")},
        "pictures": hashlib.sha256(json.dumps(image_states(images)).encode()).hexdigest(),
        "weights": weights,
    }
    step = max(1, settings.part // settings.variants)
    starts = range(0, len(images), step)
    with folders.open_folder(out, KIND, plan, settings.overwrite):
        for number, start in enumerate(starts):
            progress("making pairs", start, len(images))
            saved = out / folders.WORK / f"block-{number:05d}.json"
            if saved.exists():
                continue
            problems: list[tuple[str, str, str]] = []
            pairs = _stage_two_pairs(images[start : start + step], extract, settings, problems)
            written = write_made_part(out / part_name(number), pairs)
            write_json(saved, {"written": written, "problems": problems})
        progress("making pairs", len(images), len(images))
        blocks = [read_json(out / folders.WORK / f"block-{n:05d}.json") for n in range(len(starts))]
        told = tuple(Problem(*problem) for block in blocks for problem in block["problems"])
        pairs_written = sum(block["written"] for block in blocks)
        if not pairs_written:
            raise InputError(
                f"none of {len(images)} pictures can be read, first: {told[0].image_id} ({told[0].problem})"
            )
        if told:
            write_problems(out / PROBLEMS, told)
        record = {
            "pairs": pairs_written,
            "problems": len(told),
            "captions": True,
            "layout": "parts",
            "made": {key: plan[key] for key in ("kind", "size", "variants", "smallest", "seed")},
            "versions": {"unprompt": __version__},
        }
        folders.finish(out, KIND, record)
    return WrittenPairs(out, pairs_written, told)


def drawn_as_pages(draw: Extractor) -> Extractor:
    """What `draw` finds in a picture as the page with low detail that comes of it: ink of even, clean lines.

    So stage 2 learns what cleaning does as well: no specks, short gaps closed, small areas merged.
    """

    def extract(picture: NDArray[np.uint8]) -> Ink:
        drawing = strokes(clean(draw(picture).astype(np.float32), CleanSettings("low")))
        height, width = picture.shape[:2]
        page = drawing.render(width, max(height, width) / LINE).resize((width, height))
        return 1 - np.asarray(page.convert("L"), np.float32) / 255

    return extract


def _stage_two_pairs(
    images: Sequence[ImageFile],
    extract: Extractor,
    settings: StageTwoSettings,
    problems: list[tuple[str, str, str]],
) -> Iterator[MadePair]:
    for file in images:
        try:
            image = _square(read_file(file), settings.size)
        except UnreadableImageError as error:
            problems.append((file.image_id, file.name, str(error)))
            continue
        ink = drop_small_parts(extract(np.asarray(image)), settings.smallest * settings.size)
        target = Image.fromarray(np.rint(255 - 255 * np.clip(ink, 0, 1)).astype(np.uint8))
        for variant in range(settings.variants):
            random = np.random.Generator(
                np.random.PCG64(derive_seed(settings.seed, "stage 2", file.image_id, variant))
            )
            source, caption = _spoilt(image, random)
            yield MadePair(f"{file.image_id}-{variant}", source, target, caption)


def _square(image: Image.Image, size: int) -> Image.Image:
    """The middle of an RGB picture, `size` x `size`."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))


def _spoilt(image: Image.Image, random: Generator) -> tuple[Image.Image, str]:
    """A picture with noise and blur, noise and dilation or a small pattern, and which."""
    kinds: tuple[Damage, ...] = ("noise and blur", "noise and dilation")
    number = int(random.integers(3))
    patterned = number == 2 or random.random() < 0.3
    said = ["small pattern"] if patterned else []
    if patterned:
        image = add_pattern(image, random)
    if number < 2:
        image = damaged(image, (kinds[number],), random)
        said.append(kinds[number])
    return image, ", ".join(said)


def drop_small_parts(ink: Ink, smallest: float) -> Ink:
    """Ink (H, W), 0 to 1, without lines and areas too small for a child.

    A line goes if what hangs together with it is in no direction as long as `smallest` pixels. Where
    several areas lie side by side that are smaller than a square of half that side, as the cells of a
    pattern do, they become one; if it is still small, one with the area that it shares most of its rim with.
    """
    with needed_for("dropping small parts", "pages", ConfigError):
        from scipy import ndimage

    around = np.ones((3, 3), bool)
    labels, _ = ndimage.label(ink >= INK, around)
    boxes = ndimage.find_objects(labels)
    sizes = [max(part.stop - part.start for part in box) for box in boxes]
    keep = np.array([False, *(size >= smallest for size in sizes)])[labels]
    keep &= ~_rims_within(ink < INK, keep, (smallest / 2) ** 2)
    # The soft rim of a line stays or goes with it.
    gone = (labels > 0) & ~keep
    soft = ndimage.binary_dilation(gone, around, iterations=2) & ~ndimage.binary_dilation(keep, around)
    return np.where(gone | soft, 0, ink)


def _rims_within(white: Mask, lines: Mask, smallest: float) -> Mask:
    """The lines between areas smaller than `smallest` pixels that become one."""
    from scipy import ndimage

    areas, count = ndimage.label(white)
    rows, columns = ndimage.distance_transform_edt(~white, return_distances=False, return_indices=True)
    grown = areas[rows, columns]  # lines belong to the area that is nearest
    beside = np.concatenate(
        [
            np.stack([grown[:, :-1].ravel(), grown[:, 1:].ravel()], axis=1),
            np.stack([grown[:-1].ravel(), grown[1:].ravel()], axis=1),
        ]
    )
    beside = np.sort(beside[beside[:, 0] != beside[:, 1]], axis=1)
    if not len(beside):
        return np.zeros_like(lines)
    edges, shared = np.unique(beside, axis=0, return_counts=True)
    size = np.bincount(areas.ravel(), minlength=count + 1)
    small = size < smallest
    one = np.arange(count + 1)
    for first, second in edges[small[edges].all(axis=1)]:
        one[one == one[second]] = one[first]
    for group in np.unique(one[small]):
        cells = one == group
        if cells.sum() < CELLS:
            one[cells] = np.flatnonzero(cells)
        elif size[cells].sum() < smallest:
            rim = (one[edges] == group).sum(axis=1) == 1
            if rim.any():
                best = edges[rim][shared[rim].argmax()]
                one[cells] = next(value for value in one[best] if value != group)
    merged, parted, thick = one[grown], borders(grown), ndimage.distance_transform_edt(lines)
    inner = parted & ~borders(merged)
    if not inner.any():
        return np.zeros_like(lines)
    to_inner, at = ndimage.distance_transform_edt(~inner, return_indices=True)
    found: Mask = lines & (to_inner <= thick[tuple(at)] + 1)
    outer = parted & ~inner
    if outer.any():
        to_outer, at = ndimage.distance_transform_edt(~outer, return_indices=True)
        found &= to_outer > thick[tuple(at)] + 0.5
    return found
