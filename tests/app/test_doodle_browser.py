"""The page Doodle to photo in a real browser: drawn by mouse, fingers and keys; named, painted, sent on."""

from __future__ import annotations

import io
import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.app.visiting import PATIENCE, SIZES, UPLOADER, Visitor, saved, serving, visiting
from tests.html_pages import open_browser
from unprompt.doodles.nouns import one_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# The app with a namer that knows the sample doodles.
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.sample_namer import SampleNamer
from unprompt.cli import main
from unprompt.doodles import steps
from unprompt.doodles.paint_drawing import DoodlePainter
namer = SampleNamer()
given = steps.Steps(namer, painter=DoodlePainter(namer=namer))
steps.open_steps = lambda config: given
sys.exit(main())
"""
CANVAS = ".paper canvas"
Points = Sequence[tuple[float, float]]  # shares of the sheet's width and height


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("app"), program=PROGRAM) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(params=SIZES)
def visitor(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    with visiting(browser, address, request.param) as one:
        one.open("doodle")
        one.page.locator(CANVAS).wait_for()
        yield one


def draw(visitor: Visitor, points: Points) -> None:
    """One stroke: by finger on a phone, else by mouse."""
    page = visitor.page
    page.locator(CANVAS).scroll_into_view_if_needed()
    box = page.locator(CANVAS).bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    if page.evaluate("navigator.maxTouchPoints") == 0:
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
        return
    session = page.context.new_cdp_session(page)
    for number, (x, y) in enumerate(places):
        kind = "touchMove" if number else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def circle(x: float, y: float, radius: float, count: int = 24) -> Points:
    angles = [2 * math.pi * number / count for number in range(count + 1)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def lines(visitor: Visitor) -> list[tuple[float, str]]:
    """The lines of the drawing's SVG: pen and path, as the server has them."""
    from playwright.sync_api import TimeoutError as TookTooLongError

    button = visitor.page.get_by_test_id("stDownloadButton").filter(has_text="SVG").get_by_role("button")
    end = time.monotonic() + PATIENCE / 1000
    patience = 500  # milliseconds; longer each time, for a machine that has much to do
    while True:
        visitor.settle()
        try:
            with visitor.page.expect_download(timeout=patience) as download:
                button.click()
            root = ET.parse(download.value.path())
        except TookTooLongError:  # the page was drawn anew meanwhile, which ends its downloads
            assert time.monotonic() < end, "the drawing cannot be saved"
            patience = min(2 * patience, 20_000)
        else:
            drawn = (one.attrib for one in root.iter() if "d" in one.attrib)
            return [(float(one["stroke-width"]), one["d"]) for one in drawn]


def wait_for_lines(visitor: Visitor, count: int) -> list[tuple[float, str]]:
    end = time.monotonic() + PATIENCE / 1000
    while len(found := lines(visitor)) != count:
        assert time.monotonic() < end, f"{len(found)} lines, not {count}"
    return found


def wait_for_pens(visitor: Visitor, pens: list[float]) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while (found := [pen for pen, _ in lines(visitor)]) != pens:
        assert time.monotonic() < end, f"{found}, not {pens}"


def dark(visitor: Visitor, x: float, y: float) -> bool:
    """Whether there is ink at shares of the sheet's width and height."""
    place = (
        "(one, at) => one.getContext('2d').getImageData(at[0] * one.width, at[1] * one.height, 1, 1).data[3]"
    )
    return bool(visitor.page.locator(CANVAS).evaluate(place, [x, y]) > 128)


def wait_for_text(visitor: Visitor, label: str, text: str) -> None:
    """Wait until there is one field of this label, and it shows a text."""
    fields = visitor.page.get_by_label(label, exact=True)
    end = time.monotonic() + PATIENCE / 1000
    shown = "one => one.map(field => field.value)"
    while (found := fields.evaluate_all(shown)) != [text]:
        assert time.monotonic() < end, f"{found}, not '{text}'"
        visitor.page.wait_for_timeout(50)


