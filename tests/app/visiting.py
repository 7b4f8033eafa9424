"""The web app as visitors have it: a server in a process of its own, and windows of a real browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.silence import offline

PATIENCE = 240_000  # milliseconds; what is awaited takes a few seconds on a machine with nothing else to do
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
UPLOADER = '[data-testid="stFileUploader"] input[type="file"]'
DONE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PROGRAM = "import sys; from unprompt.cli import main; sys.exit(main())"
FITS = """() => {
    const whole = document.documentElement, main = document.querySelector('[data-testid="stMain"]');
    return whole.scrollWidth <= whole.clientWidth && main.scrollWidth <= main.clientWidth;
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, arguments: Sequence[str] = (), program: str = PROGRAM) -> Iterator[str]:
    """The app's address, as the command starts it; SIGTERM stops it, and it says nothing of an error.

    It ends by itself where it tries to reach another machine.
    """
    port = free_port()
    command = [sys.executable, "-c", program, "app", "--port", str(port), "--device", "cpu", *arguments]
    log = folder / "log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            command, stdout=said, stderr=said, cwd=folder, env=offline({**os.environ, "LANG": "C"})
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE / 1000) == 0
    finally:
        server.kill()
        server.wait()
    assert f"the app is at http://127.0.0.1:{port}" in log.read_text()
    assert "Traceback" not in log.read_text()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while True:
        assert server.poll() is None, "the server has ended"
        assert time.monotonic() < end, "the server does not answer"
        try:
            with urlopen(url, timeout=5) as answer:
                assert answer.read() == b"ok"
                return
        except OSError:
            time.sleep(0.1)


@dataclass
class Visitor:
    """A browser's window on one of the pages, and what went wrong in it."""

    page: Any
    address: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._check)

    def _check(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.faults.append(request.url)

    def open(self, page: str) -> None:
        """Come to a page as who has just typed its address."""
        self.page.goto(f"{self.address}/{page}")
        self.page.wait_for_selector("h1")
        self.settle()

    def follow(self, title: str) -> None:
        """Go on to another page by the links above all of them."""
        self.page.get_by_role("link", name=title, exact=True).click()
        self.page.get_by_role("heading", name=title, exact=True).wait_for()
        self.settle()

    def settle(self) -> None:
        """Wait until the page's script has run to its end."""
        self.page.wait_for_selector(DONE)

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def check(self) -> None:
        """No fault so far, no exception shown, nothing wider than the window once all has its place."""
        assert self.faults == []
        assert self.page.locator('[data-testid="stException"]').count() == 0
        self.page.wait_for_function(FITS, timeout=10_000)

    def at_each_size(self) -> Iterator[str]:
        """Make the window as large as each of SIZES in turn, and check it; then it is as it was."""
        own = self.page.viewport_size
        for size, edges in SIZES.items():
            self.page.set_viewport_size(edges)
            self.check()
            yield size
        self.page.set_viewport_size(own)

    def fits(self, *reached: Any) -> None:
        """Nothing is wrong in windows of any of SIZES, and what is to be `reached` there can be clicked."""
        for _ in self.at_each_size():
            for one in reached:
                one.click(trial=True)


class Windows:
    """A browser's windows, one of each of SIZES: what their pages need is loaded and compiled once."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._by_size: dict[str, Any] = {}

    @contextmanager
    def visiting(self, address: str, size: str) -> Iterator[Visitor]:
        """A visitor with a page of its own; at the end nothing was wrong, whatever size the window has."""
        if size not in self._by_size:
            self._by_size[size] = self._browser.new_context(viewport=SIZES[size], has_touch=size == "phone")
        page = self._by_size[size].new_page()
        try:
            one = Visitor(page, address)
            yield one
            one.fits()
        finally:
            page.close()


def saved(visitor: Visitor, label: str) -> bytes:
    """The bytes that a download button gives."""
    with visitor.page.expect_download() as download:
        visitor.page.get_by_test_id("stDownloadButton").filter(has_text=label).get_by_role("button").click()
    return Path(download.value.path()).read_bytes()
