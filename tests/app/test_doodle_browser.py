"""The page Doodle to photo in a real browser: drawn by mouse, fingers and keys; named, painted, sent on.

What it does is tried in a window of one size, and how it looks in windows of all.
"""

from __future__ import annotations

import io
import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.app.visiting import PATIENCE, UPLOADER, Visitor, Windows, saved, serving
from tests.html_pages import open_browser
from unprompt.doodles.nouns import one_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# The app with a namer that knows the sample doodles; it takes its time to colour "slowly".
PROGRAM = f"""
import sys
import time
sys.path.insert(0, {str(ROOT)!r})
from tests.sample_namer import SampleNamer
from unprompt.cli import main
from unprompt.colouring.small_paint import ColourPainter
from unprompt.doodles import steps
from unprompt.doodles.paint_drawing import DoodlePainter
namer = SampleNamer()
given = steps.Steps(namer, painter=DoodlePainter(namer=namer))
steps.open_steps = lambda config: given
colour = ColourPainter.colour
def take_time(painter, page, words, *more):
    time.sleep(1.5 if words == "slowly" else 0)
    return colour(painter, page, words, *more)
ColourPainter.colour = take_time
sys.exit(main())
"""
CANVAS = ".paper canvas"
Points = Sequence[tuple[float, float]]  # shares of the sheet's width and height


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("app"), program=PROGRAM) as address:
        yield address


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    with open_browser() as browser:
        yield Windows(browser)


@pytest.fixture
def desktop(windows: Windows, address: str) -> Iterator[Visitor]:
    with windows.visiting(address, "desktop") as one:
        open_sheet(one)
        yield one


@pytest.fixture
def phone(windows: Windows, address: str) -> Iterator[Visitor]:
    with windows.visiting(address, "phone") as one:
        open_sheet(one)
        yield one


def open_sheet(visitor: Visitor) -> None:
    visitor.open("doodle")
    visitor.page.locator(CANVAS).wait_for()


def draw(visitor: Visitor, points: Points, by_mouse: bool = False) -> None:
    """One stroke: by finger on a phone, else by mouse."""
    page = visitor.page
    page.locator(CANVAS).scroll_into_view_if_needed()
    box = page.locator(CANVAS).bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    if by_mouse or page.evaluate("navigator.maxTouchPoints") == 0:
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


def wait_for_ink(visitor: Visitor, x: float, y: float) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while not dark(visitor, x, y):
        assert time.monotonic() < end, "the sheet is empty there"
        visitor.page.wait_for_timeout(50)


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


