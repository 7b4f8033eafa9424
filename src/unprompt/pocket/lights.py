"""Light, weather and hours: phrases and what they do to a finished picture, or to its backdrop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unprompt.pocket.dice import Dice
from unprompt.pocket.drawings import drawing, shape
from unprompt.pocket.textures import (
    clipped,
    clouds,
    grain,
    grey,
    ramp,
    ramp_of,
    rgb,
    rows_and_columns,
    vignette,
)
from unprompt.pocket.window import Window

# A square RGB picture, line art or not, what of it will be seen, seed -> RGB
Painter = Callable[[Image.Image, bool, Window, Dice], Image.Image]


@dataclass(frozen=True)
class Light:
    """What a phrase does to the backdrop, and to the picture with its subjects. Either may be left out."""

    back: Painter | None = None
    front: Painter | None = None
    colour: bool = False  # whether it shows by its colour alone


def tinted(colour: str, gain: int = 256) -> Painter:
    """Multiply by a colour: `gain` of 256 of it."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        factor = np.array(rgb(colour), np.int32) * gain // 256
        return Image.fromarray(clipped(np.asarray(image).astype(np.int32) * factor // 256))

    return paint


def graded(top: str, bottom: str, share: int) -> Painter:
    """Mix `share` of 256 of a colour ramp from top to bottom into the picture."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        row, _ = window.rows_and_columns
        over = ramp(top, bottom, window.height)[row].astype(np.int32)  # (side, 1, 3)
        pixels = np.asarray(image).astype(np.int32)
        return Image.fromarray(clipped((pixels * (256 - share) + over * share) >> 8))

    return paint


def both(*painters: Painter) -> Painter:
    """One after the other."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        for painter in painters:
            image = painter(image, lines, window, dice)
        return image

    return paint


def hung(name: str, size: int, corner: bool = True) -> Painter:
    """One drawing in an upper corner, or high in the middle; size in thousandths of the picture."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        wide, tall = shape(name)
        side = min(window.scale, window.width * 1000 // size, window.height * 1000 // size)
        w, h = max(2, side * size * wide // 1_000_000), max(2, side * size * tall // 1_000_000)
        sprite = drawing(name, max(w, h), lines).resize((w, h), Image.Resampling.BILINEAR)
        edge, free = side // 25, window.width - w
        left = (edge if dice.chance(50) else free - edge) if corner else free // 2
        image = image.copy()
        image.paste(sprite, (window.left + left, window.top + edge), sprite)
        return image

    return paint


def falling(names: str, count: int, size: int) -> Painter:
    """Small drawings all over the picture, by and by, turned by quarters."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        image = image.copy()
        options = names.split()
        for number in range(count):
            name = options[number % len(options)]
            scale = max(3, window.scale * size * dice.between(60, 130) // 100_000)
            wide, tall = shape(name)
            sprite = drawing(name, scale, lines).resize(
                (max(2, scale * wide // 1000), max(2, scale * tall // 1000)), Image.Resampling.BILINEAR
            )
            if dice.chance(50):
                sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            x = window.left + dice.between(-scale // 2, window.width - scale // 2)
            y = window.top + dice.between(-scale // 2, window.height - scale // 2)
            image.paste(sprite, (x, y), sprite)
        return image

    return paint


def streaks(colour: str, amount: int, length: int, share: int) -> Painter:
    """Slanted lines: rain, sleet, a meteor shower."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        side = image.width
        cell = max(1, side // 128)
        drops = (
            (grain(side // cell + 1, side // cell + 1, dice) > 127 - amount).repeat(cell, 0).repeat(cell, 1)
        )
        drops = drops[:side, :side]
        trail = drops.copy()
        for step in range(1, side * length // 1000):
            trail[step:, : side - step // 3] |= drops[:-step, step // 3 :]
        pixels = np.asarray(image).astype(np.int32)
        pixels[trail] += (np.array(rgb(colour), np.int32) - pixels[trail]) * share // 256
        return Image.fromarray(clipped(pixels))

    return paint


def flakes(amount: int, cell_share: int, colour: str = "#ffffff") -> Painter:
    """Round flakes of two sizes: snow, hail, ash."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        side = image.width
        image = image.copy()
        for cell in (max(2, side * cell_share // 1000), max(3, side * cell_share // 600)):
            count = side // cell + 1
            spots = Image.fromarray(
                ((grain(count, count, dice) > 127 - amount) * np.uint8(255)).astype(np.uint8)
            )
            mask = spots.resize((count * cell, count * cell), Image.Resampling.BILINEAR).crop(
                (0, 0, side, side)
            )
            image.paste(rgb(colour), (0, 0), mask)
        return image

    return paint


def fogged(colour: str, share: int) -> Painter:
    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        side = image.width
        thick = np.clip(share + clouds(side, side, side // 3, dice) // 2, 0, 245)[..., None].astype(np.int32)
        pixels = np.asarray(image).astype(np.int32)
        return Image.fromarray(clipped(pixels + ((np.array(rgb(colour), np.int32) - pixels) * thick >> 8)))

    return paint


def starred(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """Stars in the upper half, fewer in its lower part."""
    side = image.width
    cell = max(1, side // 128)
    pixels = np.asarray(image).astype(np.int16)
    spark = grain(side // cell, side // cell, dice).repeat(cell, 0).repeat(cell, 1)
    row, _ = window.rows_and_columns
    # Of the noise's two highest values, 126 and 127, none is left below the middle.
    stars = spark > 125 + row[: len(spark)] * 4 // window.height
    pixels[: stars.shape[0], : stars.shape[1]][stars] += 190
    return Image.fromarray(clipped(pixels))


def spotlit(colour: str, floor: int) -> Painter:
    """A light in the middle, in the picture's proportions; `floor` of 256 is left at the rim."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        side = image.width
        row, column = (axis.astype(np.int64) for axis in rows_and_columns(side, side))
        y, x = (row - window.top) * 2 - window.height, (column - window.left) * 2 - window.width
        squared = (y * window.width) ** 2 + (x * window.height) ** 2
        distance = squared * 256 // (window.width * window.height) ** 2
        share = np.clip(330 - distance * 13 // 10, floor, 290)[..., None]
        pixels = np.asarray(image).astype(np.int32)
        return Image.fromarray(clipped(pixels * share * np.array(rgb(colour), np.int32) // 65_536))

    return paint


def _shafts(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """Slanted beams from the top."""
    side = image.width
    row, column = rows_and_columns(side, side)
    unit = max(6, side // 7)
    beam = abs((column + row // 2 + dice.below(unit)) % unit * 2 - unit) * 90 // unit
    depth, _ = window.rows_and_columns
    light = beam * (window.height - depth) // window.height
    pixels = np.asarray(image).astype(np.int16)
    return Image.fromarray(
        clipped(pixels * 9 // 10 + (light[..., None] * np.array((4, 4, 3), np.int16)) // 4)
    )


def _aurora(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    side = image.width
    row, column = window.rows_and_columns
    wave = clouds(1, side, side // 5, dice) * window.height // 700
    half = window.height // 2
    height = np.clip(half - abs(row - window.height // 4 - wave), 0, half) * 230 // half
    glow = np.maximum(0, height - 70)[..., None]
    colour = ramp_of(("#30ff90", "#40e0c0", "#a050f0"))[column * 255 // window.width]  # (1, side, 3)
    night = np.asarray(tinted("#284070")(image, lines, window, dice)).astype(np.int16)
    return Image.fromarray(clipped(night + colour.astype(np.int32) * glow // 256))


def _lightning(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """A bright jagged line from the top, in a dark sky."""
    pixels = np.asarray(tinted("#70788c")(image, lines, window, dice)).copy()
    x, thick = window.width * dice.between(200, 800) // 1000, max(1, window.scale // 70)
    for y in range(0, window.height * 6 // 10):
        if y % max(1, window.scale // 40) == 0:
            turn = dice.between(-2, 2)
        x = min(window.width - thick - 1, max(thick, x + turn * (1 if y % 2 else 0)))
        left = window.left + x - thick
        pixels[window.top + y, left : left + 2 * thick + 1] = (255, 255, 220)
    return Image.fromarray(pixels)


def _windy(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """Long pale streaks across."""
    side = image.width
    row, _ = rows_and_columns(side, side)
    field = clouds(side, side, side // 3, dice)
    wisp = (abs((row * 6 + field) % 64 - 32) < 3)[..., None] * 80
    return Image.fromarray(clipped(np.asarray(image).astype(np.int16) + wisp))


def _hazy(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """Rows shifted sideways in waves, and warm: hot air."""
    side = image.width
    row, column = rows_and_columns(side, side)
    shift = (clouds(side, 1, max(2, side // 16), dice) * side) // 2600
    pixels = np.asarray(image)[np.broadcast_to(row, (side, side)), np.clip(column + shift, 0, side - 1)]
    return graded("#ffb040", "#ff8020", 60)(Image.fromarray(pixels), lines, window, dice)


def _backlit(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """Bright in the middle behind, everything dark in front of it."""
    value = grey(np.asarray(image)).astype(np.int16)
    halo = 255 - (256 - vignette(window.height, window.width)[..., 0][window.rows_and_columns]) * 2
    dark = np.where(value > 150, halo, value // 3)
    return Image.fromarray(ramp_of(("#100818", "#804030", "#ffd890", "#fffbe8"))[clipped(dark)])


def _caustics(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    side = image.width
    net = (abs(clouds(side, side, side // 8, dice)) < 12)[..., None] * 60
    return Image.fromarray(
        clipped(np.asarray(tinted("#90e0ff")(image, lines, window, dice)).astype(np.int16) + net)
    )


def _two_lights(left: str, right: str) -> Painter:
    """One coloured light from either side."""

    def paint(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
        pixels = np.asarray(image).astype(np.int32)
        _, column = window.rows_and_columns
        colours = ramp(left, right, window.width)[column].astype(np.int32)  # (1, side, 3)
        return Image.fromarray(clipped(pixels * colours * 5 // 1024 + colours // 7))

    return paint


def _shady(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """The shadow of a blind's slats."""
    side = image.width
    row, column = rows_and_columns(side, side)
    unit = max(6, side // 9)
    dark = ((row + column // 4) % unit < unit // 2)[..., None]
    pixels = np.asarray(image).astype(np.int16)
    return Image.fromarray(clipped(np.where(dark, pixels * 5 // 10, pixels * 11 // 10)))


def _dappled(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """The patches of light under leaves."""
    side = image.width
    shade = (clouds(side, side, max(3, side // 10), dice) < 5)[..., None]
    pixels = np.asarray(image).astype(np.int16)
    return Image.fromarray(clipped(np.where(shade, pixels * 6 // 10, pixels * 12 // 10)))


def _wet(image: Image.Image, lines: bool, window: Window, dice: Dice) -> Image.Image:
    """The lower quarter mirrors what is above it."""
    side = image.width
    line = window.top + window.height * 3 // 4
    pixels = np.asarray(image).copy()
    mirror = pixels[line - (side - line) : line][::-1].astype(np.int16)
    pixels[line:] = clipped(mirror * 7 // 10 + np.array((10, 24, 44), np.int16))
    return Image.fromarray(pixels)


def _lights() -> dict[str, Light]:
    table: dict[str, Light] = {}

    def add(
        words: str, back: Painter | None = None, front: Painter | None = None, colour: bool = False
    ) -> None:
        table.update(dict.fromkeys(words.split("|"), Light(back, front, colour)))

    night = both(tinted("#38487c"), starred)
    add("at night|in the dead of night", both(night, hung("1F319", 160)), tinted("#98a4d0"))
    add("under a full moon|by moonlight", both(night, hung("1F315", 210)), tinted("#a8b0d0"))
    add(
        "under a starry sky|under the stars",
        both(tinted("#283868"), starred, falling("2B50", 7, 60)),
        tinted("#b0b8d8"),
    )
    add("at sunset|at dusk", graded("#f06038", "#ffc860", 120), graded("#f08048", "#c05060", 60))
    add("at sunrise|at dawn", graded("#f8b8c8", "#fff0b0", 120), graded("#ffd8c0", "#ffe8b0", 60))
    add("at noon|in bright sunshine", hung("2600", 220), graded("#fff8d0", "#ffffff", 40))
    add(
        "in the rain|on a rainy day",
        both(graded("#68788c", "#8898a8", 120), hung("1F327", 260)),
        streaks("#c8e0f8", 4, 60, 190),
    )
    add(
        "in a thunderstorm|during a storm",
        both(_lightning, hung("26C8", 260)),
        streaks("#b8d0f0", 4, 60, 170),
    )
    add("in the snow|during a snowfall", graded("#a8b8cc", "#e8f0f8", 120), flakes(8, 26))
    add("in a blizzard", graded("#d0dce8", "#f0f4f8", 170), both(fogged("#f0f4fa", 70), flakes(18, 24)))
    add("in the fog|on a misty morning", None, fogged("#dce0e4", 130))
    add("in a sandstorm", None, fogged("#d8a860", 140))
    add("in thick smoke", None, fogged("#4c4848", 150))
    add("in a hailstorm", graded("#586878", "#8898a4", 130), flakes(4, 44, "#e8f4ff"))
    add("under a rainbow", hung("1F308", 620, corner=False))
    add("under the northern lights|beneath the aurora borealis", _aurora)
    add(
        "under a cloudy sky|on an overcast day",
        both(graded("#8c98a4", "#b8c0c8", 110), falling("2601", 4, 260)),
    )
    add("on a windy day|in a gale", None, both(_windy, falling("1F343", 6, 90)))
    add("in a tornado", both(graded("#5c6470", "#94989c", 130), hung("1F32A", 620, corner=False)))
    add("in the spotlight|on the runway", None, spotlit("#fffbe8", 40))
    add("by candlelight|lit by a single candle", None, both(spotlit("#ffc070", 60), hung("1F56F", 300)))
    add("in red light|in a darkroom", None, tinted("#ff3828"), True)
    add("in green light", None, tinted("#48ff58"), True)
    add("in blue light", None, tinted("#3868ff"), True)
    add("in neon light|lit by pink and blue neon", None, _two_lights("#ff40a8", "#28b0ff"), True)
    add(
        "in golden light|during golden hour",
        None,
        both(graded("#ffc850", "#e89030", 70), spotlit("#fff0c0", 130)),
        True,
    )
    add("with god rays|in rays of light", None, _shafts)
    add("backlit|against the light", None, _backlit)
    add("behind window blinds|in film noir lighting", None, _shady)
    add("in dappled shade|under leafy branches", None, _dappled)
    add("in a heat wave|in scorching heat", hung("1F31E", 260), _hazy)
    add("in rippling underwater light", None, _caustics)
    add("reflected in water|after the flood", None, _wet)
    for words, names, count, size in (
        ("in a shower of cherry blossoms|among falling petals", "1F338", 16, 90),
        ("with falling leaves|in autumn", "1F342 1F341", 14, 100),
        ("in a shower of confetti|at a party", "1F389 1F38A 1F388", 10, 120),
        ("with floating feathers", "1FAB6", 12, 110),
        ("with hearts everywhere|on Valentine's Day", "2764 1F495", 14, 90),
        ("in a rain of money|in a rain of coins", "1F4B5 1FA99", 14, 100),
        ("surrounded by sparkles", "2728", 14, 100),
        ("with balloons in the air|on its birthday", "1F388", 9, 150),
        ("among soap bubbles", "1FAE7", 8, 130),
        ("in a cloud of butterflies", "1F98B", 11, 110),
        ("with bats circling overhead|on Halloween", "1F987 1F383", 9, 120),
        ("in a meteor shower|during the apocalypse", "2604", 7, 150),
        ("with fireworks in the background|on New Year's Eve", "1F386", 5, 260),
        ("in a swarm of bees", "1F41D", 13, 80),
        ("with birds overhead", "1F54A 1F426", 8, 100),
        ("at Christmas|on Christmas Eve", "1F384 2744 1F381", 9, 120),
        ("at Easter", "1F95A 1F430 1F337", 9, 110),
        ("in a food fight", "1F355 1F382 1F345", 11, 120),
        ("with music in the air|at a concert", "1F3B5 1F3B6", 12, 100),
        ("on fire|in flames", "1F525", 12, 170),
        ("in a magical blizzard of snowflakes", "2744", 16, 90),
        ("during an alien invasion", "1F6F8", 6, 170),
        ("during an earthquake|in a rockslide", "1FAA8", 9, 130),
        ("in a shower of roses", "1F339", 11, 120),
        ("during a plague of frogs", "1F438", 10, 110),
        ("with question marks all around", "2753", 10, 110),
        ("under attack by mosquitoes", "1F99F", 11, 100),
        ("during a war|under fire", "1F4A5 1F4A3", 8, 150),
        ("at a wedding", "1F492 1F490 1F48D", 6, 150),
        ("on laundry day", "1F455 1F9E6 1F456", 9, 120),
        ("during the pandemic", "1F9A0 1F637", 9, 100),
        ("on election day", "1F5F3", 5, 150),
        ("on a Monday morning", "2615 23F0", 6, 130),
        ("at the olympics", "1F947 1F948 1F949", 7, 130),
        ("in a library of flying books", "1F4D6 1F4D5", 9, 130),
        ("at breakfast", "1F373 1F950 2615", 6, 140),
        ("after a shipwreck", "1F30A 1F6DF", 7, 150),
    ):
        add(words, falling(names, count, size), falling(names, max(2, count // 3), size))
    for hour, clock in (
        ("one", "1F550"),
        ("two", "1F551"),
        ("three", "1F552"),
        ("four", "1F553"),
        ("five", "1F554"),
        ("six", "1F555"),
        ("seven", "1F556"),
        ("eight", "1F557"),
        ("nine", "1F558"),
        ("ten", "1F559"),
        ("eleven", "1F55A"),
    ):
        add(f"at {hour} o'clock", None, hung(clock, 210))
    add("at midnight", both(night, hung("1F55B", 230)), tinted("#8898c8"))
    return table


LIGHTS: Mapping[str, Light] = _lights()
