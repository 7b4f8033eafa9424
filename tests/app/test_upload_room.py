"""How much visitors may send to the app's server together, against Streamlit's own keeper of files."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tests.app.visiting import PATIENCE, UPLOADER, Windows, serving
from tests.html_pages import open_browser
from unprompt.app import upload_room
from unprompt.app.easel import Easel
from unprompt.app.upload_room import UPLOADS, UploadRoom, room_for
from unprompt.serving.uploads import Upload


class Kept:
    """An app that keeps what it is sent until it is told to answer."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        while (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                break
        self.sizes.append(size)
        await self.go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})


async def put(
    app: Any, size: int, announced: int | None = None, method: str = "PUT", visitor: str = "one"
) -> int:
    """The status of a visitor's upload of `size` bytes in pieces, which says that it has `announced`."""
    left, statuses = [size], []

    async def receive() -> Any:
        piece = min(left[0], 100)
        left[0] -= piece
        return {"type": "http.request", "body": b"x" * piece, "more_body": left[0] > 0}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    said = size if announced is None else announced
    headers = [] if said < 0 else [(b"content-length", str(said).encode())]
    path = f"{UPLOADS}{visitor}/file"
    await app({"type": "http", "method": method, "path": path, "headers": headers}, receive, send)
    return statuses[0]


def test_files_on_their_way_and_files_that_are_held_share_the_room() -> None:
    pytest.importorskip("streamlit")

    async def run() -> None:
        kept = Kept()
        room = UploadRoom(kept, 1000)
        first = asyncio.ensure_future(put(room, 600))
        while not kept.sizes:
            await asyncio.sleep(0)
        assert await put(room, 500, visitor="other") == 503
        assert await put(room, 400, announced=-1, visitor="other") == 503  # it might be of any size
        kept.go.set()
        assert await put(room, 400, visitor="other") == 204
        assert await first == 204
        assert await put(room, 1000) == 204  # what is on its way no longer counts
        assert await put(room, 5000, method="POST") == 204  # no upload
        assert await put(room, 900, announced=200) == 204
        assert kept.sizes[-1] == 200  # more than was said does not come through

    asyncio.run(run())


def test_visitors_who_send_all_they_can_leave_as_much_as_each_of_them_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: Counter[str] = Counter()
    monkeypatch.setattr(upload_room, "held_bytes", lambda: held)

    async def run() -> None:
        kept = Kept()
        kept.go.set()
        room = UploadRoom(kept, 1000)

        async def send_until_refused(visitor: str, size: int) -> int:
            while await put(room, size, visitor=visitor) == 204:
                held[visitor] += size
            return held[visitor]

        assert await send_until_refused("first", 100) == 500
        assert await send_until_refused("second", 50) == 250
        assert await send_until_refused("third", 10) == 120  # of 250, with 130 left
        assert await put(room, 130, visitor="fourth") == 204  # one file may take all that there is
        assert await put(room, 131, visitor="fourth") == 503
        del held["first"]
        assert await send_until_refused("second", 50) == 400  # of 880, with 480 left

    asyncio.run(run())


