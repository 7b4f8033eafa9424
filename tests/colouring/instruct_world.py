"""What tests of InstructPix2Pix share: balls in four colours, their outlines, and settings for seconds."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from unprompt.colouring.instruct_config import InstructMachine

COLOURS = ("red", "green", "blue", "yellow")
MACHINE = InstructMachine(
    device="cpu", gradient_checkpointing=False, samples=0, checkpoint_steps=0, save_minutes=9.0
)


def draw_balls(folder: Path, size: int = 32, captions: bool = True) -> Path:
    """Four pairs in two folders with a CSV; each ball is off the middle, so that a mirrored one differs."""
    (folder / "line").mkdir(parents=True)
    (folder / "colour").mkdir()
    rows = ["source,target,caption" if captions else "source,target"]
    for number, colour in enumerate(COLOURS):
        box = (2, 4, size // 2 + 2 * number, size - 4)
        for kind, fill in (("line", None), ("colour", colour)):
            picture = Image.new("RGB", (size, size), "white")
            ImageDraw.Draw(picture).ellipse(box, outline="black", width=2, fill=fill)
            picture.save(folder / kind / f"{number}.png")
        rows.append(f"{number}.png,{number}.png" + (f",a {colour} ball" if captions else ""))
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    return folder
