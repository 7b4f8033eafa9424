"""SVGs of strangers: what would be drawn for ever is refused before it is drawn."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from tests.doodles.attacks import SVG
from tests.fuzzing import Attack, run, try_one
from unprompt.colouring import apart
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


LINE = '<path d="M1 1L90 90" stroke="#000"/>'
TOO_LARGE = {
    "in a style sheet": f"<style>path{{stroke-width:1e20}}</style>{LINE}",
    "important": f"<style>path{{stroke-width: 1e20 !important}}</style>{LINE}",
    "behind a comment": f"<style>path{{stroke-width:/* }} */1e20}}</style>{LINE}",
    "in CDATA": f"<style><![CDATA[path{{stroke-width:1e20}}]]></style>{LINE}",
    "of percent": f"<style>path{{stroke-width:123456789%}}</style>{LINE}",
    "behind a unit": f"<style>path{{stroke-dasharray:1px1e20}}</style>{LINE}",
    "in brackets": f"<style>path{{transform:scale(1e20)}}</style>{LINE}",
    "of what is used": f"<style>#a{{stroke-width:1e20}}</style><symbol><g id='a'>{LINE}</g></symbol>",
    "in a style": '<path d="M1 1L90 90" style="stroke:#000;/*;*/stroke-width:1e20px"/>',
    "behind a letter": '<path d="M1e20 1L90 90" stroke="#000"/>',
    "behind a point": '<path d="M1 1L.5.5e20" stroke="#000"/>',
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


@pytest.mark.parametrize("inner", TOO_LARGE.values(), ids=TOO_LARGE)
def test_numbers_that_no_drawing_has_are_refused_wherever_they_stand(inner: str) -> None:
    with pytest.raises(UnreadableImageError, match="beyond 10,000,000"):
        clean_svg(f"{HEAD}{inner}</svg>".encode())


def test_numbers_in_names_and_colours_are_none() -> None:
    style = "<style>.cls-123456789,#x12345678{fill:#12345678;stroke-width:.00000001}</style>"
    shape = f'{WHOLE} class="cls-123456789" id="x12345678" stroke="url(#a-12345678)"/>'
    cleaned = clean_svg(f"{HEAD}{style}{shape}</svg>".encode()).decode()
    for kept in (".cls-123456789,#x12345678{fill:#12345678;stroke-width:0}", "url(#a-12345678)"):
        assert kept in cleaned


@pytest.mark.parametrize("style", ["*mask:url(#m)", "/**/mask:url(#m)", "mask/*;*/:url(#m)"])
def test_what_a_style_hides_is_counted(style: str) -> None:
    """Comments, and the * before a property, are nothing to resvg."""
    masked = f'{WHOLE} style="{style}"/>' * 900
    with pytest.raises(UnreadableImageError, match="draws more than"):
        clean_svg(f'{HEAD}<mask id="m">{WHOLE}/></mask>{masked}</svg>'.encode())


@pytest.mark.parametrize("hidden", ["*filter", "/*x*/filter", "filter/*x*/"])
def test_filters_that_a_style_hides_are_left_out(hidden: str) -> None:
    content = f'{HEAD}{WHOLE} style="fill:#f00;{hidden}:blur(9px)"/></svg>'
    assert "blur" not in clean_svg(content.encode()).decode()


def test_a_drawing_that_takes_all_memory_ends_with_an_error_and_not_with_the_process() -> None:
    """64 TB, as resvg makes a pattern's tile as large as it says."""
    tile = '<pattern id="a" width="1e6" height="1e6" patternUnits="userSpaceOnUse">'
    content = f'{HEAD}{tile}{WHOLE}/></pattern>{WHOLE} fill="url(#a)"/></svg>'
    with pytest.raises(UnreadableImageError, match="too much memory or time"):
        draw_svg(clean_svg(content.encode()), 400)


def test_a_drawing_that_takes_hours_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS", 1)
    dashes = '<path d="M1 1L90 90" stroke="#000" stroke-dasharray=".0002"/>' * 2000
    with pytest.raises(UnreadableImageError, match="too much memory or time"):
        draw_svg(clean_svg(f"{HEAD}{dashes}</svg>".encode()), 40)


def test_what_resvg_says_is_told() -> None:
    with pytest.raises(UnreadableImageError, match="cannot be drawn: damaged: SVG has an invalid size"):
        draw_svg(b'<svg xmlns="http://www.w3.org/2000/svg" width="1e39" height="1e39"/>')


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
