"""Line art and words -> the same in colour: variants to choose from, parts to tap with a crayon, files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from unprompt.app.easel import Easel, Order, Taps, Whole, Work, easel_of
from unprompt.app.held_widgets import held, let_go, take
from unprompt.app.looks import empty, head, label, note, plain, trouble
from unprompt.app.paintings import await_painting, begin, is_painting
from unprompt.app.picture_inputs import say_room
from unprompt.app.settings import current_settings
from unprompt.app.thumbs import thumbs, url_of
from unprompt.colouring.mentions import find_mentions
from unprompt.colouring.paint_config import CRAYONS, PaintConfig
from unprompt.colouring.palette import BASIC, names
from unprompt.colouring.svg import SUFFIX, painted_svg
from unprompt.demos.line_art import SAMPLES, draw_sample, is_line_art_there
from unprompt.demos.whole_pictures import colour_whole, line_art_of, open_whole_painter, svg_of
from unprompt.errors import UnpromptError, UnreadableImageError
from unprompt.serving.uploads import EXTENSIONS, Upload
from unprompt.storage.images import decode_image, encode_png, image_of
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring.small_paint import ColourPainter, Page, Painted
    from unprompt.painting.watch import Watch

PREVIEW = 1200  # of the picture that is tapped
SMALL = 192  # of those to choose from
LOOKED_AT, COLOURED = 8, 200  # drawings and their colours that the server keeps
MOST_WORDS = 500  # characters
VARIANTS = (1, 2, 3, 4)
BOXES = {"any": "Any colour", "8": "8 crayons", "16": "16 crayons"}
FIRST = "red"  # crayon
WAYS = ("Part by part", "Whole picture")
PAINTED, WRONG = "words-painted", "words-wrong"  # what is painted now, and what went wrong
FILES = {
    "PNG": ("png", "image/png"),
    "Transparent PNG": ("png", "image/png"),
    "SVG": ("svg", "image/svg+xml"),
}
EXAMPLES = ("a green dragon with orange wings", "mostly light blue, with some yellow", "빨간 자동차")


# --- what is computed


@st.cache_resource(show_spinner=False)
def _painter() -> ColourPainter:
    from unprompt.colouring.small_paint import ColourPainter

    return ColourPainter.load()


@st.cache_resource(max_entries=LOOKED_AT, show_spinner=False)
def _looked_at(digest: str, bridge: bool, _upload: Upload) -> Page:
    """Line art as the painter sees it, once for the same bytes, which `digest` stands for."""
    return _painter().look(line_art_of(_upload, current_settings().limit_mb), bridge)


@st.cache_data(max_entries=LOOKED_AT, show_spinner=False)
def _preview(digest: str, _upload: Upload) -> bytes:
    """Line art as it came, on white, once for the same bytes, which `digest` stands for."""
    picture = image_of(line_art_of(_upload, current_settings().limit_mb))
    picture.thumbnail((PREVIEW, PREVIEW))
    return encode_png(picture)


@st.cache_data(max_entries=COLOURED, show_spinner=False)
def _colours(order: Order, _upload: Upload) -> tuple[NDArray[Any], tuple[str, ...]]:
    config = PaintConfig(seed=order.seed, crayons=order.crayons, bridge=order.bridge)
    painted = _painter().colour(_looked_at(order.digest, order.bridge, _upload), order.words, config)
    return painted.colours, painted.told


def painted_of(work: Work) -> Painted:
    """A work as it is now, with its taps. Raises UnreadableImageError for its line art."""
    from unprompt.colouring.small_paint import Painted

    page = _looked_at(work.order.digest, work.order.bridge, work.upload)
    painted = Painted(page.art, page.regions, *_colours(work.order, work.upload))
    height, width = page.art.page.shape
    for tap in work.taps.done:
        painted = painted.with_hint(tap.hint((width, height)))
    return painted


@st.cache_data(max_entries=COLOURED, show_spinner=False)
def _small(order: Order, taps: Taps, _work: Work) -> str:
    """A work's small picture, made once for the same order and taps."""
    return url_of(painted_of(_work).image(), SMALL)


