"""The web app in a real browser: every page, two visitors, pasting, nothing asked of the network."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.app.visiting import PATIENCE, SIZES, UPLOADER, Visitor, saved, serving, visiting
from tests.html_pages import open_browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    arguments = ["--root", str(scenes), "--known", str(scenes / "prompts.csv"), "--limit-mb", "1"]
    with serving(tmp_path_factory.mktemp("app"), arguments) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(params=SIZES)
def visitor(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    with visiting(browser, address, request.param) as one:
        yield one


def test_captions(visitor: Visitor, scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    visitor.open("caption")
    visitor.check()
    visitor.page.set_input_files(UPLOADER, [scenes / "images" / "scene-01.png", tmp_path / "bad.png"])
    visitor.sees("cannot be used: not a PNG")
    visitor.sees("Labels, not captions")
    visitor.page.get_by_role("button", name="Take a sample").click()
    visitor.sees("Download")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Download").click()
    assert (
        Path(download.value.path())
        .read_text()
        .startswith("file,caption,short,plain,social,model,captioned\n")
    )


def test_the_prompt_and_an_edit_of_it(visitor: Visitor, scenes: Path) -> None:
    visitor.open("")
    visitor.page.set_input_files(UPLOADER, scenes / "images" / "scene-02.png")
    visitor.sees("Your own words")
    visitor.sees("Nearest known prompts")
    visitor.settle()
    copy = visitor.page.get_by_role("button", name="Copy: Recovered prompt")
    assert copy.bounding_box()["height"] >= 44  # for a finger
    visitor.page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(); }"
    )  # without https
    copy.click()
    visitor.page.get_by_role("status").get_by_text("Copied", exact=True).wait_for()  # the button says it too
    text = visitor.page.locator(".copyable .text").first.inner_text()
    visitor.page.locator('input[type="text"]').fill("")
    visitor.page.locator('input[type="text"]').press("Control+V")
    assert visitor.page.locator('input[type="text"]').input_value() == text
    visitor.page.locator('input[type="text"]').fill("a hammer on a white background")
    visitor.sees("the recovered prompt")
    visitor.page.get_by_role("button", name="Keep this wording").click()
    visitor.sees("Wordings so far")


def test_a_comparison(visitor: Visitor) -> None:
    visitor.open("compare")
    for taken in range(2):  # the first side's button has then another name
        visitor.page.get_by_role("button", name="Take a sample").first.click()
        visitor.page.get_by_role("button", name="Take another sample").nth(taken).wait_for()
    visitor.sees("two unrelated prompts")
    visitor.page.get_by_text("What the members say").click()
    visitor.sees("by all members together")
    visitor.sees("with sample pictures")
    visitor.sees("Only in the second")


def test_a_run_of_one_is_seen_by_another(visitor: Visitor, browser: Any, address: str) -> None:
    visitor.open("run")
    visitor.page.locator('[data-testid="stSelectbox"] input').click()
    visitor.page.get_by_role("option", name="images").click()
    visitor.page.get_by_role("button", name="Begin").click()
    visitor.page.get_by_role("button", name="Cancel").first.wait_for()
    seen = visitor.page.get_by_role("button", name="Submission").count()  # of earlier runs
    context = browser.new_context()
    other = Visitor(context.new_page(), address)
    other.open("run")
    other.page.get_by_role("button", name="Submission").first.wait_for()
    other.check()
    context.close()
    # A page that is drawn anew ends its downloads, so not before this run is over.
    visitor.page.get_by_role("button", name="Submission").nth(seen).wait_for()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Submission").first.click()
    assert Path(download.value.path()).read_text().startswith("imgId_eId,val\nscene-01_0,")
    visitor.page.get_by_text("Show the report").first.click()
    visitor.page.frame_locator("iframe").locator("h1").wait_for()


SLIDER = ".slider"
PREVIEW = f"{SLIDER} img:nth-child(2)"  # the page, which lies over its picture


def ink_shown(visitor: Visitor) -> float:
    """The share of the first preview's pixels that are dark."""
    address = visitor.page.locator(PREVIEW).first.get_attribute("src")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        return float(np.mean(np.asarray(image.convert("L")) < 128))


def wait_for_another(visitor: Visitor, address: str) -> None:
    """Wait until the first preview is another picture than that at `address`."""
    from playwright.sync_api import expect

    expect(visitor.page.locator(PREVIEW).first).not_to_have_attribute("src", address, timeout=PATIENCE)


