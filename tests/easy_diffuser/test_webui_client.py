"""Prompts to a web UI over real HTTP: what is posted, what is written, what is said when it goes wrong."""

from __future__ import annotations

import base64
import io
import json
import socket
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.web_ui_server import (
    PARAMETERS,
    answering,
    encoded,
    opened,
    picture,
    serving,
    with_parameters,
)
from unprompt.easy_diffuser import webui
from unprompt.errors import ConfigError, RunError
from unprompt.painting import webui_images as pictures
from unprompt.painting.webui_errors import WebUIError


def send(url: str, folder: Path, **options: Any) -> list[Path]:
    return webui.send("a fox", "a dog", url, out=folder / "output.png", **options)


class TestWhatIsPosted:
    def test_both_prompts_steps_and_options(self, tmp_path: Path) -> None:
        with serving(200, answering(encoded(picture()))) as server:
            send(server.url + "/", tmp_path, steps=7, width=640, sampler_name="Euler a", seed=3)
            ((path, headers, fields),) = server.asked
        assert path == "/sdapi/v1/txt2img"
        assert fields == {
            "prompt": "a fox",
            "negative_prompt": "a dog",
            "steps": 7,
            "width": 640,
            "sampler_name": "Euler a",
            "seed": 3,
        }
        assert headers["Content-Type"] == "application/json"
        assert "Authorization" not in headers

    def test_user_and_password(self, tmp_path: Path) -> None:
        with serving(200, answering(encoded(picture()))) as server:
            send(server.url, tmp_path, auth=("ann", "s:ecret"))
            assert server.asked[0][1]["Authorization"] == "Basic " + base64.b64encode(b"ann:s:ecret").decode()

    def test_the_network_can_be_replaced(self, tmp_path: Path) -> None:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return httpx.Response(200, content=answering(encoded(picture())))

        assert send("http://elsewhere:1", tmp_path, transport=httpx.MockTransport(answer))
        assert str(asked[0].url) == "http://elsewhere:1/sdapi/v1/txt2img"

    def test_a_path_before_the_api_stays(self, tmp_path: Path) -> None:
        with serving(200, answering(encoded(picture()))) as server:
            send(server.url + "/sd", tmp_path)
            send(server.url + "/sdapi/v1/txt2img", tmp_path)
            assert [path for path, *_ in server.asked] == ["/sd/sdapi/v1/txt2img", "/sdapi/v1/txt2img"]

    def test_a_proxy_is_not_asked_for_this_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with serving(200, answering(encoded(picture()))) as server:
            assert send(server.url, tmp_path)

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"neg_prompt": "x"}, "no 'neg_prompt'"),
            ({"widht": 512}, "did you mean 'width'"),
            ({"send_images": False}, "no 'send_images'"),
            ({"steps": 0}, "steps must be"),
            ({"steps": True}, "steps must be"),
            ({"timeout": 0}, "timeout is in seconds"),
            ({"timeout": float("nan")}, "timeout is in seconds"),
            ({"seed": {1}}, "cannot be sent as JSON"),
            ({"cfg_scale": float("nan")}, "cannot be sent as JSON"),
            ({"auth": ("a:b", "c")}, "auth is two texts"),
            ({"auth": "ab"}, "auth is two texts"),
        ],
    )
    def test_what_makes_no_sense_is_not_sent(
        self, options: dict[str, Any], says: str, tmp_path: Path
    ) -> None:
        with serving(200, answering(encoded(picture()))) as server:
            with pytest.raises(ConfigError, match=says):
                send(server.url, tmp_path, **options)
            assert server.asked == []

    @pytest.mark.parametrize(
        "url", ["127.0.0.1:7860", "localhost", "ftp://127.0.0.1", "", "http://", "http://[::1"]
    )
    def test_an_address_that_is_none(self, url: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="url "):
            send(url, tmp_path)

    def test_the_place_is_looked_at_first(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "folder.png").mkdir()
        with serving(200, answering(encoded(picture()))) as server:
            for out, kind in (
                ("output.jpg", ConfigError),
                ("folder.png", ConfigError),
                ("file/output.png", RunError),
            ):
                with pytest.raises(kind):
                    webui.send("a", "", server.url, out=tmp_path / out)
            assert server.asked == []


