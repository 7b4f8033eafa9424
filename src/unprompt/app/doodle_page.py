"""A drawing -> its name while it is drawn, a caption, a prompt, pictures that follow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.app.canvas import Canvas, lines_of, picture_of, svg_of
from unprompt.app.easel import easel_of
from unprompt.app.held_widgets import held, let_go, take
from unprompt.app.looks import empty, head, label, note, plain, trouble
from unprompt.app.paintings import await_painting, begin, is_painting
from unprompt.app.picture_inputs import say_room
from unprompt.app.settings import current_settings
from unprompt.app.sketchbook import MOST_WORDS, Painting, Sketchbook, Wish, sketchbook_of
from unprompt.app.thumbs import thumbs, url_of
from unprompt.colouring.svg import SUFFIX
from unprompt.demos.paper_drawings import drawing_of
from unprompt.doodles import steps as doodles
from unprompt.doodles.paint_config import FOLLOW, POCKET
from unprompt.doodles.painters import choose_kind
from unprompt.doodles.samples import draw_samples
from unprompt.doodles.steps import Steps
from unprompt.doodles.wording import STYLES
from unprompt.errors import UnpromptError
from unprompt.painting.seeds import SEEDS
from unprompt.serving.uploads import EXTENSIONS, Upload
from unprompt.storage.images import decode_image, encode_png
from unprompt.text.english import counted

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.app.canvas import Line
    from unprompt.doodles.paint_drawing import Painted
    from unprompt.painting.watch import Watch

SCRIPT = Path(__file__).with_name("canvas.js")
LOOKS = Path(__file__).with_name("canvas.css")
SMALL = 192  # pixels of pictures to choose from
TINY = 136  # of a sample
SENT = 1200  # pixels of what goes to the page Colour by words
VARIANTS = (1, 2, 3, 4)
MOST_STEPS = 150
PAINTED, WRONG = "doodle-painted", "doodle-wrong"  # what is painted now, and what went wrong


@st.cache_data(show_spinner=False)
def _samples() -> list[tuple[str, str]]:
    """Small pictures of the samples, and their names."""
    return [
        (url_of(picture_of(lines_of(sample.drawing), 2 * TINY), TINY), name)
        for name, sample in draw_samples().items()
    ]


# --- the page


def show() -> None:
    """The page."""
    head("Doodle to photo", "Draw something. It is named while you draw, and becomes a picture.")
    book = sketchbook_of(st.session_state)
    try:
        steps = doodles.open_steps(current_settings().doodle_paint)
    except UnpromptError as error:
        trouble(str(error))
        return
    pick()
    left, right = st.columns(2, gap="medium")
    with left:
        draw(book)
        book.look(steps)
        guess(book, steps)
        offer_drawing(book)
    with right:
        if book.canvas.is_empty and book.shown is None:
            empty("Draw on the sheet, or take one of the drawings above.")
        else:
            say(book, steps)
            choose(book, steps)
        working = st.container()
        if wrong := st.session_state.pop(WRONG, ""):
            trouble(wrong)
        if book.shown:
            show_painting(book.shown)
        look_back(book)
    take_painting(book, steps, working)


def pick() -> None:
    """Sample drawings."""

    def take(number: int) -> None:
        sample = list(draw_samples().values())[number]
        sketchbook_of(st.session_state).put(lines_of(sample.drawing))

    thumbs("doodle-samples", _samples(), take, strip=True)


def pick_paper() -> None:
    """A drawing on paper, uploaded or photographed."""
    with st.popover("A drawing on paper", icon=":material/photo_camera:"):
        say_room()
        st.file_uploader(
            "A picture of a drawing, or an SVG",
            (*EXTENSIONS, SUFFIX[1:]),
            key="doodle-file",
            max_upload_size=current_settings().limit_mb,
            on_change=partial(_trace, "doodle-file"),
        )
        if st.toggle("Use the camera", key="doodle-camera-on"):
            st.camera_input(
                "Photograph a drawing", key="doodle-camera", on_change=partial(_trace, "doodle-camera")
            )


def _trace(key: str) -> None:
    """Lay what was uploaded or photographed on the sheet."""
    file = st.session_state[key]
    if file is None:
        return
    try:
        drawing = drawing_of(Upload.of(file.name, file.getvalue()), current_settings().limit_mb)
        sketchbook_of(st.session_state).put(lines_of(drawing, fit=True))
    except UnpromptError as error:
        st.session_state[WRONG] = f"{file.name} cannot be used: {error}"


def draw(book: Sketchbook) -> None:
    """The sheet, with its pens."""
    component = st.components.v2.component(
        "unprompt_canvas", js=SCRIPT.read_text(encoding="utf-8"), css=LOOKS.read_text(encoding="utf-8")
    )
    component(
        key="doodle-canvas",
        data={
            "visit": book.visit,
            "sheet": book.canvas.sheet,
            "lines": book.canvas.data(),
            "empty": "Draw here",
            "says": "Sheet to draw on. Arrow keys move, Space puts the pen down and lifts it.",
        },
        on_drawn_change=_take_drawn,
    )


def _take_drawn() -> None:
    book = sketchbook_of(st.session_state)
    book.take(st.session_state["doodle-canvas"]["drawn"])
    if book.canvas.is_empty and book.shown is None:
        let_go("doodle")


def guess(book: Sketchbook, steps: Steps) -> None:
    """What the drawing may be; a word that is chosen is what it is."""
    words = [(one.word, f"{one.word} · {percent(one.probability)}") for one in book.guesses.words]
    chosen = book.chosen
    if chosen and chosen not in dict(words):
        words = [(chosen, chosen), *words]
    with st.container(horizontal=True, gap="xsmall", key="doodle-guesses"):
        if not words:
            note(
                "" if book.canvas.is_empty or steps.namer else "Nothing here names drawings: say what it is."
            )
        for number, (word, says) in enumerate(words):
            st.button(
                plain(says),
                key=f"doodle-guess-{number}",
                type="primary" if word == chosen else "secondary",
                on_click=book.choose,
                args=(word,),
            )


def percent(share: float) -> str:
    """A probability for people: 93%, and <1% in the place of 0%."""
    return "<1%" if share < 0.005 else f"{share:.0%}"


def offer_drawing(book: Sketchbook) -> None:
    """Where another drawing comes from, the drawing's files, and the way to have it coloured."""
    lines = book.canvas.lines
    with st.container(horizontal=True, key="doodle-files", gap="xsmall"):
        pick_paper()
        if book.canvas.is_empty:
            return
        _offer("SVG", svg_of(lines).encode(), "doodle.svg", "image/svg+xml")
        _offer("PNG", partial(_png, lines), "doodle.png", "image/png")  # made when it is asked for
        if st.button("Colour by words", key="doodle-words", icon=":material/palette:"):
            easel_of(st.session_state).put(Upload.of("doodle.png", _png(lines)), "")
            st.switch_page("words_page.py")


