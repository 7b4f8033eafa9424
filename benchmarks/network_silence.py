"""Traces commands with strace and reports every address that they tried to reach.

    python benchmarks/network_silence.py            all commands
    python benchmarks/network_silence.py info page  those whose names begin so

Needs strace, and for the app Playwright and a Chromium. `checkpoints fetch` and the web UI's client, which
are there to connect, are not among them. A command that cannot run, since a checkpoint is missing, is traced
as far as it comes. `serve` is asked at its endpoints, and each page of `app` is opened and given a picture.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from unprompt import app

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the commands that the tests run too
from tests.silence import COMMANDS, write_inputs

CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(
    r"sa_family=AF_INET6?, .*?"
    r"(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")"
)
PROOF = """import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    socket.socket(family).connect_ex((address, 9))
"""
CHROMIUM = "/usr/bin/chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
UPLOADER = '[data-testid="stFileUploader"] input[type="file"]'
DONE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
PATIENCE = 240  # seconds, for a page or an answer


@contextmanager
def traced(words: Sequence[str], folder: Path, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    """A program under strace, which writes trace.txt of it and of what it starts; none outlives the block."""
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    options = f"-f --seccomp-bpf -qq -e trace={CALLS} -o {folder / 'trace.txt'}"
    command = ["strace", *options.split(), sys.executable, *words]
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.kill(child_of(process.pid), signal.SIGKILL)


def addresses(folder: Path) -> list[str]:
    """Those in trace.txt, each once."""
    trace = (folder / "trace.txt").read_text(errors="replace")
    return list(dict.fromkeys(match[1] or match[2] for match in ADDRESS.finditer(trace)))


def reached(words: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    """A program's exit code, and the addresses that it or a process of its own spoke to."""
    with traced(words, folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        code = process.wait()
    return code, addresses(folder)


def reached_serving(
    words: Sequence[str], folder: Path, use: Callable[[str, Path], None]
) -> tuple[int, list[str]]:
    """The same of a server, which says where it listens, is used, and told to end."""
    with traced(words, folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if "http://" in line), "")
        found = re.search(r"http://\S+", said)
        if found is None:
            raise SystemExit(f"{' '.join(words)} did not begin to serve")
        use(found[0], folder)
        os.kill(child_of(process.pid), signal.SIGTERM)
        code = process.wait()
    return code, addresses(folder)


def child_of(number: int) -> int:
    """The one process that strace has started."""
    return int(Path(f"/proc/{number}/task/{number}/children").read_text().split()[0])


def ask(url: str, body: object = None) -> Any:
    """What a server answers to a GET, or to a POST of JSON or bytes."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    kind = "image/png" if isinstance(body, bytes) else "application/json"
    try:
        with urlopen(Request(url, content, {"content-type": kind}), timeout=PATIENCE) as answer:
            return answer.read()
    except HTTPError as error:
        raise SystemExit(f"{url} is answered with {error.code}: {error.read().decode()[:200]}") from None


def use_api(url: str, folder: Path) -> None:
    """Ask `unprompt serve` for everything that the bundle lite can do, and for its lists."""
    file = (folder / "images" / "a.png").read_bytes()
    picture = base64.b64encode(file).decode()
    paint = {"prompt": "a red fox", "width": 64, "height": 64}
    bodies = {
        "v1/embed": {"texts": ["a red boat"]},
        "v1/predict": {"images": [picture]},
        "v1/negative": {"image": picture},
        "v1/page": {"image": picture},
        "v1/colour": {"image": picture, "words": "a red square"},
        "v1/colour/upload?words=red": file,
        "v1/doodle": {"strokes": [[[0, 0], [9, 0], [9, 9], [0, 0]]]},
        "sdapi/v1/interrogate": {"image": picture},
        "sdapi/v1/png-info": {"image": picture},
        "sdapi/v1/txt2img": paint,
        "sdapi/v1/interrupt": {},
    }
    for path, body in bodies.items():
        ask(f"{url}/{path}", body)
    described = json.loads(ask(f"{url}/openapi.json"))
    for path in ("/docs", *(path for path, ways in described["paths"].items() if "get" in ways)):
        ask(url + path)


def use_pages(url: str, folder: Path) -> None:
    """Open each page of `unprompt app` in a browser, and give it a picture where it takes one."""
    from playwright.sync_api import sync_playwright

    names = sorted(path.stem.removesuffix("_page") for path in Path(app.__file__).parent.glob("*_page.py"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        for name in names:
            page.goto(f"{url}/{'' if name == 'prompt' else name}")
            page.wait_for_selector("h1")
            page.wait_for_selector(DONE)
            uploader = page.locator(UPLOADER)
            if uploader.count():
                uploader.first.set_input_files(folder / "images" / "a.png")
                page.get_by_text("a.png").first.wait_for()
                page.wait_for_selector(DONE)
        browser.close()


SERVERS = {"serve --port 0": use_api, "app --port 8571 --root images": use_pages}


def main() -> int:
    """Trace, print a line a command; 1 where an address was reached that is not this machine's own."""
    asked = tuple(sys.argv[1:])
    loud = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        seen = reached(["-c", PROOF], folder)[1]
        if seen != ["127.0.0.1", "::1"]:
            raise SystemExit(
                f"the trace shows {seen} where 127.0.0.1 and ::1 were asked: strace does not work"
            )
        for command in (*COMMANDS, *SERVERS):
            if asked and not command.startswith(asked):
                continue
            words = ["-m", "unprompt", *command.split()]
            if command in SERVERS:
                code, told = reached_serving(words, folder, SERVERS[command])
            else:
                code, told = reached(words, folder)
            foreign = [address for address in told if not address.startswith(("127.", "::1"))]
            loud += bool(foreign)
            print(f"{command:60} exit {code}  {', '.join(told) or 'silent'}", flush=True)
    print(f"{loud} commands reached another machine")
    return int(loud > 0)


if __name__ == "__main__":
    sys.exit(main())
