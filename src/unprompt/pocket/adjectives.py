"""Adjectives and what each does to a drawing: its size, pose, mood, pattern, colour or material.

A painter takes an RGBA sprite as an array (H, W, 4) uint8 and gives one of the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from unprompt.pocket.dice import Dice
from unprompt.pocket.textures import (
    Bytes,
    Short,
    Whole,
    clipped,
    clouds,
    grain,
    grey,
    ramp_of,
    rgb,
    rows_and_columns,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Painter = Callable[[Bytes, Dice], Bytes]

SLOTS = ("size", "pose", "mood", "pattern", "colour", "material")  # in the order in which prompts have them


@dataclass(frozen=True)
class Adjective:
    """What one adjective changes. Scale and stretches are in thousandths, `turn` in degrees.

    `lift`: how far above the ground, in thousandths of the thing's longer side. `badge`: a drawing that goes
    with the thing, large behind it ("back"), at both sides ("wings"), "under" it, or small before it: "over"
    its head, on it ("hat"), at its "side", its "middle" or its "foot".
    """

    slot: str
    paint: Painter | None = None
    scale: int = 1000
    wide: int = 1000
    tall: int = 1000
    turn: int = 0
    lift: int = 0
    badge: str = ""
    where: str = "side"


def _mapped(*colours: str) -> Painter:
    """Replace colours by their brightness' colour in a ramp; contrast is widened first."""

    def paint(sprite: Bytes, dice: Dice) -> Bytes:
        painted = sprite.copy()
        painted[..., :3] = ramp_of(colours)[_spread(sprite)]
        return painted

    return paint


def _spread(sprite: Bytes) -> Bytes:
    """Brightness with black outlines kept black and dark colours lifted: (H, W) uint8."""
    return _LIFT[grey(sprite)]