def _file(painted: Painted, kind: str, upload: Upload) -> bytes:
    if kind == "SVG":
        return painted_svg(painted, svg_of(upload)).encode()
    return encode_png(painted.image(transparent=kind == "Transparent PNG"))


# --- the page


def show() -> None:
    """The page."""
    head(
        "Colour by words", "Line art in, a picture in the colours that you say out. Tap a part to change it."
    )
    easel = easel_of(st.session_state)
    pick(easel)
    if easel.upload is None:
        empty("Upload, paste or drop line art, or take a sample.")
        return
    say(easel, easel.upload)
    left, right = st.columns([3, 2], gap="medium")
    with right:
        choose(easel)
    if easel.whole:
        show_whole(easel, easel.upload, left, right)
        return
    order = easel.order
    sheet = left.container()  # above the spinner, which would push it away from under a finger
    with left, st.spinner("Colouring."):
        try:
            _looked_at(order.digest, order.bridge, easel.upload)
            shown = easel.show(easel.upload, replace(order, seed=order.seed + easel.chosen))
            painted = painted_of(shown)
            others = _variants(easel, easel.upload, order)
            shown.small = _small(shown.order, shown.taps, shown)
        except UnreadableImageError as error:
            st.warning(f"**{plain(easel.upload.name)}** cannot be used: {plain(str(error))}.")
            return
        except UnpromptError as error:
            trouble(str(error))
            return
    with sheet:
        tap(shown, painted)
    with right:
        if others:
            label("Choose one")
            thumbs("words-pick-variants", others, _take_variant, easel.chosen)
            if len({picture for picture, _ in others}) == 1:
                note("They are alike: the words say the colour of every part.")
        tell(shown, painted)
        offer(shown, painted)
        look_back(easel, shown)


def pick(easel: Easel) -> None:
    """The uploader and samples. The last picture that was given is the one."""

    def take_upload() -> None:
        file = st.session_state["words-file"]
        before = st.session_state.pop("words-uploaded", None)
        st.session_state.pop("words-wanted", None)
        if file is not None:
            easel.put(Upload.of(file.name, file.getvalue()))
            st.session_state["words-uploaded"] = easel.upload
            st.session_state["words-sample"] = None
        elif easel.upload is before:  # also where another file takes its place, for a moment
            easel.put(None)
            let_go("words")

    def take_sample() -> None:
        name = st.session_state["words-sample"]
        if name:
            st.session_state["words-wanted"] = name
            easel.words = SAMPLES[name].words[0]

    say_room()
    st.file_uploader(
        "Line art",
        (*EXTENSIONS, SUFFIX[1:]),
        key="words-file",
        max_upload_size=current_settings().limit_mb,
        on_change=take_upload,
        label_visibility="collapsed",
    )
    if is_line_art_there():
        st.pills(
            "Samples",
            list(SAMPLES),
            key="words-sample",
            on_change=take_sample,
            label_visibility="collapsed",
        )
    if wanted := st.session_state.get("words-wanted"):
        with st.spinner("Drawing."):
            easel.put(draw_sample(wanted), SAMPLES[wanted].words[0])
        del st.session_state["words-wanted"]  # only now: a click meanwhile ends this script


