"""Sample scenes: pocket scenes with subjects that a network trained on ImageNet may know."""

from __future__ import annotations

from pathlib import Path

from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.scene import Scene, Thing
from unprompt.pocket.vocabulary import nouns
from unprompt.records import Prompts
from unprompt.storage.files import write_bytes, write_prompts
from unprompt.storage.images import encode_png

COUNT = 24
SIZE = 512
SEED = 0
SUBJECTS = (
    "lizard", "hammer", "lemon", "soccer ball", "computer mouse", "light bulb", "envelope", "cardboard box",
    "sunglasses", "chair", "alarm clock", "joystick", "safety pin", "fountain pen", "violin", "bicycle",
    "penguin", "spider", "honeybee", "banana", "elephant", "umbrella", "mushroom", "butterfly",
)  # fmt: skip
RELATIONS = ("next to", "to the left of", "and")
PLACES = (
    "on a white background", "on a green meadow", "on a sandy beach", "on a snowy field", "in the desert",
    "on a wooden table", "in a library", "on a city street",
)  # fmt: skip
LIGHTS = ("", "", "", "at sunset", "at night", "in the rain")
STYLES = ("", "", "a pencil sketch of", "a watercolor of", "an oil painting of", "pixel art of")


def sample_scenes(count: int, seed: int = SEED) -> list[Scene]:
    """`count` scenes of one or two subjects, none of which comes again before all have come.

    The same seed gives the same scenes.
    """
    dice = Dice(seed)
    left: list[str] = []
    scenes = []
    for number in range(count):
        things: list[Thing] = []
        for _ in range(1 if number % 3 else 2):
            left = left or list(SUBJECTS)
            noun = left.pop(dice.below(len(left)))
            things.append(Thing(noun, "a" if nouns()[noun].plural else "bare"))
        relations = tuple(dice.pick(RELATIONS) for _ in things[1:])
        scenes.append(
            Scene(
                tuple(things),
                relations,
                dice.pick(PLACES),
                dice.pick(LIGHTS),
                style=STYLES[number % len(STYLES)],
            )
        )
    return scenes


def sample_prompts(count: int = COUNT) -> Prompts:
    """The prompts of `count` scenes."""
    ids = tuple(f"scene-{number:02d}" for number in range(1, count + 1))
    return Prompts(ids, tuple(scene.prompt for scene in sample_scenes(count)))


def write_scenes(folder: Path, count: int = COUNT) -> Prompts:
    """Draw `count` scenes as PNG files into `folder`/images, with `folder`/prompts.csv."""
    truths = sample_prompts(count)
    for number, (image_id, scene) in enumerate(zip(truths.ids, sample_scenes(count), strict=True)):
        write_bytes(folder / "images" / f"{image_id}.png", encode_png(draw_scene(scene, number, SIZE)))
    write_prompts(folder / "prompts.csv", truths)
    return truths
