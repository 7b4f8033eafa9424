"""What shows that commands reach no other machine: programs that may not, and every command as it is used."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

BLOCKED = Path(__file__).with_name("blocked")
TRIED = 99  # the exit code of a program that tried to reach another machine
COMMANDS = (
    "./plain.png",
    "predict images --out RUN --truth prompts.csv",
    "info images",
    "info images --dataset OWN",
    "interrogate images --out prompted.csv",
    "caption images --out captions.csv",
    "score prompts.csv prompts.csv",
    "prompts --out made.csv --count 40",
    "filter made.csv --out kept.csv",
    "render kept.csv --out DATA",
    "describe DATA",
    "bank DATA --out BANK",
    "train DATA --out TRAINED --epochs 1 --backbone tf_efficientnet_lite0 --size 32",
    "tune DATA --out STUDY --trials 1 --config TRAINED/config.toml --batch 16",
    "page make images --out PAGES",
    "colour paint images/a.png a_red_square --out painted.png",
    "doodle name images",
    "doodle caption images --out doodles.csv",
    "doodle paint images/a.png --out photo.png",
    "easy-diffuser run images",
    "checkpoints list",
    "cache",
    "doctor --images 1000 --out DEMO --json",
    "doctor --images 1000 --out DEMO",
    "completion bash",
    "demo --out DEMO",
    "demo --out DEMO --json",
)
PROMPTS = "imgId,prompt\na,a red boat\nb,two green cats\n"


def offline(environment: dict[str, str]) -> dict[str, str]:
    """An environment in which a program ends with TRIED where it tries to reach another machine.

    It is not told to stay offline: it has to by itself.
    """
    places = [str(BLOCKED), *filter(None, [environment.get("PYTHONPATH")])]
    told = {name: value for name, value in environment.items() if "OFFLINE" not in name}
    return {**told, "PYTHONPATH": os.pathsep.join(places)}


def write_inputs(folder: Path) -> None:
    """What COMMANDS work on: two pictures with a black square and a prompt each, one of noise, prompts."""
    (folder / "images").mkdir()
    Image.effect_noise((64, 64), 100).save(folder / "plain.png")
    for name, edge in (("a", 40), ("b", 80)):
        picture = Image.new("RGB", (256, 256), "white")
        ImageDraw.Draw(picture).rectangle((60, 60, 60 + edge, 60 + edge), outline="black", width=6)
        prompt = PngInfo()
        prompt.add_text("parameters", f"a black square of {edge} pixels\nSteps: 20, Seed: 1")
        picture.save(folder / "images" / f"{name}.png", pnginfo=prompt)
    (folder / "prompts.csv").write_text(PROMPTS, encoding="utf-8")