def say(easel: Easel, upload: Upload) -> None:
    """The words, and examples of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="words-saying"):
        words = held("words-text", easel.words)
        st.text_input(
            "What shall have which colour?", words.first, MOST_WORDS, words.key, placeholder=EXAMPLES[0],
            on_change=take, args=(words, partial(easel.change, "words")),
        )  # fmt: skip
        st.button(
            "Colour", type="primary", icon=":material/palette:", key="words-go",
            on_click=_begin_whole if easel.whole else None,
            args=(easel, upload) if easel.whole else None,
            disabled=easel.whole and (not easel.words.strip() or is_painting(PAINTED)),
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", key="words-examples"):
        for number, example in enumerate(_examples(upload)):
            st.button(
                example, key=f"words-example-{number}", on_click=easel.change, args=("words", example),
            )  # fmt: skip


def choose(easel: Easel) -> None:
    """The settings: what to colour with, and how many variants."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="words-settings"):
        if current_settings().paints_whole_pictures:
            way = held("words-way", WAYS[easel.whole])
            st.segmented_control(
                "Colour", WAYS, default=way.first, required=True, key=way.key,
                on_change=take, args=(way, lambda one: easel.change("whole", one == WAYS[True])),
            )  # fmt: skip
        if not easel.whole:
            crayons = held("words-box", easel.crayons)
            st.segmented_control(
                "Crayons", list(BOXES), default=crayons.first, required=True, format_func=BOXES.__getitem__,
                key=crayons.key, on_change=take, args=(crayons, partial(easel.change, "crayons")),
            )  # fmt: skip
        variants = held("words-variants", easel.variants)
        st.segmented_control(
            "Variants", VARIANTS, default=variants.first, required=True, key=variants.key,
            on_change=take, args=(variants, partial(easel.change, "variants")),
        )  # fmt: skip
        if not easel.whole:
            bridge = held("words-bridge", easel.bridge)
            st.toggle(
                "Close gaps", bridge.first, bridge.key, "So that colour does not run out between lines.",
                on_change=take, args=(bridge, partial(easel.change, "bridge")),
            )  # fmt: skip
        st.button(
            "Other colours", key="words-vary", icon=":material/shuffle:", on_click=easel.begin_anew,
            args=(easel.seed + easel.variants,), help="For what the words say nothing about.",
        )  # fmt: skip


def show_whole(
    easel: Easel,
    upload: Upload,
    left: st.delta_generator.DeltaGenerator,
    right: st.delta_generator.DeltaGenerator,
) -> None:
    """A picture that is painted anew: the last one of this line art, its variants, its file."""
    painted = easel.painted if easel.painted and easel.painted.upload is upload else None
    with right:
        working = st.container()
        if wrong := st.session_state.pop(WRONG, ""):
            trouble(wrong)
        if painted and len(painted.files) > 1:

            def choose_one(number: int) -> None:
                painted.chosen = number

            label("Choose one")
            thumbs("words-pick-whole", _small_files(painted.files), choose_one, painted.chosen)
        if painted:
            name = f"{Path(upload.name).stem}-coloured.png"
            st.download_button(
                "PNG", painted.files[painted.chosen], name, "image/png", key="words-save-whole",
                on_click="ignore", icon=":material/download:",
            )  # fmt: skip
    with left:
        try:
            st.image(
                painted.files[painted.chosen] if painted else _preview(upload.digest, upload),
                width="stretch",
                alt=f"{Path(upload.name).stem}{' in colour' if painted else ''}",
            )
            if not painted:
                note("Press Colour: the whole picture is painted anew.")
        except UnreadableImageError as error:
            st.warning(f"**{plain(upload.name)}** cannot be used: {plain(str(error))}.")
    ended = await_painting(PAINTED, working)
    easel.painting = None
    if ended is None:
        return
    if ended.files:
        easel.painted = Whole(ended.wish, ended.files)
    if ended.wrong:
        st.session_state[WRONG] = ended.wrong
    st.rerun()


def _begin_whole(easel: Easel, upload: Upload) -> None:
    settings = current_settings()
    named = settings.instruct, settings.webui, settings.webui_lineart, settings.device
    words, seeds = easel.words, easel.seeds  # as they are now

    def paint(watch: Watch, take: Callable[[bytes], None]) -> None:
        colour_whole(open_whole_painter(*named), upload, words, seeds, settings.limit_mb, watch, take)

    easel.painting = upload
    begin(PAINTED, upload, paint)


@st.cache_data(max_entries=20, show_spinner=False)
def _small_files(files: tuple[bytes, ...]) -> list[tuple[str, str]]:
    """Files as small pictures to choose from."""
    return [(url_of(decode_image(file), SMALL), f"variant {n}") for n, file in enumerate(files, start=1)]


