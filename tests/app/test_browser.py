"""The web app in a real browser: every page, two visitors, pasting, nothing asked of the network.

What a page does is tried in a window of one size, by mouse or by finger, and how it looks in windows of all.
"""

from __future__ import annotations

import base64
import io
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.app.visiting import PATIENCE, UPLOADER, Visitor, Windows, saved, serving
from tests.html_pages import open_browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("root")
    (root / "images").mkdir()
    for number in range(1, 5):
        shutil.copy(picture(scenes, number), root / "images")
    arguments = ["--root", str(root), "--known", str(scenes / "prompts.csv"), "--limit-mb", "1"]
    with serving(tmp_path_factory.mktemp("app"), arguments) as address:
        yield address


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    with open_browser() as browser:
        yield Windows(browser)


@pytest.fixture
def desktop(windows: Windows, address: str) -> Iterator[Visitor]:
    with windows.visiting(address, "desktop") as one:
        yield one


@pytest.fixture
def phone(windows: Windows, address: str) -> Iterator[Visitor]:
    with windows.visiting(address, "phone") as one:
        yield one


def picture(scenes: Path, number: int) -> Path:
    return scenes / "images" / f"scene-{number:02d}.png"


def test_captions(phone: Visitor, scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    phone.open("caption")
    sample = phone.page.get_by_role("button", name="Take a sample")
    phone.fits(sample)
    phone.page.set_input_files(UPLOADER, [picture(scenes, 1), tmp_path / "bad.png"])
    phone.sees("cannot be used: not a PNG")
    phone.sees("Labels, not captions")
    sample.click()
    download = phone.page.get_by_role("button", name="Download")
    download.wait_for()
    phone.settle()
    phone.fits(download)
    with phone.page.expect_download() as coming:
        download.click()
    table = Path(coming.value.path()).read_text()
    assert table.startswith("file,caption,short,plain,social,model,captioned\n")


def test_pictures_are_there_after_the_page_was_loaded_again(
    phone: Visitor, windows: Windows, address: str, scenes: Path
) -> None:
    phone.open("caption")
    phone.page.set_input_files(UPLOADER, picture(scenes, 1))
    phone.sees("Download as CSV")
    phone.settle()
    phone.page.reload()
    phone.sees("Download as CSV")
    phone.settle()
    phone.fits(phone.page.get_by_role("button", name="Remove scene-01.png"))
    with windows.visiting(address, "phone") as other:
        other.open("caption")
        other.sees("Upload, paste or drop pictures")
    phone.page.get_by_role("button", name="Remove scene-01.png").click()
    phone.sees("Upload, paste or drop pictures")
    phone.settle()
    phone.page.reload()
    phone.sees("Upload, paste or drop pictures")


def test_the_prompt_and_an_edit_of_it(desktop: Visitor, scenes: Path) -> None:
    page = desktop.page
    desktop.open("")
    page.set_input_files(UPLOADER, picture(scenes, 2))
    desktop.sees("Your own words")
    desktop.sees("Nearest known prompts")
    desktop.settle()
    copy = page.get_by_role("button", name="Copy: Recovered prompt")
    words = page.locator('input[type="text"]')
    for _ in desktop.at_each_size():
        assert copy.bounding_box()["height"] >= 44  # for a finger
        copy.click(trial=True)
        words.click(trial=True)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")  # without https
    copy.click()
    page.get_by_role("status").get_by_text("Copied", exact=True).wait_for()  # the button says it too
    text = page.locator(".copyable .text").first.inner_text()
    words.fill("")
    words.press("Control+V")
    assert words.input_value() == text
    words.fill("a hammer on a white background")
    desktop.sees("the recovered prompt")
    keep = page.get_by_role("button", name="Keep this wording")
    keep.wait_for()
    desktop.fits(keep)
    keep.click()
    desktop.sees("Wordings so far")


def test_the_first_page_has_an_address_like_the_others(desktop: Visitor) -> None:
    desktop.open("prompt")
    desktop.sees("Which prompts may have made these pictures?")
    assert desktop.page.get_by_text("Page not found").count() == 0
    desktop.page.wait_for_function("document.title === 'Prompt · unprompt'")
    desktop.follow("Caption")
    desktop.page.wait_for_function("document.title === 'Caption · unprompt'")
    desktop.follow("Prompt")


def test_a_comparison(phone: Visitor) -> None:
    phone.open("compare")
    take = phone.page.get_by_role("button", name="Take a sample")
    phone.fits(take.first, take.last)
    for taken in range(2):  # the first side's button has then another name
        take.first.click()
        phone.page.get_by_role("button", name="Take another sample").nth(taken).wait_for()
    phone.sees("two unrelated prompts")
    members = phone.page.get_by_text("What the members say")
    phone.fits(members)
    members.click()
    phone.sees("by all members together")
    phone.sees("with sample pictures")
    phone.sees("Only in the second")


def test_a_run_of_one_is_seen_by_another(desktop: Visitor, windows: Windows, address: str) -> None:
    page = desktop.page
    desktop.open("run")
    desktop.fits(page.locator('[data-testid="stSelectbox"] input'))
    page.locator('[data-testid="stSelectbox"] input').click()
    page.get_by_role("option", name="images").click()
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Cancel").first.wait_for()
    with windows.visiting(address, "phone") as other:
        other.open("run")
        other.page.get_by_role("button", name="Submission").wait_for()
    # A page that is drawn anew ends its downloads, so not before this run is over.
    submission = page.get_by_role("button", name="Submission")
    submission.wait_for()
    desktop.settle()
    desktop.fits(submission)
    with page.expect_download() as download:
        submission.click()
    assert Path(download.value.path()).read_text().startswith("imgId_eId,val\nscene-01_0,")
    page.get_by_text("Show the report").first.click()
    page.frame_locator("iframe").locator("h1").wait_for()


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


def test_a_picture_becomes_a_page_to_colour_on_paper_or_by_words(phone: Visitor, scenes: Path) -> None:
    phone.open("colour")
    phone.fits()
    phone.page.set_input_files(UPLOADER, picture(scenes, 1))
    phone.page.locator(SLIDER).wait_for()
    phone.settle()
    thin, page = ink_shown(phone), phone.page.locator(PREVIEW)
    assert 0 < thin < 0.5
    # Wider lines: the same page with more ink.
    before = page.get_attribute("src")
    phone.page.locator(".st-key-colour-width input").press("End")
    wait_for_another(phone, before)
    phone.settle()
    assert ink_shown(phone) > 1.5 * thin
    # Another detail: another page.
    before = page.get_attribute("src")
    phone.page.get_by_text("high", exact=True).click()
    wait_for_another(phone, before)
    phone.settle()
    # The handle: what is left of it is the picture, what is right of it the page.
    handle = phone.page.get_by_label("Move between the picture and its page")
    for _ in phone.at_each_size():
        box = handle.bounding_box()
        assert box["height"] >= 44  # for a finger
        handle.click(position={"x": box["width"] * 0.8, "y": box["height"] / 2})
        at = float(handle.input_value())
        assert 70 < at < 90
        assert page.evaluate("one => one.style.clipPath") == f"inset(0px 0px 0px {at:g}%)"
        handle.press("ArrowLeft")
        assert float(handle.input_value()) == at - 1
        handle.press("Home")
    by_words = phone.page.get_by_role("button", name="Colour this page by words")
    phone.fits(by_words)
    pdf = saved(phone, "PDF")
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page ") == 1
    assert saved(phone, "SVG").startswith(b"<svg")
    assert saved(phone, "PNG").startswith(b"\x89PNG")
    by_words.click()
    phone.sees("parts between the lines")
    phone.page.locator(SHEET).wait_for()


def test_pictures_become_a_booklet(desktop: Visitor, tmp_path: Path) -> None:
    for name in ("red", "blue"):
        image = Image.new("RGB", (160, 120), "white")
        ImageDraw.Draw(image).rectangle((30, 20, 120, 90), name, "black", 4)
        image.save(tmp_path / f"{name}.png")
    desktop.open("colour")
    desktop.page.set_input_files(UPLOADER, sorted(tmp_path.iterdir()))
    desktop.sees("Booklet of 2 pages")
    desktop.settle()
    numbers = desktop.page.get_by_text("By numbers")
    desktop.fits(numbers, desktop.page.get_by_role("button", name="Booklet of 2 pages"))
    booklet = saved(desktop, "Booklet of 2 pages (.pdf)")
    assert booklet.startswith(b"%PDF-")
    assert booklet.count(b"/Type /Page ") == 3  # with its cover
    numbers.click()
    desktop.sees("Booklet of 2 pages without numbers")
    desktop.sees("Its colours")


ODD_SHAPES = {"dot": (1, 1), "wide": (2000, 20), "tall": (1, 3000)}


def odd_pictures(folder: Path, colour: str) -> list[Path]:
    """A picture of each of the odd shapes, with its name."""
    for name, size in ODD_SHAPES.items():
        Image.new("RGB", size, colour).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in ODD_SHAPES]