def test_a_picture_becomes_a_page_to_colour(visitor: Visitor, scenes: Path) -> None:
    visitor.open("colour")
    visitor.check()
    visitor.page.set_input_files(UPLOADER, scenes / "images" / "scene-01.png")
    visitor.page.locator(SLIDER).wait_for()
    visitor.settle()
    thin, page = ink_shown(visitor), visitor.page.locator(PREVIEW)
    assert 0 < thin < 0.5
    # Wider lines: the same page with more ink.
    before = page.get_attribute("src")
    visitor.page.locator(".st-key-colour-width input").press("End")
    wait_for_another(visitor, before)
    visitor.settle()
    assert ink_shown(visitor) > 1.5 * thin
    # Another detail: another page.
    before = page.get_attribute("src")
    visitor.page.get_by_text("high", exact=True).click()
    wait_for_another(visitor, before)
    visitor.settle()
    # The handle: what is left of it is the picture, what is right of it the page.
    handle = visitor.page.get_by_label("Move between the picture and its page")
    box = handle.bounding_box()
    assert box["height"] >= 44  # for a finger
    handle.click(position={"x": box["width"] * 0.8, "y": box["height"] / 2})
    at = float(handle.input_value())
    assert 70 < at < 90
    assert page.evaluate("one => one.style.clipPath") == f"inset(0px 0px 0px {at:g}%)"
    handle.press("ArrowLeft")
    assert float(handle.input_value()) == at - 1
    pdf = saved(visitor, "PDF")
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page ") == 1
    assert saved(visitor, "SVG").startswith(b"<svg")
    assert saved(visitor, "PNG").startswith(b"\x89PNG")


def test_pictures_become_a_booklet(visitor: Visitor, scenes: Path) -> None:
    visitor.open("colour")
    files = [scenes / "images" / f"scene-0{number}.png" for number in (1, 2)]
    visitor.page.set_input_files(UPLOADER, files)
    visitor.sees("Booklet of 2 pages")
    visitor.settle()
    booklet = saved(visitor, "Booklet of 2 pages (.pdf)")
    assert booklet.startswith(b"%PDF-")
    assert booklet.count(b"/Type /Page ") == 3  # with its cover
    visitor.page.get_by_text("By numbers").click()
    visitor.sees("Booklet of 2 pages without numbers")
    visitor.sees("Its colours")


@pytest.mark.parametrize("size", [(1, 1), (2000, 20), (1, 3000)], ids=["dot", "wide", "tall"])
def test_pictures_of_odd_shapes_become_pages_that_can_be_looked_at(
    visitor: Visitor, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "odd.png")
    visitor.open("colour")
    visitor.page.set_input_files(UPLOADER, tmp_path / "odd.png")
    visitor.sees("Nothing to draw was found")
    visitor.settle()
    shown = visitor.page.locator(SLIDER).bounding_box()
    assert 44 <= shown["height"] <= 2.1 * shown["width"]