def _examples(upload: Upload) -> tuple[str, ...]:
    """What one can say of a sample, or of anything."""
    sample = SAMPLES.get(Path(upload.name).stem.capitalize())
    return sample.words if sample else EXAMPLES


def _variants(easel: Easel, upload: Upload, order: Order) -> list[tuple[str, str]]:
    """Small pictures of the seeds that follow each other, and what they are called; none of one alone."""
    if easel.variants == 1:
        return []
    orders = [replace(order, seed=order.seed + number) for number in range(easel.variants)]
    works = [easel.works.get(one.key) or Work(upload, one) for one in orders]
    return [(_small(work.order, work.taps, work), f"variant {n}") for n, work in enumerate(works, start=1)]


def _take_variant(number: int) -> None:
    easel_of(st.session_state).chosen = min(number, VARIANTS[-1] - 1)


def _take_work(number: int) -> None:
    easel = easel_of(st.session_state)
    works = list(reversed(easel.works.values()))
    if number < len(works):
        easel.go_back(works[number])


def tap(work: Work, painted: Painted) -> None:
    """The picture and the crayons, and the taps on it to take back."""
    image = painted.image()
    component = st.components.v2.component("unprompt_easel", js=_text("easel.js"), css=_text("easel.css"))
    box = work.order.crayons
    crayons = list(BASIC) if box == "any" else CRAYONS[box].split()
    width, height = image.size
    component(
        key="words-easel",
        data={
            "src": url_of(image, PREVIEW),
            "says": f"{Path(work.upload.name).stem} in colour",
            "shape": width / height,
            "work": work.order.key,
            "crayons": [[name, _code(BASIC.get(name) or names()[name].rgb)] for name in crayons],
            "first": crayons.index(FIRST),
            "own": box == "any",
        },
        on_taps_change=_take_taps,
    )

    def undo() -> None:
        work.taps = work.taps.undo()

    def redo() -> None:
        work.taps = work.taps.redo()

    with st.container(horizontal=True, key="words-taps"):
        st.button(
            "Undo", key="words-undo", icon=":material/undo:", on_click=undo, disabled=not work.taps.done
        )
        st.button(
            "Redo", key="words-redo", icon=":material/redo:", on_click=redo, disabled=not work.taps.undone
        )


def _take_taps() -> None:
    easel_of(st.session_state).take(st.session_state["words-easel"]["taps"])


def tell(work: Work, painted: Painted) -> None:
    """The colours that were understood, and what is to be said."""
    words = work.order.words
    items = "".join(
        f'<li><i style="background: {_code(mention.colour.rgb)}"></i>'
        f"{escape(words[mention.start : mention.end])}</li>"
        for mention in find_mentions(words)
    )
    if items:
        st.html(f'<div class="group"><p class="label">Understood</p><ul class="chips wax">{items}</ul></div>')
    for sentence in painted.told:
        note(f"{sentence[:1].upper()}{sentence[1:]}.")
    note(f"{counted(painted.regions.count, 'part')} between the lines.")


def offer(work: Work, painted: Painted) -> None:
    """The files."""
    stem = Path(work.upload.name).stem
    with st.container(horizontal=True, key="words-files"):
        for kind, (ending, mime) in FILES.items():
            st.download_button(
                kind,
                partial(_file, painted, kind, work.upload),  # made when it is asked for
                f"{stem}-coloured.{ending}",
                mime,
                key=f"words-save-{kind}",
                on_click="ignore",
                icon=":material/download:",
            )


def look_back(easel: Easel, shown: Work) -> None:
    """What was coloured before, the newest first, to go on with."""
    works = list(reversed(easel.works.values()))
    if len(works) < 2:
        return
    label("So far")
    pictures = [(work.small, work.order.words or "without words") for work in works]
    now = next(number for number, work in enumerate(works) if work is shown)
    thumbs("words-pick-history", pictures, _take_work, now)


def _code(rgb: int) -> str:
    return f"#{rgb:06x}"


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


show()