class TestWhatIsWritten:
    def test_a_png_is_written_as_it_came_with_its_texts(self, tmp_path: Path) -> None:
        original = with_parameters(picture())
        with serving(200, answering(original)) as server:
            assert send(server.url, tmp_path) == [tmp_path / "output.png"]
        assert (tmp_path / "output.png").read_bytes() == original
        with Image.open(tmp_path / "output.png") as image:
            assert image.text["parameters"] == PARAMETERS  # type: ignore[attr-defined]

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
    @pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
    def test_every_format_becomes_png(self, kind: str, prefix: str, tmp_path: Path) -> None:
        original = encoded(picture(), kind)
        with serving(200, answering(prefix + base64.b64encode(original).decode())) as server:
            (path,) = send(server.url, tmp_path)
        with Image.open(path) as image, Image.open(io.BytesIO(original)) as sent:
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(sent.convert("RGB")))

    def test_cmyk_and_exif(self) -> None:
        exif = Image.Exif()
        exif[0x010E] = PARAMETERS
        with Image.open(io.BytesIO(pictures.as_png(encoded(picture(mode="CMYK"), "JPEG")))) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
        with Image.open(io.BytesIO(pictures.as_png(encoded(picture(), "JPEG", exif=exif)))) as image:
            assert image.getexif()[0x010E] == PARAMETERS

    def test_several_are_numbered(self, tmp_path: Path) -> None:
        originals = [encoded(picture(seed)) for seed in range(3)]
        with serving(200, answering(*originals)) as server:
            paths = send(server.url, tmp_path / "new" / "folder", batch_size=3)
        assert [path.name for path in paths] == ["output.png", "output-2.png", "output-3.png"]
        assert [path.read_bytes() for path in paths] == originals

    def test_one_bad_image_leaves_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "output.png").write_bytes(b"before")
        with (
            serving(200, answering(encoded(picture()), b"bad")) as server,
            pytest.raises(WebUIError, match="image 2 of the web UI's answer is not an image"),
        ):
            send(server.url, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["output.png"]
        assert (tmp_path / "output.png").read_bytes() == b"before"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class TestWhatGoesWrong:
    def test_nobody_listens(self, tmp_path: Path) -> None:
        with pytest.raises(
            WebUIError, match=r"no server answers at http://127.* start the web UI with --api"
        ):
            send(f"http://127.0.0.1:{free_port()}", tmp_path)

    def test_it_takes_too_long(self, tmp_path: Path) -> None:
        def wait(request: BaseHTTPRequestHandler) -> None:
            server.over.wait()

        with opened(wait) as server, pytest.raises(WebUIError, match=r"did not answer within 0\.2 s"):
            send(server.url, tmp_path, timeout=0.2)

    def test_an_answer_that_trickles_takes_too_long(self, tmp_path: Path) -> None:
        def trickle(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", "1000000")
            request.end_headers()
            try:
                while not server.over.wait(0.02):
                    request.wfile.write(b" ")
            except OSError:  # the client has gone
                pass

        with opened(trickle) as server, pytest.raises(WebUIError, match=r"did not answer within 0\.3 s"):
            send(server.url, tmp_path, timeout=0.3)

    def test_the_connection_breaks(self, tmp_path: Path) -> None:
        def break_off(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b'{"images"')
            request.close_connection = True

        with opened(break_off) as server, pytest.raises(WebUIError, match=r"connection to .* broke"):
            send(server.url, tmp_path)

    def test_an_answer_without_end(self) -> None:
        with serving(200, b" " * 2000) as server, pytest.raises(WebUIError, match="answers more than"):
            webui.request(server.url, {"prompt": "a fox"}, largest=1000)

    @pytest.mark.parametrize(
        ("status", "said", "says"),
        [
            (401, {"detail": "Not authenticated"}, r"wants a user and a password: give auth="),
            (
                404,
                {"detail": "Sampler not found"},
                "does not know .*: Sampler not found; see /sdapi/v1/samplers",
            ),
            (404, {"detail": "Not Found"}, r"there is no API at .*start it with --api"),
            (404, "<html>not here</html>", r"there is no API at .* \(status 404\)"),
            (405, {"detail": "Method Not Allowed"}, r"there is no API at .* \(status 405\)"),
            (501, "<p>Unsupported method", r"there is no API at .* \(status 501\)"),
            (
                422,
                {"detail": [{"loc": ["body", "steps"], "msg": "Input should be a valid integer"}]},
                "cannot use these options: steps: Input should be a valid integer",
            ),
            (422, {"detail": "Script 'x' not found"}, "Script 'x' not found"),
            (422, {"detail": [3, {"msg": "odd"}, {"loc": 3, "msg": "more"}]}, "3; odd; more"),
            (
                500,
                {"error": "OutOfMemoryError", "detail": "", "errors": "CUDA out of memory"},
                "CUDA out of memory",
            ),
            (500, "Internal Server Error", "failed with status 500: Internal Server Error"),
            (502, "", "failed with status 502: Bad Gateway"),
            (403, {"detail": "no"}, "refused with status 403: no"),
            (503, {"detail": "queue full"}, r"is busy; try again later \(queue full\)"),
        ],
    )
    def test_every_status_says_what_to_do(self, status: int, said: object, says: str, tmp_path: Path) -> None:
        body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        with serving(status, body) as server, pytest.raises(WebUIError, match=says):
            send(server.url, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_wrong_password_names_the_user_and_not_the_password(self, tmp_path: Path) -> None:
        with serving(401, b'{"detail": "Incorrect username or password"}') as server:
            with pytest.raises(WebUIError, match="password of 'ann'") as caught:
                send(server.url, tmp_path, auth=("ann", "hunter2"))
            assert "hunter2" not in str(caught.value)
            with pytest.raises(WebUIError) as caught:
                send(server.url.replace("//", "//ann:hunter2@"), tmp_path)
            assert "hunter2" not in str(caught.value)

    def test_busy_and_sent_on(self, tmp_path: Path) -> None:
        with (
            serving(503, b"", Retry_After="4") as server,
            pytest.raises(WebUIError, match="try again in 4 s"),
        ):
            send(server.url, tmp_path)
        with (
            serving(307, b"", Location="https://elsewhere") as server,
            pytest.raises(WebUIError, match="sends on to https://elsewhere; name that"),
        ):
            send(server.url, tmp_path)

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b"<html>hello", r"not JSON \(<html>hello\); is that the web UI's address"),
            (b"", r"not JSON \(nothing\)"),
            (b"\xff\xfe", "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (b"[1]", "expected an object with 'images'"),
            (b'{"images": null}', "without an image"),
            (b'{"images": []}', "without an image"),
            (b'{"caption": "x"}', "without an image"),
            (b'{"images": "abc"}', "'images' is no list"),
            (b'{"images": [7]}', "image 1 of .* is 7, not a text"),
            (b'{"images": ["%%%"]}', "image 1 .* is not base64"),
            (b'{"images": ["abc"]}', "image 1 .* is not base64"),
            (b'{"images": ["\\u00e9"]}', "image 1 .* is not base64"),
            (b'{"images": [""]}', "image 1 .* is not an image"),
            (answering(b"hello, this is text"), r"not an image \(19 bytes of something else\)"),
            (answering(encoded(picture())[:200]), "damaged or truncated"),
            (answering(encoded(picture(), "JPEG")[:400]), "damaged or truncated"),
        ],
        ids=range(17),
    )
    def test_an_answer_without_usable_images(self, body: bytes, says: str, tmp_path: Path) -> None:
        with serving(200, body) as server, pytest.raises(WebUIError, match=says):
            send(server.url, tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("side", [10_000, 20_000])
    def test_a_bomb_is_not_decoded(self, side: int, tmp_path: Path) -> None:
        bomb = encoded(Image.new("1", (side, side)))
        assert len(bomb) < 100_000
        with (
            serving(200, answering(bomb)) as server,
            pytest.raises(WebUIError, match="the limit is 89,478,485"),
        ):
            send(server.url, tmp_path)