def test_the_room_for_a_visitors_next_file() -> None:
    assert room_for("one", Counter(), 1000) == 1000
    assert room_for("one", Counter(other=600), 1000) == 400
    assert room_for("one", Counter(one=200, other=300), 1000) == 150  # 350 are the visitor's then, and free
    assert room_for("one", Counter(one=500), 1000) == 0
    assert room_for("one", Counter(one=100, other=1000), 1000) == 0
    assert room_for("two", Counter(one=1100), 1000) == 0


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({"test session id": 100_000}, None),
        ({"other": 3 << 20}, None),  # a file of 1 MB, the largest that this server takes, has room
        ({"other": (4 << 20) - 300_000}, "takes files of up to 0.2 MB from you now. Remove some"),
        ({"test session id": 2 << 20}, "is nearly full and takes no more files from you now"),
    ],
)
def test_a_page_says_how_much_room_there_is_before_a_file_is_refused(
    held: dict[str, int], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("streamlit.testing.v1")
    from unprompt.app import picture_inputs
    from unprompt.app.settings import VARIABLE, AppSettings

    monkeypatch.setenv(VARIABLE, AppSettings(limit_mb=1, uploads_mb=4).to_json())
    monkeypatch.setattr(picture_inputs, "held_bytes", lambda: Counter(held))

    def script() -> None:
        from unprompt.app.picture_inputs import pick_pictures

        pick_pictures("own")

    at = testing.AppTest.from_function(script, default_timeout=PATIENCE / 1000).run()
    assert not at.exception
    if says is None:
        assert not at.warning
    else:
        assert says in at.warning[0].value


REFUSALS = """
import start from "./refused.mjs";
const chip = (textContent) => ({ textContent, dataset: {} });
const chips = [chip("a.png 1 MB Error: Network Error")];
globalThis.document = { querySelectorAll: () => chips, body: {} };
globalThis.MutationObserver = class {
  constructor(look) { globalThis.look = look; }
  observe() {}
  disconnect() {}
};
const told = [];
const counts = [];
const run = () => start({ setTriggerValue: (name) => told.push(name) });
run();
counts.push(told.length);
chips.push(chip("b.png 1 MB Error: Request failed with status code 503"));
look();
counts.push(told.length);
look();
run()();
counts.push(told.length);
chips.push(chip("c.png 1 MB Error: Request failed with status code 503"));
look();
console.log(JSON.stringify([...counts, told]));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_a_page_is_run_anew_once_for_each_file_that_was_refused(tmp_path: Path) -> None:
    script = Path(upload_room.__file__).with_name("refused.js")
    (tmp_path / "refused.mjs").write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "page.mjs").write_text(REFUSALS, encoding="utf-8")
    done = subprocess.run(["node", str(tmp_path / "page.mjs")], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [0, 1, 1, ["refused", "refused"]]


def test_a_file_counts_once_while_its_answer_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    held: Counter[str] = Counter()
    monkeypatch.setattr(upload_room, "held_bytes", lambda: held)

    async def run() -> None:
        answering, go = asyncio.Event(), asyncio.Event()

        async def keep(scope: Any, receive: Any, send: Any) -> None:
            held["one"] += 600
            await send({"type": "http.response.start", "status": 204, "headers": []})

        async def slow(message: Any) -> None:
            answering.set()
            await go.wait()

        room = UploadRoom(keep, 1000)
        scope = {"type": "http", "method": "PUT", "path": f"{UPLOADS}one/file"}
        scope["headers"] = [(b"content-length", b"600")]
        first = asyncio.ensure_future(room(scope, asyncio.Event().wait, slow))
        await answering.wait()
        assert await put(room, 401, visitor="other") == 503
        assert await put(room, 400, visitor="other") == 204
        go.set()
        await first

    asyncio.run(run())


def test_files_on_their_way_are_their_visitors() -> None:
    async def run() -> None:
        kept = Kept()
        room = UploadRoom(kept, 1000)
        first = asyncio.ensure_future(put(room, 300))
        while not kept.sizes:
            await asyncio.sleep(0)
        assert await put(room, 300) == 503  # 600 of 1000 would be more than half
        other = asyncio.ensure_future(put(room, 300, visitor="other"))
        kept.go.set()
        assert (await first, await other) == (204, 204)

    asyncio.run(run())


def test_streamlits_own_files_are_counted() -> None:
    pytest.importorskip("streamlit")
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    keeper = MemoryUploadedFileManager("/")
    assert upload_room.bytes_in(keeper) == {}
    for number in range(3):
        keeper.add_file(
            f"visitor {number % 2}", UploadedFileRec(str(number), "a.png", "image/png", b"x" * 100)
        )
    assert upload_room.bytes_in(keeper) == {"visitor 0": 200, "visitor 1": 100}
    keeper.remove_session_files("visitor 0")
    assert upload_room.bytes_in(keeper) == {"visitor 1": 100}


def test_files_on_easels_are_counted_once_and_as_long_as_their_visitor_is_there() -> None:
    pytest.importorskip("streamlit")
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    keeper, easel = MemoryUploadedFileManager("/"), Easel()
    upload_room.count_kept("painter", easel)
    uploads = [Upload.of(f"{size}.png", bytes(size)) for size in (100, 20)]
    for upload in uploads:
        keeper.add_file("painter", UploadedFileRec(upload.name, upload.name, "image/png", upload.content))
        easel.put(upload)
        easel.show(upload, easel.order)
    assert upload_room.bytes_in(keeper) == {"painter": 120}
    for upload in uploads:
        keeper.remove_file("painter", upload.name)
    assert upload_room.bytes_in(keeper) == {"painter": 120}
    easel.forget_others()
    assert upload_room.bytes_in(keeper) == {"painter": 20}
    keeper.remove_session_files("painter")  # who leaves takes it along, whenever Python forgets the easel
    assert upload_room.bytes_in(keeper) == {}


def test_streamlit_forgets_files_that_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = pytest.importorskip("streamlit.runtime")
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    upload_room.drop_files("one", [b""])  # where nothing is served
    keeper = MemoryUploadedFileManager("/")
    monkeypatch.setattr(runtime.Runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime.Runtime, "instance", lambda: SimpleNamespace(uploaded_file_mgr=keeper))
    contents = [bytes(100), bytes(100), bytes(20)]  # two that are equal came by two uploaders
    for visitor in ("one", "other"):
        for number, content in enumerate(contents):
            keeper.add_file(visitor, UploadedFileRec(str(number), "a.png", "image/png", content))
    upload_room.drop_files("one", contents[1:])
    assert upload_room.bytes_in(keeper) == {"one": 100, "other": 220}


@pytest.mark.slow
def test_who_sends_one_picture_is_served_beside_two_who_send_all_they_can(tmp_path: Path) -> None:
    room, size, count = 1 << 20, 200_000, 4
    flood = [tmp_path / f"{number}.png" for number in range(count)]
    for path in flood:
        path.write_bytes(bytes(size))  # no picture, as the page says, and kept all the same
    own = tmp_path / "own.png"
    Image.new("RGB", (200, 200), "white").save(own, compress_level=0)
    assert own.stat().st_size > room % size  # no gap that files of the flood leave
    answers: list[int] = []

    def note(answer: Any) -> None:
        if answer.request.method == "PUT":
            answers.append(answer.status)

    with (
        open_browser() as browser,
        serving(tmp_path, ["--uploads-mb", "1"]) as address,
        ExitStack() as leaving,
    ):
        windows = Windows(browser)
        first, second, third = (leaving.enter_context(windows.visiting(address, "desktop")) for _ in range(3))
        floods = (first, second)
        for one in floods:
            one.open("caption")
            one.page.on("response", note)
            one.page.set_input_files(UPLOADER, flood)
        for one in floods:
            for _ in range(PATIENCE // 50):
                if len(answers) == 2 * count:
                    break
                one.page.wait_for_timeout(50)
            one.settle()
        assert len(answers) == 2 * count
        assert set(answers) == {204, 503}
        assert answers.count(204) * size <= room
        for one in floods:
            one.sees("This server is nearly full and takes")
        third.open("colour")
        third.page.set_input_files(UPLOADER, own)
        third.sees("Nothing to draw was found")
