"""Pictures -> pages to print and colour: detail and line width with a preview, files, a booklet of all."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.app.easel import easel_of
from unprompt.app.looks import empty, head, note, plain, trouble
from unprompt.app.picture_inputs import Picture, pick_pictures
from unprompt.app.settings import current_settings
from unprompt.colouring_pages.page_config import AUTOMATIC, DETAILS, PageConfig
from unprompt.colouring_pages.paper_config import ORIGINALS, PAPERS, NumbersConfig, PaperConfig
from unprompt.errors import UnpromptError
from unprompt.serving.uploads import Upload, open_upload
from unprompt.storage.images import encode_png
from unprompt.text.english import counted

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.colouring_pages.drawing import LineDrawing
    from unprompt.colouring_pages.extract import LineFinder
    from unprompt.colouring_pages.page import Page
    from unprompt.colouring_pages.sheet import Sheet

SLIDER = Path(__file__).with_name("slider.js")
SLIDER_STYLE = Path(__file__).with_name("slider.css")
PREVIEW = 1200  # pixels of the longer side of a preview
PAPER_NAMES = {"a4": "A4", "letter": "Letter"}
MIMES = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
SMALL_DPI, SMALL = 60, 190  # of a sheet's preview: dots an inch, and pixels that it is shown wide
SENT, SENT_LINE = 1200, 6  # pixels of the longer side and of lines, of what goes to the page Colour by words
KEPT = 60  # pages that the server keeps


@st.cache_resource(show_spinner=False)
def _extractor(detail: str) -> LineFinder:
    from unprompt.colouring_pages.extract import open_extractor

    return open_extractor(PageConfig(detail=detail, device=current_settings().device))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _page(digest: str, detail: str, _picture: Picture) -> Page:
    """A picture's page, made once for the same bytes, which `digest` stands for."""
    from unprompt.colouring_pages.page import draw_page

    with open_upload(_picture.upload, current_settings().limit_mb) as image:
        return draw_page(image, _extractor(detail), detail)


def show() -> None:
    """The page."""
    head("Colouring pages", "Lines of any pictures, to print and colour.")
    pictures = pick_pictures("colour")
    if not pictures:
        empty("Upload, paste or drop pictures, or take a sample.")
        return
    detail, numbers, paper = choose()
    above = st.container()
    pages = []
    for number, picture in enumerate(pictures, start=1):
        with st.spinner(f"Drawing {number} of {counted(len(pictures), 'page')}."):
            try:
                page = _page(picture.digest, detail, picture)
            except UnpromptError as error:
                trouble(f"{picture.name}: {error}")
                continue
        pages.append((picture, page))
        show_page(picture, page, detail, numbers, paper)
    drawn = [page for _, page in pages if not page.is_blank]
    if len(drawn) > 1:
        with above:
            offer_booklet(drawn, paper, numbers)


def choose() -> tuple[str, bool, PaperConfig]:
    """The widgets: detail, whether to number, and the paper."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="colour-settings"):
        detail = st.segmented_control(
            "Detail",
            DETAILS,
            default=PageConfig().detail,
            required=True,
            key="colour-detail",
            persist_state="session",
            help="Low leaves out what is small, for small children.",
        )
        width = st.slider(
            "Lines, mm", 0.3, 2.5, PaperConfig().line_width, 0.1, key="colour-width", width=180,
            persist_state="session",
        )  # fmt: skip
        paper = st.segmented_control(
            "Paper",
            PAPERS,
            default="a4",
            required=True,
            key="colour-paper",
            persist_state="session",
            format_func=PAPER_NAMES.__getitem__,
        )
        numbers = st.toggle(
            "By numbers",
            key="colour-numbers",
            help="Areas numbered, with a palette.",
            persist_state="session",
        )
        original = st.toggle("Small original", key="colour-original", persist_state="session")
        name_line = st.toggle("Name line", key="colour-name", persist_state="session")
    return (
        detail,
        numbers,
        PaperConfig(
            paper=paper, line_width=width, name_line=name_line, original=ORIGINALS[1 if original else 0]
        ),
    )


def show_page(picture: Picture, page: Page, detail: str, numbers: bool, paper: PaperConfig) -> None:
    """One picture: a slider between it and its page, and the files."""
    key = f"colour-{picture.digest}"
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            slide(picture, page, detail, paper, key)
        with right:
            st.caption(plain(f"{picture.name} · {AUTOMATIC[page.method]}"), help=f"Method: {page.method}")
            if page.is_blank:
                note("Nothing to draw was found: the page is blank.")
            with st.spinner("Numbering its areas." if numbers else "Laying it on paper."):
                sheets, why = _sheets(picture.digest, detail, numbers, paper, page)
                small = _small(picture.digest, detail, numbers, paper, sheets)
            if why:
                trouble(why)
            stem = Path(picture.name).stem
            with st.container(horizontal=True):
                for ending, mime in MIMES.items():
                    st.download_button(
                        ending.upper(),
                        partial(_file, sheets, ending, paper.dpi, stem),  # made when it is asked for
                        f"{stem}.{ending}",
                        mime,
                        key=f"{key}-{ending}",
                        on_click="ignore",
                        icon=":material/download:",
                    )
            if st.button("Colour this page by words", key=f"{key}-words", icon=":material/palette:"):
                easel_of(st.session_state).put(drawn_upload(page, f"{stem}.png"), "")
                st.switch_page("words_page.py")
            with st.container(horizontal=True):
                for file, says in zip(small, ("On paper", "Its colours"), strict=False):
                    st.image(file, caption=says, width=SMALL, alt=f"{says}: {picture.name}")


def drawn_upload(page: Page, name: str) -> Upload:
    """A page's lines as if its visitor had uploaded them."""
    width, height = page.drawing.size
    lines = page.drawing.render(max(1, round(SENT * width / max(width, height))), SENT_LINE)
    return Upload.of(name, encode_png(lines))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _sheets(
    digest: str, detail: str, numbers: bool, paper: PaperConfig, _page: Page
) -> tuple[tuple[Sheet, ...], str]:
    """A page on paper, and why it has no numbers: made once for what `digest` and `detail` stand for."""
    return _page.sheets(paper, NumbersConfig() if numbers else None)


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _small(
    digest: str, detail: str, numbers: bool, paper: PaperConfig, _sheets: Sequence[Sheet]
) -> tuple[bytes, ...]:
    """Sheets as small PNG files, made once for what the other arguments stand for."""
    return tuple(encode_png(sheet.render(SMALL_DPI, smooth=True)) for sheet in _sheets)