@pytest.mark.parametrize(("path", "comes"), [("", "Recovered prompt"), ("colour", "On paper")])
def test_a_picture_can_be_pasted(browser: Any, address: str, scenes: Path, path: str, comes: str) -> None:
    from playwright.sync_api import TimeoutError as TookTooLongError

    context = browser.new_context()
    visitor = Visitor(context.new_page(), address)
    visitor.open(path)
    content = base64.b64encode((scenes / "images" / "scene-03.png").read_bytes()).decode()
    paste = """content => {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
        document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }"""
    pasted = visitor.page.get_by_text("pasted.png").first
    for _ in range(PATIENCE // 5000):  # the page's scripts may come after the page
        visitor.page.evaluate(paste, content)
        with suppress(TookTooLongError):
            pasted.wait_for(timeout=5000)
            break
    visitor.sees(comes)
    visitor.check()
    context.close()


SHEET = ".sheet img"


def shown_at(visitor: Visitor, x: float, y: float) -> tuple[int, ...]:
    """The colour of the picture that is tapped, at shares of its width and height."""
    address = visitor.page.locator(SHEET).get_attribute("src")
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        rgb = image.convert("RGB")
        return tuple(rgb.getpixel((int(x * rgb.width), int(y * rgb.height))))


def tap(visitor: Visitor, x: float, y: float) -> None:
    """Tap the picture, by finger on a phone."""
    box = visitor.page.locator(SHEET).bounding_box()
    at = {"x": x * box["width"], "y": y * box["height"]}
    by_finger = visitor.page.evaluate("navigator.maxTouchPoints") > 0
    (visitor.page.locator(SHEET).tap if by_finger else visitor.page.locator(SHEET).click)(position=at)


def wait_for_colour(visitor: Visitor, x: float, y: float, colour: tuple[int, ...]) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while shown_at(visitor, x, y) != colour:
        assert time.monotonic() < end, f"{shown_at(visitor, x, y)}, not {colour}"
        visitor.page.wait_for_timeout(50)


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Line art: two boxes beside each other."""
    image = Image.new("L", (480, 320), 255)
    for left in (40, 260):
        ImageDraw.Draw(image).rectangle((left, 40, left + 180, 280), outline=0, width=8)
    image.save(tmp_path / "boxes.png")
    return tmp_path / "boxes.png"


LEFT, RIGHT = (0.25, 0.5), (0.75, 0.5)
PURPLE, MIXED = (0x7E, 0x1E, 0x9C), (0x12, 0x34, 0x56)


def take_crayon(visitor: Visitor, name: str) -> None:
    """Choose a crayon; a page that is drawn anew at that very moment is clicked once more."""
    crayon = visitor.page.get_by_role("radio", name=name)
    crayon.click(force=True)
    visitor.page.wait_for_timeout(100)
    if not crayon.is_checked():
        visitor.settle()
        crayon.check(force=True)


def test_line_art_is_coloured_by_words_and_by_taps(visitor: Visitor, boxes: Path) -> None:
    page = visitor.page
    visitor.open("words")
    visitor.check()
    page.set_input_files(UPLOADER, boxes)
    visitor.sees("3 parts between the lines")
    page.get_by_label("What shall have which colour?").fill("a #226688 box")
    page.get_by_role("button", name="Colour", exact=True).click()
    visitor.sees("Understood")
    visitor.settle()
    before = shown_at(visitor, *RIGHT)
    # Crayons and the picture are large enough for fingers.
    for crayon in page.locator(".crayon:visible").all():
        box = crayon.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    assert page.locator(SHEET).bounding_box()["width"] >= min(350, 0.4 * page.viewport_size["width"])
    take_crayon(visitor, "purple")
    tap(visitor, *LEFT)
    wait_for_colour(visitor, *LEFT, PURPLE)
    assert shown_at(visitor, *RIGHT) == before
    # A colour of one's own, and two taps at once, of which none is lost.
    page.get_by_label("another colour").fill("#123456")
    tap(visitor, *RIGHT)
    tap(visitor, *LEFT)
    wait_for_colour(visitor, *RIGHT, MIXED)
    wait_for_colour(visitor, *LEFT, MIXED)
    visitor.settle()
    page.get_by_role("button", name="Undo").click()
    wait_for_colour(visitor, *LEFT, PURPLE)
    visitor.settle()
    page.get_by_role("button", name="Redo").click()
    wait_for_colour(visitor, *LEFT, MIXED)
    # By keys: the aim is in the middle, outside the boxes.
    take_crayon(visitor, "paper")
    sheet = page.locator(".sheet")
    sheet.focus()
    for _ in range(10):
        sheet.press("ArrowLeft")
    sheet.press("Enter")
    wait_for_colour(visitor, 0.3, 0.5, (255, 255, 255))
    visitor.settle()
    assert saved(visitor, "SVG").startswith(b"<svg")
    with Image.open(io.BytesIO(saved(visitor, "Transparent PNG"))) as image:
        assert image.mode == "RGBA"
        assert image.getpixel((120, 160))[3] == 0
        assert image.getpixel((360, 160)) == (*MIXED, 255)


def test_one_of_several_is_chosen_and_earlier_ones_are_gone_back_to(visitor: Visitor, boxes: Path) -> None:
    page = visitor.page
    visitor.open("words")
    page.set_input_files(UPLOADER, boxes)
    visitor.sees("3 parts between the lines")
    visitor.settle()
    take_crayon(visitor, "purple")
    tap(visitor, *LEFT)
    wait_for_colour(visitor, *LEFT, PURPLE)
    visitor.settle()
    page.get_by_text("4", exact=True).click()
    variants = page.locator(".thumbs").first.get_by_role("button")
    variants.nth(3).wait_for()
    assert variants.first.bounding_box()["height"] >= 44
    variants.nth(2).click()
    page.locator('.thumbs button[title="variant 3"][aria-pressed="true"]').wait_for()
    visitor.sees("So far")
    # The first work is as it was left.
    page.locator(".thumbs").last.get_by_role("button").last.click()
    wait_for_colour(visitor, *LEFT, PURPLE)


def test_a_colouring_page_is_coloured_by_words(visitor: Visitor, scenes: Path) -> None:
    visitor.open("colour")
    visitor.page.set_input_files(UPLOADER, scenes / "images" / "scene-01.png")
    visitor.page.get_by_role("button", name="Colour this page by words").click()
    visitor.sees("parts between the lines")
    visitor.page.locator(SHEET).wait_for()


@pytest.mark.parametrize("size", [(1, 1), (2000, 20), (1, 3000)], ids=["dot", "wide", "tall"])
def test_line_art_of_odd_shapes_can_be_looked_at(
    visitor: Visitor, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, "white").save(tmp_path / "odd.png")
    visitor.open("words")
    visitor.page.set_input_files(UPLOADER, tmp_path / "odd.png")
    visitor.sees("The picture is blank")
    visitor.settle()
    shown = visitor.page.locator(SHEET).bounding_box()
    assert 44 <= shown["height"] <= 4 * shown["width"]
