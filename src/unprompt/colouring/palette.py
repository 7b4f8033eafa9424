"""Colours by name: the eleven basic ones, shades, CSS's names and codes, and what a colour is called.

The basic words are those of Berlin and Kay (1969). What they look like is what people called so in the xkcd
colour survey (2010, CC0: 222,500 answers); further names are CSS's (CSS Color 4). Light: no model is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.colouring_pages.cielab import to_lab
from unprompt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAPER = 0  # the class of what is left as the paper is; the basic colours follow from 1 on
WHITE = 0xFFFFFF
SAME = 5.0  # in CIELAB: colours that nobody tells apart at a glance


class Colour(NamedTuple):
    """A colour and the basic word that it belongs to: its number in CLASSES."""

    rgb: int
    basic: int


BASIC: Mapping[str, int] = MappingProxyType(
    {
        "black": 0x000000,
        "white": WHITE,
        "grey": 0x929591,
        "red": 0xE50000,
        "orange": 0xF97306,
        "yellow": 0xFFFF14,
        "green": 0x15B01A,
        "blue": 0x0343DF,
        "purple": 0x7E1E9C,
        "pink": 0xFF81C0,
        "brown": 0x653700,
    }
)
CLASSES = ("paper", *BASIC)

# More names of the survey, each with the basic word that it is a shade of.
_SHADES = {
    "red": "scarlet be0119|crimson 8c000f|maroon 650021|burgundy 610023|ruby ca0147|cherry cf0234|"
    "brick a03623",
    "orange": "peach ffb07c|apricot ffb16d|amber feb308|rust a83c09|pumpkin e17701|tangerine ff9408",
    "yellow": "gold dbb40c|golden f5bf03|mustard ceb301|cream ffffc2|lemon fdff52|blond f0e68c|blonde f0e68c",
    "green": "lime aaff32|olive 6e750e|mint 9ffeb0|emerald 01a049|forest 0b5509|sage 87ae73|khaki aaa662",
    "blue": "navy 01153e|teal 029386|turquoise 06c2ac|cyan 00ffff|aqua 13eac9|azure 069af3|"
    "cobalt 030aa7|indigo 380282|sapphire 2138ab|denim 3b638c",
    "purple": "violet 9a0eea|lilac cea2fd|lavender c79fef|mauve ae7181|plum 580f41|magenta c20078",
    "pink": "rose cf6275|salmon ff796c|fuchsia ed0dd9|coral fc5a50",
    "brown": "tan d1b26f|beige e6daa6|chocolate 3d1c02|sand e2ca76|copper b66325|bronze a87900|ochre bf9005|"
    "coffee a6814c|caramel af6f09|ginger b06500|chestnut 742802",
    "grey": "silver c5c9c7|slate 516572",
    "black": "charcoal 343837",
    "white": "ivory ffffcb|snow fffafa",
}
# The basic words of other languages, in the forms in which they stand before or after a noun.
ABROAD = {
    "black": "검은 검정 검은색 검정색 까만 schwarz schwarze schwarzer schwarzes schwarzen "
    "noir noire noirs negro negra 黒 黒い 黑色 黑",
    "white": "하얀 하양 흰 흰색 하얀색 weiß weiße weißer weißes weißen "
    "blanc blanche blancs blanco blanca 白 白い 白色",
    "grey": "gray 회색 grau graue grauer graues grauen gris grise 灰色",
    "red": "빨간 빨강 빨간색 붉은 rote roter rotes roten rouge rouges rojo roja 赤 赤い 红色 红",
    "orange": "주황 주황색 오렌지색 orangefarben orangene naranja オレンジ色 橙色",
    "yellow": "노란 노랑 노란색 gelb gelbe gelber gelbes gelben jaune jaunes amarillo amarilla 黄色 "
    "黄色い 黄",
    "green": "초록 초록색 녹색 grün grüne grüner grünes grünen vert verte verts verde 緑 緑色 绿色 绿",
    "blue": "파란 파랑 파란색 푸른 blau blaue blauer blaues blauen bleu bleue bleus azul 青 青い 蓝色 蓝",
    "purple": "보라 보라색 자주색 lila violett violette morado morada 紫 紫色",
    "pink": "분홍 분홍색 핑크 핑크색 rosa ピンク ピンク色 粉色 粉红色",
    "brown": "갈색 밤색 braun braune brauner braunes braunen brun brune marron marrón 茶色 棕色",
}
# What colours that no word was found for are called, by the nearest in CIELAB: more than one look each.
_LOOKS = {
    "black": "000000 262626 3a3a3a",
    "white": "ffffff f7f7f7",
    "grey": "5f5f5f 878787 a8a8a8 d0cfce 6b7a85 b8c4cc",
    "red": "87141a d22f27 dc2323 ea5a47 9e231d",
    "pink": "eb469b faaac3 ffa7c0 e67a94 f5c4cf",
    "orange": "d75f0f fa9628 f4aa41 e27022",
    "yellow": "fadc32 fdf3aa fcea2b ffdc5d f1b31c",
    "green": "7d7d2d 14552d 419b3c 5fa032 aad773 b1cc33 5c9e31 186648",
    "blue": "3cbeb4 96d2f0 2d6ed2 283cc8 19286e 92d3f5 61b2e4 1e50a0",
    "purple": "733296 5a1ebe c3a5e1 8967aa b399c8",
    "brown": "50321e 8c5832 82505f be9164 a57939 6a462f ebd6b4 e0bb95",
}
# By basic colour, the names of its shades that are no things: what a caption can say for it.
SHADE_NAMES = {
    basic: tuple(shade.split(" ")[0] for shade in _SHADES.get(basic, "").split("|") if shade)
    for basic in BASIC
}
# What drawings mostly have: the fills of OpenMoji's (CC BY-SA 4.0), for what no word is about.
USUAL = (
    0xFFFFFF, 0xD0CFCE, 0x9B9B9A, 0x3F3F3F, 0x000000, 0xEA5A47, 0xD22F27, 0x9E231D, 0xF4AA41, 0xE27022,
    0xFCEA2B, 0xF1B31C, 0xB1CC33, 0x5C9E31, 0x186648, 0x92D3F5, 0x61B2E4, 0x1E50A0, 0xB399C8, 0x8967AA,
    0xFFA7C0, 0xE67A94, 0xA57939, 0x6A462F,
)  # fmt: skip
CODE = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})(?![0-9a-z])", re.IGNORECASE)


def class_of(basic: str) -> int:
    """The number of a basic colour in CLASSES."""
    return CLASSES.index(basic)


@cache
def names() -> Mapping[str, Colour]:
    """Every name of a colour, in lower case, words apart by single spaces."""
    from PIL import ImageColor

    found = {}
    for name in ImageColor.colormap:
        rgb = int.from_bytes(bytes(ImageColor.getrgb(name)[:3]), "big")
        found[name] = Colour(rgb, _basic_in(name) or int(classes_of(np.array([rgb]))[0]))
    for basic, shades in _SHADES.items():
        for shade in shades.split("|"):
            name, code = shade.split(" ")
            found[name] = Colour(int(code, 16), class_of(basic))
    for basic, words in ABROAD.items():
        found |= dict.fromkeys(words.split(" "), Colour(BASIC[basic], class_of(basic)))
    return MappingProxyType(found | {name: Colour(rgb, class_of(name)) for name, rgb in BASIC.items()})


def _basic_in(name: str) -> int | None:
    """The basic word that one of CSS's names ends in: "darkseagreen" is green."""
    name = name.replace("gray", "grey")
    return next((class_of(basic) for basic in BASIC if name.endswith(basic)), None)