def test_pictures_of_odd_shapes_become_pages_that_can_be_looked_at(desktop: Visitor, tmp_path: Path) -> None:
    desktop.open("colour")
    desktop.page.set_input_files(UPLOADER, odd_pictures(tmp_path, "red"))
    sliders = desktop.page.locator(SLIDER)
    sliders.nth(2).wait_for()
    desktop.settle()
    assert desktop.page.get_by_text("Nothing to draw was found").count() == 3
    for _ in desktop.at_each_size():
        for slider in sliders.all():
            shown = slider.bounding_box()
            assert 44 <= shown["height"] <= 2.1 * shown["width"]


def test_a_picture_can_be_pasted(desktop: Visitor, scenes: Path) -> None:
    from playwright.sync_api import TimeoutError as TookTooLongError

    content = base64.b64encode(picture(scenes, 3).read_bytes()).decode()
    paste = """content => {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
        document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }"""
    pasted = desktop.page.get_by_text("pasted.png").first

    def paste_it() -> None:
        for _ in range(PATIENCE // 5000):  # the page's scripts may come after the page
            desktop.page.evaluate(paste, content)
            with suppress(TookTooLongError):
                pasted.wait_for(timeout=5000)
                return

    desktop.open("")
    paste_it()
    desktop.sees("Recovered prompt")
    desktop.settle()
    desktop.fits()
    desktop.follow("Colouring pages")
    assert not pasted.is_visible()
    paste_it()
    desktop.sees("On paper")


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
    visitor.page.get_by_role("radio", name=name).check(force=True)


def test_line_art_is_coloured_by_words_and_by_taps(desktop: Visitor, boxes: Path) -> None:
    page = desktop.page
    desktop.open("words")
    desktop.fits()
    page.set_input_files(UPLOADER, boxes)
    desktop.sees("3 parts between the lines")
    page.get_by_label("What shall have which colour?").fill("a #226688 box")
    page.get_by_role("button", name="Colour", exact=True).click()
    desktop.sees("Understood")
    desktop.settle()
    before = shown_at(desktop, *RIGHT)
    # Crayons and the picture are large enough for fingers.
    for _ in desktop.at_each_size():
        for crayon in page.locator(".crayon:visible").all():
            box = crayon.bounding_box()
            assert min(box["width"], box["height"]) >= 44
        assert page.locator(SHEET).bounding_box()["width"] >= min(350, 0.4 * page.viewport_size["width"])
    take_crayon(desktop, "purple")
    tap(desktop, *LEFT)
    wait_for_colour(desktop, *LEFT, PURPLE)
    assert shown_at(desktop, *RIGHT) == before
    # A colour of one's own, and two taps at once, of which none is lost.
    page.get_by_label("another colour").fill("#123456")
    tap(desktop, *RIGHT)
    tap(desktop, *LEFT)
    wait_for_colour(desktop, *RIGHT, MIXED)
    wait_for_colour(desktop, *LEFT, MIXED)
    desktop.settle()
    undo, redo = (page.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    desktop.fits(undo)
    undo.click()
    wait_for_colour(desktop, *LEFT, PURPLE)
    desktop.settle()
    desktop.fits(redo)
    redo.click()
    wait_for_colour(desktop, *LEFT, MIXED)
    # By keys: the aim is in the middle, outside the boxes.
    take_crayon(desktop, "paper")
    sheet = page.locator(".sheet")
    sheet.focus()
    for _ in range(10):
        sheet.press("ArrowLeft")
    sheet.press("Enter")
    wait_for_colour(desktop, 0.3, 0.5, (255, 255, 255))
    desktop.settle()
    assert saved(desktop, "SVG").startswith(b"<svg")
    with Image.open(io.BytesIO(saved(desktop, "Transparent PNG"))) as image:
        assert image.mode == "RGBA"
        assert image.getpixel((120, 160))[3] == 0
        assert image.getpixel((360, 160)) == (*MIXED, 255)


def test_one_of_several_is_chosen_and_earlier_ones_are_gone_back_to(phone: Visitor, boxes: Path) -> None:
    page = phone.page
    phone.open("words")
    page.set_input_files(UPLOADER, boxes)
    phone.sees("3 parts between the lines")
    phone.settle()
    take_crayon(phone, "purple")
    tap(phone, *RIGHT)
    tap(phone, *LEFT)
    for place in (RIGHT, LEFT):
        wait_for_colour(phone, *place, PURPLE)
    phone.settle()
    page.get_by_text("4", exact=True).click()
    variants = page.locator(".thumbs").first.get_by_role("button")
    variants.nth(3).wait_for()
    phone.settle()
    for _ in phone.at_each_size():
        assert variants.first.bounding_box()["height"] >= 44
        variants.nth(2).click(trial=True)
    variants.nth(2).click()
    page.locator('.thumbs button[title="variant 3"][aria-pressed="true"]').wait_for()
    phone.sees("So far")
    # The first work is as it was left.
    page.locator(".thumbs").last.get_by_role("button").last.click()
    wait_for_colour(phone, *LEFT, PURPLE)


def test_line_art_of_odd_shapes_can_be_looked_at(phone: Visitor, tmp_path: Path) -> None:
    phone.open("words")
    for path in odd_pictures(tmp_path, "white"):
        phone.page.set_input_files(UPLOADER, path)
        phone.page.get_by_alt_text(f"{path.stem} in colour").wait_for()
        phone.sees("The picture is blank")
        phone.settle()
        for _ in phone.at_each_size():
            shown = phone.page.locator(SHEET).bounding_box()
            assert 44 <= shown["height"] <= 4 * shown["width"]
