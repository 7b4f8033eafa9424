"""SVGs of strangers: what would be drawn for ever is refused before it is drawn."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from tests.doodles.attacks import SVG
from tests.fuzzing import Attack, run, try_one
from unprompt.colouring.svg import clean_svg, draw_svg, size_of
from unprompt.errors import UnreadableImageError

pytest.importorskip("resvg_py", reason="drawing SVGs needs resvg_py")
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
WHOLE = '<rect width="100" height="100"'
FILTERS = {
    "octaves": '<feTurbulence numOctaves="100000" baseFrequency="0.5"/>',
    "thickened": '<feMorphology radius="100000"/>',
    "a kernel": f'<feConvolveMatrix order="99" kernelMatrix="{"1 " * 99 * 99}"/>',
}


def of_levels(levels: int, element: str, inner: str, used: str) -> bytes:
    """An SVG of definitions each of which refers to the one before, and one that refers to the last."""
    shape = '<path d="M0 0L9 9" stroke="#000"/>'
    found = f'{HEAD}<defs><g id="a0">{shape}</g>'
    for level in range(1, levels + 1):
        content = inner.replace("BEFORE", f"#a{level - 1}") if level > 1 or "<use" in inner else shape
        found += f'<{element} id="a{level}">{content}</{element.split()[0]}>'
    return f"{found}</defs>{used.replace('LAST', f'#a{levels}')}</svg>".encode()


MASKED = f'{WHOLE} fill="#fff" mask="url(BEFORE)"/>'
STYLED = f"{WHOLE} style=\"x:y; mask : url( 'BEFORE' )\"/>"
LAST_MASKED = f'{WHOLE} mask="url(LAST)"/>'
FILLED, LAST_FILLED = f'{WHOLE} fill="url(BEFORE)"/>', f'{WHOLE} fill="url(LAST)"/>'
CLIPPED, LAST_CLIPPED = f'{WHOLE} clip-path="url(BEFORE)"/>', f'{WHOLE} clip-path="url(LAST)"/>'
BOMBS = {
    "uses": of_levels(6, "g", '<use href="BEFORE"/>' * 10, '<use href="LAST"/>'),
    "deep uses": of_levels(60, "g", '<use href="BEFORE"/>', '<use href="LAST"/>'),
    "masks": of_levels(7, "mask", MASKED * 4, LAST_MASKED),
    "masks in styles": of_levels(7, "mask", STYLED * 4, LAST_MASKED),
    "many masks": of_levels(1, "mask", MASKED, LAST_MASKED * 900),
    "patterns": of_levels(20, 'pattern width="2" height="2"', FILLED * 3, LAST_FILLED),
    "clips": of_levels(9, "clipPath", CLIPPED * 9, LAST_CLIPPED),
    "markers": (
        f'{HEAD}<marker id="m"><path d="M0 0L1 1"/></marker>'
        f'<path d="M0 0{"L1 1" * 50_000}" marker-mid="url(#m)"/></svg>'
    ).encode(),
    "a long chain": (
        HEAD + "".join(f'<g id="a{n}"><use href="#a{n + 1}"/></g>' for n in range(5000)) + "</svg>"
    ).encode(),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_what_refers_to_others_is_counted(content: bytes) -> None:
    def read(name: str, content: bytes) -> None:
        with pytest.raises(UnreadableImageError, match="the SVG"):
            clean_svg(content)

    assert try_one(Attack("svg", [], read), "a.svg", content) is None


@pytest.mark.parametrize(
    "content",
    [
        f'{HEAD}<path d="M{"1" * 200_000}z"/></svg>',
        f'{HEAD}<marker id="m"/><path d="M{"-" * 200_000}" marker-mid="url(#m)"/></svg>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{"a" * 200_000}!"/>',
    ],
)
def test_long_attributes_take_no_time(content: str) -> None:
    with suppress(UnreadableImageError):
        clean_svg(content.encode())
    size_of(content.encode())


@pytest.mark.parametrize("inner", FILTERS.values(), ids=FILTERS)
def test_filters_are_left_out(inner: str) -> None:
    """An element whose filter is missing is not drawn, so what asks for one goes too."""
    content = f'{HEAD}<filter id="f">{inner}</filter>{WHOLE} filter="url(#f)"/>'
    content += f'{WHOLE} style="fill:#f00;filter:blur(100000px)"/></svg>'
    image = draw_svg(clean_svg(content.encode()), 40)
    assert image.getpixel((20, 20)) == (255, 0, 0, 255)


def test_what_is_used_as_drawings_use_it_is_drawn() -> None:
    content = (
        f'{HEAD}<defs><g id="a">{WHOLE} fill="#00f"/></g><mask id="m">{WHOLE} fill="#fff"/></mask></defs>'
    )
    content += '<use href="#a" mask="url(#m)"/><use href="#b" id="b"/></svg>'  # the last refers to itself
    assert draw_svg(clean_svg(content.encode()), 40).getpixel((20, 20)) == (0, 0, 255, 255)


def test_damaged_svgs() -> None:
    def read(name: str, content: bytes) -> None:
        cleaned = clean_svg(content)
        size_of(cleaned)
        draw_svg(cleaned, 40)

    attack = Attack("svg drawn", [("a.svg", SVG.encode())], read)
    assert [escape for escape in run(attack, Random(8), 150) if escape] == []