_LIFT = np.array(
    [min(255, value * 3 if value < 40 else 120 + (value - 40) * 135 // 215) for value in range(256)], np.uint8
)


def _tinted(dark: str, middle: str, light: str) -> Painter:
    return _mapped("#101010", dark, middle, middle, light)


def _weave(sprite: Bytes, where: NDArray[np.bool_], colour: str, share: int = 200) -> Bytes:
    """Lay a colour over part of a sprite; `share` of 256 of it shows. Dark lines stay."""
    painted = sprite.copy()
    mask = where & (sprite[..., 3] > 60) & (grey(sprite) > 36)
    ink = np.array(rgb(colour), np.int32)
    under = painted[..., :3][mask].astype(np.int32)
    painted[..., :3][mask] = (under * (256 - share) + ink * share) >> 8
    return painted


def _patches(sprite: Bytes, cell: int, dice: Dice) -> Whole:
    """Smooth noise in the sprite's size."""
    return clouds(sprite.shape[0], sprite.shape[1], cell, dice)


def _grains(sprite: Bytes, dice: Dice) -> Short:
    """White noise in the sprite's size."""
    return grain(sprite.shape[0], sprite.shape[1], dice)


def _unit(sprite: Bytes) -> int:
    """The width of a pattern's element: about a ninth of the sprite, at least 3 pixels."""
    height, width = sprite.shape[:2]
    return max(3, int(height) // 9, int(width) // 9)


def _striped(sprite: Bytes, dice: Dice) -> Bytes:
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    bands = (column if dice.chance(50) else row + column // 2) // _unit(sprite) % 2 == 0
    return _weave(
        sprite, np.broadcast_to(bands, sprite.shape[:2]), dice.pick(("#202028", "#f4f4ec", "#c02838"))
    )


def _spotted(sprite: Bytes, dice: Dice) -> Bytes:
    unit = _unit(sprite) * 3 // 2
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    shift = (row // unit % 2) * (unit // 2)
    y, x = row % unit * 2 - unit, (column + shift) % unit * 2 - unit
    dots = (y * y + x * x) * 3 < unit * unit
    return _weave(sprite, dots, dice.pick(("#ffffff", "#282830", "#e83040")), 240)


def _checkered(sprite: Bytes, dice: Dice) -> Bytes:
    unit = _unit(sprite)
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    return _weave(sprite, (row // unit + column // unit) % 2 == 0, dice.pick(("#181820", "#f8f8f8")), 220)


def _plaid(sprite: Bytes, dice: Dice) -> Bytes:
    unit = _unit(sprite) * 2
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    over = np.broadcast_to(row % unit < unit // 2, sprite.shape[:2])
    across = np.broadcast_to(column % unit < unit // 2, sprite.shape[:2])
    cloth = _weave(_weave(sprite, np.ones(sprite.shape[:2], bool), "#b82030", 190), over, "#183860", 130)
    return _weave(_weave(cloth, across, "#104020", 130), row % unit == unit // 4, "#f0e8a0", 220)


def _zigzag(sprite: Bytes, dice: Dice) -> Bytes:
    unit = _unit(sprite)
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    wave = abs(column % (2 * unit) - unit)
    return _weave(sprite, (row + wave) // unit % 2 == 0, dice.pick(("#f0c020", "#20a8b0", "#d83078")), 220)


def _camouflaged(sprite: Bytes, dice: Dice) -> Bytes:
    patches = _patches(sprite, _unit(sprite) * 3 // 2, dice)
    coat = _weave(sprite, np.ones(sprite.shape[:2], bool), "#8a8a54", 225)
    return _weave(_weave(coat, patches > 18, "#3c4a28", 235), patches < -30, "#3a2c1e", 235)


def _starry(sprite: Bytes, dice: Dice) -> Bytes:
    unit = _unit(sprite) * 3 // 2
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    y, x = abs(row % unit - unit // 2), abs((column + row // unit % 2 * unit // 2) % unit - unit // 2)
    coat = _weave(sprite, np.ones(sprite.shape[:2], bool), "#1c2c6c", 220)
    return _weave(coat, (x + 1) * (y + 1) <= max(3, unit // 2), "#ffe860", 255)


def _cracked(sprite: Bytes, dice: Dice) -> Bytes:
    field = _patches(sprite, _unit(sprite) * 2, dice)
    other = _patches(sprite, _unit(sprite) * 2, dice)
    return _weave(sprite, (abs(field) < 5) | (abs(other) < 4), "#101010", 245)


def _patchwork(sprite: Bytes, dice: Dice) -> Bytes:
    unit = _unit(sprite) * 2
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    number = (row // unit * 7 + column // unit * 3 + dice.below(5)) % 5
    for patch, colour in enumerate(("#d84848", "#48a060", "#e8c040", "#4870c8", "#b060b8")):
        sprite = _weave(sprite, number == patch, colour, 190)
    return _weave(sprite, (row % unit == 0) | (column % unit == 0), "#fff8e8", 230)


def _rainbow(sprite: Bytes, dice: Dice) -> Bytes:
    hues = ramp_of(("#e02030", "#f08020", "#f0e030", "#30b040", "#2060e0", "#8030c0"))
    height = sprite.shape[0]
    colours = hues[np.arange(height) * 255 // max(1, height - 1)][:, None].astype(np.int32)
    painted = sprite.copy()
    painted[..., :3] = clipped(colours * (_spread(sprite)[..., None].astype(np.int32) + 30) >> 8)
    return painted


def _metal(*colours: str) -> Painter:
    """Bands of light and dark by brightness and height, as polished metal has."""

    def paint(sprite: Bytes, dice: Dice) -> Bytes:
        row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
        period = max(8, sprite.shape[0] // 2)
        sheen = abs((row + column // 3) % period * 2 - period) * 110 // period
        painted = sprite.copy()
        value = clipped(_spread(sprite).astype(np.int16) * 3 // 4 + sheen - 20)
        painted[..., :3] = ramp_of(colours)[value]
        return painted

    return paint


def _wooden(sprite: Bytes, dice: Dice) -> Bytes:
    row, _ = rows_and_columns(sprite.shape[0], sprite.shape[1])
    wave = _patches(sprite, _unit(sprite) * 3, dice)
    rings = abs((row * 3 + wave // 3) % 16 - 8) * 6
    painted = sprite.copy()
    painted[..., :3] = ramp_of(("#1c0e04", "#6a3c14", "#a8702c", "#d8a860"))[
        clipped(_spread(sprite).astype(np.int16) - 20 - rings)
    ]
    return painted


def _stone(dark: str, light: str, veins: int) -> Painter:
    def paint(sprite: Bytes, dice: Dice) -> Bytes:
        field = _patches(sprite, _unit(sprite) * 2, dice)
        rough = _grains(sprite, dice) // 6
        painted = sprite.copy()
        value = _spread(sprite).astype(np.int16) + rough + (abs(field) < veins) * -70
        painted[..., :3] = ramp_of(("#181818", dark, light))[clipped(value)]
        return painted

    return paint


def _see_through(sprite: Bytes, dice: Dice) -> Bytes:
    """Clear glass: pale, with alpha low where the drawing is plain and a bright glint."""
    painted = sprite.copy()
    bright = _spread(sprite).astype(np.int16)
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    glint = (row + column) % max(8, sprite.shape[1]) < max(2, sprite.shape[1] // 8)
    painted[..., :3] = ramp_of(("#204050", "#90c8d8", "#f4ffff"))[clipped(bright + glint * 60)]
    share = np.where(bright < 100, 210, np.where(glint, 150, 70))
    painted[..., 3] = sprite[..., 3].astype(np.int32) * share >> 8
    return painted


def _icy(sprite: Bytes, dice: Dice) -> Bytes:
    facets = _patches(sprite, _unit(sprite), dice) // 16 * 16 // 2
    painted = sprite.copy()
    value = clipped(_spread(sprite).astype(np.int16) * 3 // 4 + 50 + facets)
    painted[..., :3] = ramp_of(("#103858", "#58a8d8", "#c0ecff", "#ffffff"))[value]
    painted[..., 3] = sprite[..., 3].astype(np.int32) * 225 >> 8
    return painted


def _rusty(sprite: Bytes, dice: Dice) -> Bytes:
    patches = _patches(sprite, _unit(sprite), dice) + _grains(sprite, dice) // 3
    coat = _weave(sprite, patches > -40, "#8c4418", 210)
    return _weave(coat, patches > 40, "#54240c", 220)


def _furry(sprite: Bytes, dice: Dice) -> Bytes:
    """Pull each pixel from a random neighbour, far ones at the edges, with light and dark hairs."""
    height, width = sprite.shape[:2]
    reach = max(2, _unit(sprite) // 2)
    row, column = rows_and_columns(height, width)
    y = np.clip(row + _grains(sprite, dice).astype(np.int32) * reach // 128, 0, height - 1)
    x = np.clip(column + _grains(sprite, dice).astype(np.int32) * reach // 256, 0, width - 1)
    painted: Bytes = sprite[y, x]
    hair = grain(height, width, dice)[..., None] // 4
    painted[..., :3] = clipped(painted[..., :3].astype(np.int16) + hair)
    return painted


def _rising(colour: str, upto: int) -> Painter:
    """Something that grows from the bottom, `upto` thousandths high, with a ragged edge."""

    def paint(sprite: Bytes, dice: Dice) -> Bytes:
        height = sprite.shape[0]
        row, _ = rows_and_columns(sprite.shape[0], sprite.shape[1])
        edge = height - height * upto // 1000
        ragged = _patches(sprite, _unit(sprite), dice) * height // 500
        return _speckled(_weave(sprite, row + ragged > edge, colour, 215), dice)

    return paint


def _speckled(sprite: Bytes, dice: Dice) -> Bytes:
    painted = sprite.copy()
    painted[..., :3] = clipped(sprite[..., :3].astype(np.int16) + _grains(sprite, dice)[..., None] // 8)
    return painted


def _snowy(sprite: Bytes, dice: Dice) -> Bytes:
    """Snow lies where there is nothing above."""
    depth = max(3, sprite.shape[0] // 7)
    solid = sprite[..., 3] > 60
    covered = np.zeros_like(solid)
    covered[depth:] = solid[:-depth]
    bumps = _patches(sprite, _unit(sprite), dice) > 70
    painted = sprite.copy()
    painted[..., :3][solid & (~covered | bumps)] = (248, 250, 255)
    return painted


def _molten(sprite: Bytes, dice: Dice) -> Bytes:
    heat = _patches(sprite, _unit(sprite), dice)
    painted = sprite.copy()
    value = clipped(_spread(sprite).astype(np.int16) // 2 + 70 + heat)
    painted[..., :3] = ramp_of(("#180400", "#601000", "#e04000", "#ffb020", "#fff8a0"))[value]
    return painted


def _cosmic(sprite: Bytes, dice: Dice) -> Bytes:
    dust = _patches(sprite, _unit(sprite) * 2, dice)
    stars = _grains(sprite, dice) > 122
    painted = sprite.copy()
    painted[..., :3] = ramp_of(("#04020c", "#180c48", "#5020a0", "#c048c0", "#f8d0f0"))[
        clipped(_spread(sprite).astype(np.int16) // 3 + 60 + dust)
    ]
    painted[..., :3][stars] = (255, 255, 255)
    return painted


def _iridescent(sprite: Bytes, dice: Dice) -> Bytes:
    hues = ramp_of(("#ff60c0", "#60e0ff", "#90ffa0", "#fff080", "#c080ff", "#ff60c0"))
    row, column = rows_and_columns(sprite.shape[0], sprite.shape[1])
    phase = (_spread(sprite).astype(np.int16) * 2 + row * 3 + column * 2) % 256
    painted = sprite.copy()
    painted[..., :3] = (
        hues[phase].astype(np.uint16) * (_spread(sprite)[..., None].astype(np.uint16) // 2 + 128) >> 8
    )
    return painted


def _inverted_lines(background: str, line: str) -> Painter:
    """A dark body whose outlines shine, as a neon tube's."""

    def paint(sprite: Bytes, dice: Dice) -> Bytes:
        painted = sprite.copy()
        painted[..., :3] = ramp_of((line, background, background))[grey(sprite)]
        return painted

    return paint


def _glowing(sprite: Bytes, dice: Dice) -> Bytes:
    painted = sprite.copy()
    painted[..., :3] = clipped(sprite[..., :3].astype(np.int16) * 3 // 2 + np.array((70, 66, 20), np.int16))
    return painted


def _faded(share: int, *colours: str) -> Painter:
    """A ramp with the whole sprite let through by `share` of 256."""
    mapped = _mapped(*colours)

    def paint(sprite: Bytes, dice: Dice) -> Bytes:
        painted = mapped(sprite, dice)
        painted[..., 3] = sprite[..., 3].astype(np.int32) * share >> 8
        return painted

    return paint


def _melting(sprite: Bytes, dice: Dice) -> Bytes:
    """Columns of the lower half run down by different lengths."""
    height, width = sprite.shape[:2]
    row, column = rows_and_columns(height, width)
    run = (clouds(1, width, _unit(sprite), dice) + 128) * height // 560
    start = height // 3
    below = np.maximum(row - start, 0)
    source = np.clip(row - np.minimum(below, run), 0, height - 1)
    painted: Bytes = sprite[source, np.broadcast_to(column, source.shape)]
    return painted


def _pixelated(sprite: Bytes, dice: Dice) -> Bytes:
    height, width = sprite.shape[:2]
    unit = _unit(sprite)
    small = Image.fromarray(sprite).resize(
        (max(1, width // unit), max(1, height // unit)), Image.Resampling.BOX
    )
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


def _blurry(sprite: Bytes, dice: Dice) -> Bytes:
    return np.asarray(
        Image.fromarray(sprite)
        .convert("RGBa")
        .filter(ImageFilter.BoxBlur(_unit(sprite) // 2))
        .convert("RGBA")
    )


def _split(sprite: Bytes, dice: Dice) -> Bytes:
    """Two halves along a jagged line, moved apart."""
    height, width = sprite.shape[:2]
    gap = max(2, width // 12)
    painted = np.zeros_like(sprite)
    row, column = rows_and_columns(height, width)
    seam = width // 2 + abs(row % (2 * gap) - gap) - gap // 2
    left = np.where((column < seam)[..., None], sprite, 0).astype(np.uint8)
    right = np.where((column >= seam)[..., None], sprite, 0).astype(np.uint8)
    painted[:, : width - gap] = left[:, gap:]
    moved = np.zeros_like(right)
    moved[gap:, gap:] = right[:-gap, :-gap]
    return np.where(moved[..., 3:] > 0, moved, painted)


def _cut_open(sprite: Bytes, dice: Dice) -> Bytes:
    """Only the left half, its cut face pale."""
    width = sprite.shape[1]
    painted = sprite.copy()
    painted[:, width * 11 // 20 :] = 0
    face = np.s_[:, width // 2 : width * 11 // 20]
    painted[face][..., :3][painted[face][..., 3] > 60] = (250, 226, 200)
    return painted


def _slimy(sprite: Bytes, dice: Dice) -> Bytes:
    height, width = sprite.shape[:2]
    row, _ = rows_and_columns(height, width)
    drip = (clouds(1, width, _unit(sprite), dice) + 128) * height // 330
    return _weave(sprite, row < drip, "#58d020", 225)


def _washed_out(sprite: Bytes, dice: Dice) -> Bytes:
    """A quarter of its colour, the rest grey, and all of it paler."""
    painted = sprite.copy()
    value = grey(sprite)[..., None].astype(np.int32)
    painted[..., :3] = (sprite[..., :3].astype(np.int32) * 52 + value * 156 + 255 * 48) >> 8
    return painted


def _holed(sprite: Bytes, dice: Dice) -> Bytes:
    painted = sprite.copy()
    holes = _patches(sprite, _unit(sprite) * 3 // 2, dice) > 62
    painted[..., 3][holes] = 0
    return painted


def _named() -> dict[str, Adjective]:
    table: dict[str, Adjective] = {}
    paint: Painter

    def add(words: str, adjective: Adjective) -> None:
        table.update(dict.fromkeys(words.split("|"), adjective))

    for words, scale in (
        ("tiny|miniature|microscopic", 360),
        ("small|little", 560),
        ("big|large", 1400),
        ("huge|giant|gigantic|enormous", 1750),
    ):
        add(words, Adjective("size", scale=scale))
    add("tall|elongated", Adjective("size", wide=720, tall=1500))
    add("fat|chubby|wide", Adjective("size", wide=1500, tall=900))
    add("thin|skinny|slender", Adjective("size", wide=520, tall=1080))
    add("flattened|squashed", Adjective("size", wide=1350, tall=420))

    add("upside-down|inverted", Adjective("pose", turn=180))
    add("tilted|leaning|crooked", Adjective("pose", turn=24))
    add("toppled|fallen|sideways", Adjective("pose", turn=90))
    add("floating|levitating|hovering", Adjective("pose", lift=420))
    add("jumping|leaping|bouncing", Adjective("pose", turn=-16, lift=260, badge="1F4A8", where="under"))
    add("spinning|whirling", Adjective("pose", turn=45, badge="1F300", where="under"))

    for words, badge, where in (
        ("sleeping|sleepy|drowsy", "1F4A4", "side"),
        ("angry|furious", "1F4A2", "side"),
        ("confused|puzzled|curious", "2753", "over"),
        ("lovestruck|romantic|enamored", "1F495", "side"),
        ("musical|singing", "1F3B6", "side"),
        ("dizzy|dazed", "1F4AB", "over"),
        ("startled|shocked|alarmed", "2757", "over"),
        ("nervous|sweaty|exhausted", "1F4A6", "side"),
        ("clever|brilliant|ingenious", "1F4A1", "over"),
        ("royal|crowned|noble", "1F451", "hat"),
        ("wealthy|rich|greedy", "1F4B0", "foot"),
        ("festive|celebrating", "1F389", "foot"),
        ("magical|enchanted|sparkling", "2728", "side"),
        ("exploding|explosive", "1F4A5", "back"),
        ("lucky", "1F340", "foot"),
        ("educated|scholarly", "1F393", "hat"),
        ("dapper|gentlemanly|aristocratic", "1F3A9", "hat"),
        ("poisonous|deadly", "2620", "side"),
        ("electric|electrified", "26A1", "side"),
        ("burning|flaming", "1F525", "back"),
        ("steaming|smoking", "1F4A8", "side"),
        ("talking|chatty", "1F4AC", "side"),
        ("radioactive|nuclear", "2622", "side"),
        ("award-winning|champion", "1F3C6", "foot"),
        ("injured|bandaged", "1FA79", "middle"),
        ("armored|heroic", "1F6E1", "foot"),
        ("haunted|spooky", "1F47B", "side"),
        ("heartbroken|lonely", "1F494", "side"),
        ("winged|angelic", "1FABD", "wings"),
        ("smelly|stinking", "1FAB0", "side"),
        ("chained|imprisoned", "26D3", "middle"),
        ("hungry|starving", "1F37D", "foot"),
        ("thirsty|drunken", "1F37A", "foot"),
        ("studious|bookish", "1F4DA", "foot"),
        ("fragrant|flowery", "1F33C", "hat"),
        ("dangerous|hazardous", "26A0", "foot"),
        ("expensive|pricey", "1F3F7", "middle"),
        ("pirate", "1F3F4-200D-2620-FE0F", "side"),
        ("timely|punctual", "23F0", "foot"),
        ("gift-wrapped|ribboned", "1F380", "middle"),
        ("athletic|sporty", "1F3C5", "middle"),
        ("tropical", "1F33A", "hat"),
        ("rainy|gloomy", "1F327", "over"),
        ("sunny|cheerful", "1F31E", "side"),
        ("vampiric|nocturnal", "1F987", "side"),
        ("Christmassy|yuletide", "1F384", "foot"),
        ("artistic|bohemian", "1F3A8", "foot"),
        ("rolling|wheeled", "1F6DE", "under"),
        ("scientific|nerdy", "1F97D", "hat"),
    ):
        add(words, Adjective("mood", badge=badge, where=where))

    for words, paint in (
        ("striped|stripy", _striped),
        ("spotted|polka-dot|dotted", _spotted),
        ("checkered|chequered", _checkered),
        ("plaid|tartan", _plaid),
        ("zigzag|chevron", _zigzag),
        ("camouflaged|camouflage", _camouflaged),
        ("star-spangled", _starry),
        ("cracked|fractured", _cracked),
        ("patchwork|quilted", _patchwork),
        ("broken|shattered", _split),
        ("halved|sliced", _cut_open),
        ("moth-eaten|tattered", _holed),
    ):
        add(words, Adjective("pattern", paint))

    for words, dark, middle, light in (
        ("red|scarlet|crimson", "#600810", "#d82028", "#ff8078"),
        ("orange", "#702c00", "#f07818", "#ffc080"),
        ("yellow", "#705000", "#f4d020", "#fff8a0"),
        ("green|emerald", "#0c4018", "#28a040", "#98e8a0"),
        ("turquoise|teal", "#064848", "#18b0b0", "#a0f0e8"),
        ("blue|cobalt", "#0c1c60", "#2858d8", "#98b8ff"),
        ("purple|violet", "#300c58", "#8030c0", "#d0a0f8"),
        ("pink|magenta", "#681040", "#f060a8", "#ffc8e4"),
        ("brown", "#281004", "#80481c", "#c89868"),
        ("black", "#040406", "#24242a", "#5c5c66"),
        ("white|pale", "#8c8c94", "#f0f0f4", "#ffffff"),
        ("grey|gray", "#303034", "#88888c", "#d4d4d8"),
    ):
        add(words, Adjective("colour", _tinted(dark, middle, light)))
    add("rainbow-colored|multicolored", Adjective("colour", _rainbow))
    add("faded|washed-out", Adjective("colour", _washed_out))

    for words, paint in (
        ("golden|gilded", _metal("#281800", "#a06c08", "#f0c030", "#fff8c0")),
        ("silver|chrome|metallic", _metal("#101418", "#606870", "#c0c8d0", "#ffffff")),
        ("bronze|copper", _metal("#180800", "#703810", "#c87840", "#ffd8a8")),
        ("wooden", _wooden),
        ("marble", _stone("#a8a8b0", "#f8f8fc", 7)),
        ("stone|granite", _stone("#484844", "#b0aca4", 0)),
        ("glass|transparent", _see_through),
        ("frozen|icy|crystal", _icy),
        ("rusty|corroded", _rusty),
        ("furry|fluffy|hairy", _furry),
        ("mossy|overgrown", _rising("#487828", 640)),
        ("muddy|dirty", _rising("#5c4020", 520)),
        ("snowy|snow-covered", _snowy),
        ("molten|fiery", _molten),
        ("cosmic|galactic", _cosmic),
        ("iridescent|holographic", _iridescent),
        ("neon|cyberpunk", _inverted_lines("#180830", "#40fff0")),
        ("glowing|luminous", _glowing),
        ("ghostly|spectral", _faded(120, "#405060", "#c0d8e8", "#ffffff")),
        ("shadowy", _faded(235, "#000000", "#101018", "#1c1c28")),
        ("melting|dripping", _melting),
        ("pixelated|blocky", _pixelated),
        ("blurry|fuzzy", _blurry),
        ("chocolate", _mapped("#140602", "#3c1c0c", "#6c3818", "#8c5028")),
        ("porcelain", _mapped("#1838a0", "#b8c8f0", "#ffffff", "#ffffff")),
        ("slimy|gooey", _slimy),
        ("jade", _mapped("#043020", "#189068", "#70d8a8", "#d8fff0")),
        ("terracotta|clay", _stone("#70341c", "#d8845c", 0)),
    ):
        add(words, Adjective("material", paint))
    return table


ADJECTIVES: Mapping[str, Adjective] = _named()