def _file(sheets: Sequence[Sheet], form: str, dpi: int, title: str) -> bytes:
    from unprompt.colouring_pages.page import encode_sheets

    return encode_sheets(sheets, form, dpi, title)


def slide(picture: Picture, page: Page, detail: str, paper: PaperConfig, key: str) -> None:
    """The picture and its page over each other."""
    width, height = page.drawing.size
    before, after = _previews(picture.digest, detail, paper, page)
    component = st.components.v2.component(
        "unprompt_slider",
        js=SLIDER.read_text(encoding="utf-8"),
        css=SLIDER_STYLE.read_text(encoding="utf-8"),
    )
    component(
        key=f"{key}-slider",
        data={
            "before": before,
            "before_says": picture.name,
            "after": after,
            "after_says": f"Colouring page of {picture.name}",
            "shape": width / height,
        },
    )


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _previews(digest: str, detail: str, paper: PaperConfig, _page: Page) -> tuple[str, str]:
    """A picture and its page, of the same size, as addresses that hold them; made once, as `_small` is."""
    width, height = _page.drawing.size
    pixels = max(1, round(PREVIEW * width / max(width, height)))
    drawn = _page.drawing.render(pixels, paper.line_width * pixels / _printed_width(_page.drawing, paper))
    return _data_url(_page.picture.resize(drawn.size), "JPEG"), _data_url(drawn, "PNG")


def _printed_width(drawing: LineDrawing, paper: PaperConfig) -> float:
    """How wide a whole drawing would be in mm at the scale at which its lines fill a sheet."""
    from unprompt.colouring_pages.paper import frame_of, page_sizes

    frame, rim = frame_of(drawing, paper.trim), 2 * paper.margin
    fitting = (min((x - rim) / frame.width, (y - rim) / frame.height) for x, y in page_sizes(paper))
    return drawing.size[0] * max(fitting)


def _data_url(image: Image.Image, form: str) -> str:
    """An image as an address that holds it."""
    stream = io.BytesIO()
    image.save(stream, form)
    return f"data:image/{form.lower()};base64,{b64encode(stream.getvalue()).decode()}"


def offer_booklet(pages: Sequence[Page], paper: PaperConfig, numbers: bool) -> None:
    """One PDF of all pages, behind a title page; says so where others have numbers, which these have not."""
    from unprompt.colouring_pages.page import make_booklet_pdf

    with st.container(horizontal=True, vertical_alignment="bottom", key="colour-booklet"):
        title = st.text_input(
            "Title of the booklet", "My colouring book", max_chars=60, key="colour-title",
            persist_state="session",
        )  # fmt: skip
        st.download_button(
            f"Booklet of {counted(len(pages), 'page')}{' without numbers' if numbers else ''} (.pdf)",
            partial(make_booklet_pdf, pages, paper, title),
            "booklet.pdf",
            "application/pdf",
            on_click="ignore",
            icon=":material/menu_book:",
        )


show()
