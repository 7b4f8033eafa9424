"""Every command as it is used: none reaches another machine, starts are light, and what slow ones print.

All of them run one after the other in one process, which has to import their packages once. Servers are
watched wherever tests start one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.silence import COMMANDS, TRIED, offline, write_inputs
from unprompt.cli import COMMANDS as NAMES
from unprompt.storage.submission import read_submission

ELSEWHERE = {"blend", "pocket", "app", "serve"}  # blend reads two files; the others have tests of their own
LARGE = {"interrogate", "caption", "bank"}  # go as far as they come without large checkpoints
LOOK, PREDICT = COMMANDS[:2]
# Each takes 0.3 s or more, alone or by what it imports.
HEAVY = (
    *("faiss", "huggingface_hub", "open_clip", "pandas", "scipy", "sklearn", "sympy", "timm", "torchvision"),
    *("torch._dynamo", "torch._inductor", "transformers"),
)
WORK = """
import contextlib, sys
from pathlib import Path
from unprompt.cli import main

with Path("codes").open("w") as codes:
    for number, command in enumerate(sys.stdin.read().splitlines()):
        if command.startswith("doctor"):
            from unprompt.runs import doctor
            doctor.TRIAL_IMAGES = 2
        with Path(f"{number}.txt").open("w") as printed, contextlib.redirect_stdout(printed):
            code = main(command.split())
        print(code, command, file=codes)
        if number < 2:
            Path(f"{number}.imported").write_text(" ".join(sys.modules))
"""
TRIES = (
    "socket.create_connection(('192.0.2.1', 9), 0.1)",
    "socket.socket().connect_ex(('192.0.2.1', 9))",
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('2001:db8::1', 9))",
    "socket.getaddrinfo('example.org', 80)",
    "socket.gethostbyname('example.org')",
    "__import__('urllib.request').request.urlopen('http://example.org')",
)


@pytest.mark.parametrize("what", TRIES)
def test_a_program_that_tries_is_found_out(what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import socket; {what}"], env=offline(dict(os.environ)), capture_output=True
    )
    assert done.returncode == TRIED
    assert done.stderr.startswith(b"CONNECTION TRIED")


def test_this_machine_may_be_reached() -> None:
    work = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(('localhost', s.getsockname()[1])); socket.socketpair()"
    )
    subprocess.run([sys.executable, "-c", work], env=offline(dict(os.environ)), check=True)


def test_all_commands_are_watched() -> None:
    assert {command.split()[0] for command in COMMANDS if command != LOOK} | ELSEWHERE == set(NAMES)


@dataclass(frozen=True)
class Ran:
    """COMMANDS, which ran in `folder`: how their process ended, and each one's exit code.

    `refused`: why it had network interfaces; empty where it had none.
    """

    folder: Path
    done: subprocess.CompletedProcess[str]
    codes: dict[str, int]
    refused: str

    def printed(self, command: str) -> str:
        """What a command printed."""
        assert self.codes.get(command) == 0, self.done.stderr[-2000:]
        return (self.folder / f"{COMMANDS.index(command)}.txt").read_text(encoding="utf-8")

    def imported(self, command: str) -> set[str]:
        """The modules that were there after LOOK or PREDICT, which come first."""
        assert self.codes.get(command) == 0, self.done.stderr[-2000:]
        return set((self.folder / f"{COMMANDS.index(command)}.imported").read_text(encoding="utf-8").split())

    def told(self, command: str) -> dict[str, Any]:
        """What it printed, as JSON."""
        told: dict[str, Any] = json.loads(self.printed(command))
        return told


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("silence")
    write_inputs(folder)
    (folder / "codes").touch()
    allowed = subprocess.run(["unshare", "-rn", "true"], capture_output=True, text=True, check=False)
    alone = [] if allowed.returncode else ["unshare", "-rn"]
    done = subprocess.run(
        [*alone, sys.executable, "-c", WORK],
        input="\n".join(COMMANDS),
        cwd=folder,
        env=offline(dict(os.environ)),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(" ", 1) for line in (folder / "codes").read_text().splitlines()]
    refused = allowed.stderr.strip() or "it failed" if allowed.returncode else ""
    return Ran(folder, done, {command: int(code) for code, command in lines}, refused)


@pytest.mark.slow
def test_no_command_reaches_another_machine(ran: Ran) -> None:
    assert ran.done.returncode == 0, ran.done.stderr[-2000:]
    assert list(ran.codes) == list(COMMANDS)
    done = {command.split()[0] for command, code in ran.codes.items() if code == 0}
    assert set(NAMES) - ELSEWHERE - LARGE <= done


@pytest.mark.slow
def test_an_image_is_guessed_without_heavy_libraries(ran: Ran) -> None:
    after_look = ran.imported(LOOK)
    assert "torch" in after_look  # or nothing was guessed
    assert after_look.isdisjoint((*HEAVY, "polars"))
    assert ran.imported(PREDICT).isdisjoint(HEAVY)


@pytest.mark.slow
def test_predict_works_without_any_network_interface(ran: Ran) -> None:
    assert "prompts.csv" in ran.printed(PREDICT)
    assert read_submission(ran.folder / "RUN" / "submission.csv").ids == ("a", "b")
    if ran.refused:
        pytest.skip(f"with interfaces: unshare -rn is not allowed here: {ran.refused}")


@pytest.mark.slow
def test_doctor_measures_this_machine(ran: Ran) -> None:
    found = ran.told("doctor --images 1000 --out DEMO --json")
    assert found["trouble"] is None
    assert found["run_seconds"] == pytest.approx(found["load_seconds"] + 1000 * found["image_seconds"])
    assert found["free_bytes"] > 0
    assert found["versions"]["torch"]
    page = ran.printed("doctor --images 1000 --out DEMO")
    assert "1,000 images with the bundle 'lite'" in page
    assert "clip-vit-h-14" in page


@pytest.mark.slow
def test_demo_shows_photographs_and_scores_24_scenes(ran: Ran) -> None:
    shown = ran.printed("demo --out DEMO")
    names = [path.name for path in (ran.folder / "DEMO" / "samples" / "images").iterdir()]
    photographs = [Path(name).stem for name in names if name.startswith("photo-")]
    assert {"photo-china", "photo-flower"} <= set(photographs)  # scikit-learn's, which lite needs
    assert len(names) - len(photographs) == 24
    assert shown.count(" -> ") == 24 + len(photographs) + 2  # a row each, two headers
    assert all(f"  {one} " in shown for one in photographs)
    assert "95% interval" in shown
    assert "n = 24" in shown
    told = ran.told("demo --out DEMO --json")
    assert {one["imgId"] for one in told["photographs"]} == set(photographs)
    for one in told["scenes"]:
        assert f"{one['similarity']:6.3f}  {one['truth']} -> {one['prompt']}\n" in shown
    mean = sum(one["similarity"] for one in told["scenes"]) / 24
    assert told["score"]["score"] == pytest.approx(mean, abs=1e-6)
    report = Path(shown.strip().splitlines()[-1].removeprefix("report: "))
    assert report.read_text().startswith("<!")
    assert f"{len(photographs)} guesses without a true prompt, left out of the score" in report.read_text()