def _offer(says: str, content: bytes | Callable[[], bytes], name: str, mime: str) -> None:
    """A button that downloads a file."""
    st.download_button(
        says, content, name, mime, key=f"doodle-save-{says}", on_click="ignore", icon=":material/download:"
    )


def _png(lines: tuple[Line, ...]) -> bytes:
    return encode_png(picture_of(lines, SENT))


def say(book: Sketchbook, steps: Steps) -> None:
    """The caption and the prompt, to be edited; what is emptied is the program's again."""
    caption = held("doodle-caption", book.caption(steps))
    st.text_input(
        "What it shows",
        caption.first,
        MOST_WORDS,
        caption.key,
        on_change=take,
        args=(caption, book.write_caption),
    )
    prompt = held("doodle-prompt", book.prompt(steps))
    st.text_area(
        "Prompt",
        prompt.first,
        "content",
        MOST_WORDS,
        prompt.key,
        on_change=take,
        args=(prompt, book.write_prompt),
    )


def choose(book: Sketchbook, steps: Steps) -> None:
    """How it is to be painted, and the button."""
    painting = is_painting(PAINTED)

    def paint(other: bool = False) -> None:
        if is_painting(PAINTED):  # it was clicked twice
            return
        if other:
            book.vary()
        _begin(book, steps)

    with st.container(horizontal=True, vertical_alignment="bottom", key="doodle-settings"):
        variants = held("doodle-variants", book.variants)
        st.segmented_control(
            "Variants", VARIANTS, default=variants.first, required=True, key=variants.key,
            on_change=take, args=(variants, partial(setattr, book, "variants")),
        )  # fmt: skip
        with st.popover("More", icon=":material/tune:"):
            style = held("doodle-style", book.words.style)
            st.selectbox(
                "Style", list(STYLES), list(STYLES).index(style.first), str.capitalize, style.key,
                on_change=take, args=(style, book.choose_style),
            )  # fmt: skip
            follow = held("doodle-follow", book.follow)
            st.segmented_control(
                "Follow the lines", list(FOLLOW), default=follow.first, required=True, key=follow.key,
                on_change=take, args=(follow, partial(setattr, book, "follow")),
            )  # fmt: skip
            negative = held("doodle-negative", book.negative(steps))
            st.text_input(
                "Not to be seen", negative.first, MOST_WORDS, negative.key,
                on_change=take, args=(negative, book.write_negative),
            )  # fmt: skip
            seed = held("doodle-seed", book.seed)
            st.number_input(
                "Seed", 0, SEEDS - 1, seed.first, step=1, key=seed.key,
                on_change=take, args=(seed, partial(setattr, book, "seed")),
            )  # fmt: skip
            if choose_kind(current_settings().doodle_paint) != POCKET:
                taken = held("doodle-steps", book.steps)
                st.number_input(
                    "Steps", 1, MOST_STEPS, taken.first, step=1, key=taken.key,
                    on_change=take, args=(taken, partial(setattr, book, "steps")),
                    help="Fewer are faster: 20 show what it will be.",
                )  # fmt: skip
        st.button(
            "Paint",
            key="doodle-paint",
            type="primary",
            icon=":material/brush:",
            on_click=paint,
            disabled=book.canvas.is_empty or painting,
        )
        if book.shown:
            st.button(
                "Others",
                key="doodle-others",
                icon=":material/shuffle:",
                on_click=paint,
                args=(True,),
                disabled=book.canvas.is_empty or painting,
            )


