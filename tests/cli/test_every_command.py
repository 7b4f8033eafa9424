"""No command reaches another machine. Servers are watched wherever tests start one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.silence import COMMANDS, TRIED, offline, write_inputs
from unprompt.cli import COMMANDS as NAMES

ELSEWHERE = {"blend", "pocket", "app", "serve"}  # blend reads two files; the others have tests of their own
LARGE = {"interrogate", "caption", "bank"}  # go as far as they come without large checkpoints
WORK = """
import sys
from pathlib import Path
from unprompt.cli import main

with Path("codes").open("w") as codes:
    for command in sys.stdin.read().splitlines():
        print(main(command.split()), command, file=codes)
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
    assert {command.split()[0] for command in COMMANDS} | ELSEWHERE == set(NAMES)


@pytest.mark.slow
def test_no_command_reaches_another_machine(tmp_path: Path) -> None:
    """One after the other in one process, which has to import their packages once."""
    write_inputs(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        input="\n".join(COMMANDS),
        cwd=tmp_path,
        env=offline(dict(os.environ)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    codes = [line.split(" ", 1) for line in (tmp_path / "codes").read_text().splitlines()]
    assert [command for _, command in codes] == list(COMMANDS)
    ran = {command.split()[0] for code, command in codes if code == "0"}
    assert set(NAMES) - ELSEWHERE - LARGE <= ran