def test_what_is_drawn_is_named_and_can_be_taken_back(phone: Visitor) -> None:
    page = phone.page
    for _ in phone.at_each_size():
        for control in page.locator(".tools label, .tools button").all():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 44  # for a finger
        box = page.locator(CANVAS).bounding_box()
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["width"] >= min(350, 0.35 * page.viewport_size["width"])
    before = page.evaluate("window.scrollY")
    draw(phone, circle(0.5, 0.5, 0.21))
    for number in range(12):  # rays, faster than the page can answer
        x, y = math.cos(number * math.pi / 6), math.sin(number * math.pi / 6)
        draw(phone, [(0.5 + at * x, 0.5 + at * y) for at in (0.27, 0.33, 0.4)])
    named = page.get_by_role("button", name="sun · ")
    named.wait_for()
    assert page.evaluate("window.scrollY") == before
    wait_for_lines(phone, 13)
    wait_for_text(phone, "What it shows", "a sun")
    assert dark(phone, 0.71, 0.5)
    assert not dark(phone, 0.5, 0.5)
    # Back and forth, and all at once.
    phone.fits(named, *(page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Clear")))
    press(phone, "Undo")
    wait_for_lines(phone, 12)
    press(phone, "Redo")
    wait_for_lines(phone, 13)
    press(phone, "Clear")
    phone.sees("Draw here")
    assert not dark(phone, 0.71, 0.5)
    press(phone, "Undo")
    wait_for_lines(phone, 13)
    page.locator(CANVAS).press("Control+Z")
    wait_for_lines(phone, 12)
    page.locator(CANVAS).press("Control+Shift+Z")
    wait_for_lines(phone, 13)


def test_lines_are_as_wide_as_the_pen_and_the_rubber_cuts_them(desktop: Visitor) -> None:
    page = desktop.page
    page.get_by_role("radio", name="thick pen").check(force=True)
    draw(desktop, [(0.1, 0.3), (0.5, 0.3), (0.9, 0.3)])
    page.get_by_role("radio", name="thin pen").check(force=True)
    draw(desktop, [(0.1, 0.6), (0.5, 0.6), (0.9, 0.6)])
    wait_for_pens(desktop, [30, 6])
    page.get_by_role("radio", name="rubber").check(force=True)
    draw(desktop, [(0.5, 0.5), (0.5, 0.7)])  # across the thin one
    wait_for_pens(desktop, [30, 6, 6])
    assert not dark(desktop, 0.5, 0.6)
    assert dark(desktop, 0.4, 0.6)
    assert dark(desktop, 0.5, 0.3)
    draw(desktop, [(0.05, 0.3), (0.95, 0.3)])  # along the thick one
    wait_for_lines(desktop, 2)
    press(desktop, "Undo")
    press(desktop, "Undo")
    wait_for_pens(desktop, [30, 6])


def test_a_dot_is_a_stroke_nothing_leaves_the_sheet_and_it_can_be_drawn_by_keys(phone: Visitor) -> None:
    for by_mouse in (False, True):
        draw(phone, [(0.5, 0.5)], by_mouse)
        draw(phone, [(0.9, 0.9), (1.05, 1.02)], by_mouse)
    found = [path for _, path in wait_for_lines(phone, 4)]
    assert all(dot.startswith("M500 500L") for dot in found[::2])
    assert all(other.endswith("L1000 1000") for other in found[1::2])
    canvas = phone.page.locator(CANVAS)
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
    assert phone.page.locator(".aim").is_visible()
    assert wait_for_lines(phone, 5)[-1] == (14, "M480 480Q500 480 510 480Q520 480 520 490L520 500")
    canvas.focus()
    draw(phone, [(0.1, 0.1), (0.2, 0.2)], by_mouse=True)
    assert not phone.page.locator(".aim").is_visible()


def test_a_sample_is_named_corrected_painted_and_gone_back_to(desktop: Visitor) -> None:
    pytest.importorskip("resvg_py")
    page = desktop.page
    draw(desktop, [(0.1, 0.1), (0.2, 0.2)])
    page.get_by_role("button", name="Cat", exact=True).click()
    guesses = page.locator(".st-key-doodle-guesses button")
    wait_for_text(desktop, "What it shows", "a cat")
    desktop.settle()
    assert guesses.count() == 5
    desktop.fits(guesses.first, guesses.last)
    guesses.nth(1).click()
    chosen = guesses.nth(1).inner_text().partition(" ·")[0]
    wait_for_text(desktop, "What it shows", one_of(chosen))
    desktop.settle()
    caption = page.get_by_label("What it shows")
    caption.fill("a cat beside a house")
    caption.press("Enter")
    wait_for_text(desktop, "Prompt", "A photo of a cat beside a house")
    page.locator('[class*="st-key-doodle-variants"]').get_by_text("2", exact=True).click()
    desktop.settle()
    desktop.fits(caption, page.get_by_role("button", name="Paint", exact=True))
    press(desktop, "Paint")
    page.get_by_role("button", name="Picture", exact=True).wait_for()
    desktop.settle()
    first = saved(desktop, "Picture")
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (512, 512)
    second = page.get_by_role("button", name="variant 2")
    desktop.fits(second)
    second.click()
    page.locator('.thumbs button[title="variant 2"][aria-pressed="true"]').wait_for()
    desktop.settle()
    assert saved(desktop, "Picture") != first
    # A second painting, and back to the first with its drawing and words.
    page.get_by_role("button", name="House", exact=True).click()
    wait_for_text(desktop, "What it shows", "a house")
    desktop.settle()
    press(desktop, "Paint")
    desktop.sees("So far")
    desktop.settle()
    page.locator(".st-key-doodle-history, .thumbs").last.get_by_role("button").last.click()
    wait_for_text(desktop, "Prompt", "A photo of a cat beside a house")
    wait_for_lines(desktop, 15)  # the cat's
    # What the sheet showed before each sample can be undone to.
    for _ in range(3):
        press(desktop, "Undo")
    wait_for_lines(desktop, 1)


def test_a_sample_that_is_clicked_twice_is_undone_at_once(desktop: Visitor) -> None:
    sample = desktop.page.get_by_role("button", name="Cat", exact=True)
    for _ in range(2):
        sample.click()
        desktop.page.wait_for_timeout(1500)  # the second looks as the first: nothing shows that it has come
        desktop.settle()
        wait_for_lines(desktop, 15)
    press(desktop, "Undo")
    desktop.sees("Draw here")
    press(desktop, "Redo")
    wait_for_lines(desktop, 15)


def test_the_drawing_is_there_after_another_page_and_is_sent_to_be_coloured(phone: Visitor) -> None:
    page = phone.page
    draw(phone, [*circle(0.5, 0.5, 0.3)])
    wait_for_lines(phone, 1)
    phone.follow("Compare")
    phone.follow("Doodle to photo")
    page.locator(CANVAS).wait_for()
    wait_for_lines(phone, 1)
    wait_for_ink(phone, 0.8, 0.5)
    draw(phone, [(0.4, 0.5), (0.6, 0.5)])
    wait_for_lines(phone, 2)
    phone.fits(page.get_by_role("button", name="Colour by words", exact=True))
    press(phone, "Colour by words")
    page.get_by_role("heading", name="Colour by words").wait_for()
    phone.sees("parts between the lines")
    phone.settle()
    # A crayon stays chosen, and where it is, however long it takes to colour.
    crayon, words = (
        page.get_by_role("radio", name="purple"),
        page.get_by_label("What shall have which colour?"),
    )

    def below_words() -> float:
        return float(page.locator(".easel .box").bounding_box()["y"] - words.bounding_box()["y"])

    crayon.check(force=True)
    before = below_words()
    words.fill("slowly")
    page.get_by_role("button", name="Colour", exact=True).click()
    page.get_by_text("Colouring.").wait_for()
    assert below_words() == pytest.approx(before, abs=1)
    page.get_by_text("Colouring.").wait_for(state="hidden")
    phone.settle()
    assert crayon.is_checked()


def test_the_drawing_is_there_after_the_page_was_loaded_again(
    desktop: Visitor, windows: Windows, address: str
) -> None:
    draw(desktop, circle(0.5, 0.5, 0.3))
    draw(desktop, [(0.4, 0.5), (0.6, 0.5)])
    before = wait_for_lines(desktop, 2)
    desktop.page.reload()
    wait_for_ink(desktop, 0.8, 0.5)
    assert wait_for_lines(desktop, 2) == before
    draw(desktop, [(0.1, 0.1), (0.2, 0.2)])
    wait_for_lines(desktop, 3)
    with windows.visiting(address, "desktop") as other:
        open_sheet(other)
        other.sees("Draw here")
    press(desktop, "Clear")
    desktop.sees("Draw here")
    desktop.settle()
    desktop.page.reload()
    desktop.sees("Draw here")


def test_a_drawing_on_paper_comes_onto_the_sheet(desktop: Visitor, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    paper = Image.new("L", (400, 400), 235)
    ImageDraw.Draw(paper).line((50, 50, 350, 350), fill=40, width=7)
    paper.save(tmp_path / "paper.png")
    given = desktop.page.get_by_text("A drawing on paper")
    desktop.fits(given)
    given.click()
    desktop.page.set_input_files(UPLOADER, tmp_path / "paper.png")
    wait_for_ink(desktop, 0.5, 0.5)
    desktop.page.keyboard.press("Escape")
    wait_for_lines(desktop, 1)
    assert dark(desktop, 0.1, 0.1)
