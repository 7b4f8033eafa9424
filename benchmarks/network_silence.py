"""Traces commands with strace and reports every address that they tried to reach.

    python benchmarks/network_silence.py            all commands
    python benchmarks/network_silence.py info page  those whose names begin so

Needs strace. `checkpoints fetch` and the web UI's client, which are there to connect, are not among them.
A command that cannot run, since a checkpoint is missing, is traced as far as it comes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(
    r"sa_family=AF_INET6?, .*?"
    r"(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")"
)
PROOF = """import socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    socket.socket(family).connect_ex((address, 9))
"""
PROMPTS = "imgId,prompt\na,a red boat\nb,two green cats\n"
COMMANDS = (
    "info images",
    "info images --dataset OWN",
    "predict images --out RUN --truth prompts.csv",
    "interrogate images --out prompted.csv",
    "caption images --out captions.csv",
    "score prompts.csv prompts.csv",
    "prompts --out made.csv --count 20",
    "filter made.csv --out kept.csv",
    "render kept.csv --out DATA",
    "describe DATA",
    "bank DATA --out BANK",
    "train DATA --out TRAINED --epochs 1",
    "tune DATA --out STUDY --trials 1",
    "page make images --out PAGES",
    "colour paint images/a.png a_red_square --out painted.png",
    "doodle name images",
    "doodle caption images --out doodles.csv",
    "doodle paint images/a.png --out photo.png",
    "easy-diffuser run images",
    "checkpoints list",
    "cache",
    "doctor",
    "completion bash",
    "demo --out DEMO",
)


def write_inputs(folder: Path) -> None:
    """Two pictures with a black square each, prompts in them, and a list of prompts."""
    (folder / "images").mkdir()
    for name, edge in (("a", 40), ("b", 80)):
        picture = Image.new("RGB", (256, 256), "white")
        ImageDraw.Draw(picture).rectangle((60, 60, 60 + edge, 60 + edge), outline="black", width=6)
        prompt = PngInfo()
        prompt.add_text("parameters", f"a black square of {edge} pixels\nSteps: 20, Seed: 1")
        picture.save(folder / "images" / f"{name}.png", pnginfo=prompt)
    (folder / "prompts.csv").write_text(PROMPTS, encoding="utf-8")


def reached(words: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    """A program's exit code, and the addresses that it or a process of its own spoke to."""
    trace = folder / "trace.txt"
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    options = f"-f --seccomp-bpf -qq -e trace={CALLS} -o {trace}"
    traced = ["strace", *options.split(), sys.executable, *words]
    done = subprocess.run(traced, cwd=folder, env=environment, capture_output=True, check=False)
    found = (match[1] or match[2] for match in ADDRESS.finditer(trace.read_text(errors="replace")))
    return done.returncode, list(dict.fromkeys(found))


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
        for command in COMMANDS:
            if asked and not command.startswith(asked):
                continue
            code, addresses = reached(["-m", "unprompt", *command.split()], folder)
            foreign = [address for address in addresses if not address.startswith(("127.", "::1"))]
            loud += bool(foreign)
            print(f"{command:60} exit {code}  {', '.join(addresses) or 'silent'}", flush=True)
    print(f"{loud} commands reached another machine")
    return int(loud > 0)


if __name__ == "__main__":
    sys.exit(main())