def press(visitor: Visitor, name: str) -> None:
    visitor.page.get_by_role("button", name=name, exact=True).click()


def test_what_is_drawn_is_named_and_can_be_taken_back(visitor: Visitor) -> None:
    page = visitor.page
    before = page.evaluate("window.scrollY")
    for control in page.locator(".tools label, .tools button").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 44  # for a finger
    box = page.locator(CANVAS).bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert box["width"] >= min(350, 0.35 * page.viewport_size["width"])
    draw(visitor, circle(0.5, 0.5, 0.21))
    for number in range(12):  # rays, faster than the page can answer
        x, y = math.cos(number * math.pi / 6), math.sin(number * math.pi / 6)
        draw(visitor, [(0.5 + at * x, 0.5 + at * y) for at in (0.27, 0.33, 0.4)])
    page.get_by_role("button", name="sun · ").wait_for()
    assert page.evaluate("window.scrollY") == before
    wait_for_lines(visitor, 13)
    wait_for_text(visitor, "What it shows", "a sun")
    assert dark(visitor, 0.71, 0.5)
    assert not dark(visitor, 0.5, 0.5)
    # Back and forth, and all at once.
    press(visitor, "Undo")
    wait_for_lines(visitor, 12)
    press(visitor, "Redo")
    wait_for_lines(visitor, 13)
    press(visitor, "Clear")
    visitor.sees("Draw here")
    assert not dark(visitor, 0.71, 0.5)
    press(visitor, "Undo")
    wait_for_lines(visitor, 13)
    page.locator(CANVAS).press("Control+Z")
    wait_for_lines(visitor, 12)
    page.locator(CANVAS).press("Control+Shift+Z")
    wait_for_lines(visitor, 13)