def parse_code(code: str) -> Colour:
    """#1a2b3c or #abc. Raises InputError for anything else."""
    if not CODE.fullmatch(code):
        raise InputError(f"'{code}' is no colour code; write one like #2e8b57")
    rgb = rgb_of(code)
    return Colour(rgb, int(classes_of(np.array([rgb]))[0]))


def rgb_of(code: str) -> int:
    """#1a2b3c or #abc as 0xRRGGBB."""
    return int(code[1:] if len(code) == 7 else "".join(2 * digit for digit in code[1:]), 16)


def lightened(rgb: int, share: float) -> int:
    """A colour mixed with white by a share in (0, 1], or with black by one in [-1, 0)."""
    to = 255 if share > 0 else 0
    channels = (round(c + (to - c) * abs(share)) for c in (rgb >> 16, rgb >> 8 & 255, rgb & 255))
    return int.from_bytes(bytes(channels), "big")


def channels_of(rgb: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours (…) as 0xRRGGBB -> (…, 3)."""
    return np.stack([rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255], -1).astype(np.uint8)


def lab_of(rgb: NDArray[np.integer]) -> NDArray[np.float64]:
    """Colours (N,) as 0xRRGGBB in CIELAB: (N, 3)."""
    return to_lab(channels_of(rgb))


@cache
def _looks() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    pairs = [(int(code, 16), class_of(basic)) for basic, codes in _LOOKS.items() for code in codes.split(" ")]
    colours, classes = zip(*pairs, strict=True)
    return lab_of(np.array(colours)), np.array(classes)


def classes_of(rgb: NDArray[np.integer]) -> NDArray[np.int64]:
    """The basic colour of each (N,) 0xRRGGBB, by number in CLASSES."""
    looks, classes = _looks()
    far = ((lab_of(rgb)[:, None] - looks) ** 2).sum(2)
    found: NDArray[np.int64] = classes[far.argmin(1)]
    return found


@cache
def _shades() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    known = [names()[shade] for shades in SHADE_NAMES.values() for shade in shades]
    return lab_of(np.array([one.rgb for one in known])), np.array([one.basic for one in known])


def named_classes_of(rgb: NDArray[np.integer]) -> NDArray[np.int64]:
    """As `classes_of`, but what looks as a known shade does is of that shade's basic colour (N,)."""
    found = classes_of(rgb)
    if len(found):
        shades, classes = _shades()
        far = ((lab_of(rgb)[:, None] - shades) ** 2).sum(2)
        near = far.min(1) <= SAME**2
        found[near] = classes[far.argmin(1)[near]]
    return found