def _begin(book: Sketchbook, steps: Steps) -> None:
    """Begin to paint what is on the sheet and said now."""
    wish = book.wish(steps)
    begin(PAINTED, (wish, book.words), partial(_paint, steps, wish))


def _paint(steps: Steps, wish: Wish, watch: Watch, take: Callable[[bytes], None]) -> Painted:
    """Pictures, whose files `take` is given. In the painting thread."""

    def take_image(image: Image.Image) -> None:
        take(encode_png(image))

    drawing = Canvas(lines=wish.lines).drawing
    config = wish.config(steps.painter.config)
    return steps.paint(drawing, wish.prompt, wish.negative, wish.variants, config, watch, take_image)


def take_painting(book: Sketchbook, steps: Steps, place: st.delta_generator.DeltaGenerator) -> None:
    """Wait for what is painted, and show it; of what was stopped or failed, the pictures that were done."""
    ended = await_painting(PAINTED, place)
    if ended is None:
        return
    if ended.files:
        wish, words = ended.wish
        told = ended.made.told if ended.made else (_what_is_done(len(ended.files), wish.variants),)
        small = url_of(decode_image(ended.files[0]), SMALL)
        book.add(Painting(wish, words, ended.files, told, steps.painter.painter.name, small))
    if ended.wrong:
        st.session_state[WRONG] = ended.wrong
    st.rerun()


def _what_is_done(done: int, wished: int) -> str:
    """A sentence about a painting that ended early."""
    return f"{done} of {counted(wished, 'picture')} {'was' if done == 1 else 'were'} painted before it ended"


def show_painting(painting: Painting) -> None:
    """A painting's pictures: one large, of several all small, and what there is to say."""
    file = painting.files[painting.chosen]
    st.image(file, width="stretch", alt=painting.wish.prompt)
    if len(painting.files) > 1:

        def take(number: int) -> None:
            painting.chosen = number

        label("Choose one")
        thumbs("doodle-variant", _small(painting.files), take, painting.chosen)
    is_whole = len(painting.files) == painting.wish.variants
    if painting.painter != POCKET or not is_whole:  # the pocket world says so itself at its end
        note(f"Painted by {painting.painter}.")
    for sentence in painting.told:
        note(f"{sentence[:1].upper()}{sentence[1:]}.")
    _offer("Picture", file, "picture.png", "image/png")


@st.cache_data(max_entries=20, show_spinner=False)
def _small(files: Sequence[bytes]) -> list[tuple[str, str]]:
    """Files as small pictures to choose from."""
    return [
        (url_of(decode_image(file), SMALL), f"variant {number}") for number, file in enumerate(files, start=1)
    ]


def look_back(book: Sketchbook) -> None:
    """What was painted before, the newest first, to go on with."""
    if len(book.paintings) < 2:
        return

    label("So far")
    paintings = list(reversed(book.paintings))
    now = next((number for number, one in enumerate(paintings) if one is book.shown), None)
    thumbs("doodle-history", [(one.small, one.wish.prompt) for one in paintings], book.go_back, now)


show()