def test_lines_are_as_wide_as_the_pen_and_the_rubber_cuts_them(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("radio", name="thick pen").check(force=True)
    draw(visitor, [(0.1, 0.3), (0.5, 0.3), (0.9, 0.3)])
    page.get_by_role("radio", name="thin pen").check(force=True)
    draw(visitor, [(0.1, 0.6), (0.5, 0.6), (0.9, 0.6)])
    wait_for_pens(visitor, [30, 6])
    page.get_by_role("radio", name="rubber").check(force=True)
    draw(visitor, [(0.5, 0.5), (0.5, 0.7)])  # across the thin one
    wait_for_pens(visitor, [30, 6, 6])
    assert not dark(visitor, 0.5, 0.6)
    assert dark(visitor, 0.4, 0.6)
    assert dark(visitor, 0.5, 0.3)
    draw(visitor, [(0.05, 0.3), (0.95, 0.3)])  # along the thick one
    wait_for_lines(visitor, 2)
    press(visitor, "Undo")
    press(visitor, "Undo")
    wait_for_pens(visitor, [30, 6])


def test_a_dot_is_a_stroke_and_nothing_leaves_the_sheet(visitor: Visitor) -> None:
    draw(visitor, [(0.5, 0.5)])
    draw(visitor, [(0.9, 0.9), (1.05, 1.02)])
    (_, dot), (_, other) = wait_for_lines(visitor, 2)
    assert dot.startswith("M500 500L")
    assert other.endswith("L1000 1000")


def test_it_can_be_drawn_by_keys(visitor: Visitor) -> None:
    page = visitor.page
    canvas = page.locator(CANVAS)
    canvas.focus()
    for key in (
        "ArrowLeft",
        "ArrowUp",
        "Space",
        "ArrowRight",
        "ArrowRight",
        "ArrowDown",
        "Space",
        "ArrowDown",
    ):
        canvas.press(key)
    assert page.locator(".aim").is_visible()
    ((pen, path),) = wait_for_lines(visitor, 1)
    assert (pen, path) == (14, "M480 480Q500 480 510 480Q520 480 520 490L520 500")
    canvas.focus()
    draw(visitor, [(0.1, 0.1), (0.2, 0.2)])
    assert not page.locator(".aim").is_visible()


def test_a_sample_is_named_corrected_painted_and_gone_back_to(visitor: Visitor) -> None:
    pytest.importorskip("resvg_py")
    page = visitor.page
    draw(visitor, [(0.1, 0.1), (0.2, 0.2)])
    page.get_by_role("button", name="Cat", exact=True).click()
    guesses = page.locator(".st-key-doodle-guesses button")
    wait_for_text(visitor, "What it shows", "a cat")
    visitor.settle()
    assert guesses.count() == 5
    guesses.nth(1).click()
    chosen = guesses.nth(1).inner_text().partition(" ·")[0]
    wait_for_text(visitor, "What it shows", one_of(chosen))
    visitor.settle()
    caption = page.get_by_label("What it shows")
    caption.fill("a cat beside a house")
    caption.press("Enter")
    wait_for_text(visitor, "Prompt", "A photo of a cat beside a house")
    page.locator('[class*="st-key-doodle-variants"]').get_by_text("2", exact=True).click()
    visitor.settle()
    press(visitor, "Paint")
    page.get_by_role("button", name="Picture", exact=True).wait_for()
    visitor.settle()
    first = saved(visitor, "Picture")
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (512, 512)
    page.get_by_role("button", name="variant 2").click()
    page.locator('.thumbs button[title="variant 2"][aria-pressed="true"]').wait_for()
    visitor.settle()
    assert saved(visitor, "Picture") != first
    # A second painting, and back to the first with its drawing and words.
    page.get_by_role("button", name="House", exact=True).click()
    wait_for_text(visitor, "What it shows", "a house")
    visitor.settle()
    press(visitor, "Paint")
    visitor.sees("So far")
    visitor.settle()
    page.locator(".st-key-doodle-history, .thumbs").last.get_by_role("button").last.click()
    wait_for_text(visitor, "Prompt", "A photo of a cat beside a house")
    wait_for_lines(visitor, 15)  # the cat's
    # What the sheet showed before each sample can be undone to.
    for _ in range(3):
        press(visitor, "Undo")
    wait_for_lines(visitor, 1)


def test_the_drawing_is_there_after_another_page_and_is_sent_to_be_coloured(visitor: Visitor) -> None:
    page = visitor.page
    draw(visitor, [*circle(0.5, 0.5, 0.3)])
    wait_for_lines(visitor, 1)
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("heading", name="Compare").wait_for()
    page.get_by_role("link", name="Doodle to photo").click()
    page.locator(CANVAS).wait_for()
    wait_for_lines(visitor, 1)
    end = time.monotonic() + PATIENCE / 1000
    while not dark(visitor, 0.8, 0.5):
        assert time.monotonic() < end, "the sheet is empty"
    draw(visitor, [(0.4, 0.5), (0.6, 0.5)])
    wait_for_lines(visitor, 2)
    press(visitor, "Colour by words")
    page.get_by_role("heading", name="Colour by words").wait_for()
    visitor.sees("parts between the lines")


def test_a_drawing_on_paper_comes_onto_the_sheet(visitor: Visitor, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    paper = Image.new("L", (400, 400), 235)
    ImageDraw.Draw(paper).line((50, 50, 350, 350), fill=40, width=7)
    paper.save(tmp_path / "paper.png")
    visitor.page.get_by_text("A drawing on paper").click()
    visitor.page.set_input_files(UPLOADER, tmp_path / "paper.png")
    end = time.monotonic() + PATIENCE / 1000
    while not dark(visitor, 0.5, 0.5):
        assert time.monotonic() < end, "nothing came onto the sheet"
        visitor.page.wait_for_timeout(100)
    visitor.page.keyboard.press("Escape")
    wait_for_lines(visitor, 1)
    assert dark(visitor, 0.1, 0.1)
