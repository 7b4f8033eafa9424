"""Flat drawings made to look like photographs: texture, shading, shadow, clutter behind, a camera's faults.

A network that learns its lines from such pictures learns to pass over what is inside a thing (fur, bricks,
folds, reflections, grain) and to draw where one thing ends. The lines of a picture stay what they were.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring_pages.methods import Picture

    Plane = NDArray[np.float32]  # (H, W)
    Colours = NDArray[np.float32]  # (H, W, 3) or (3,), 0 to 1
    Labels = NDArray[np.int32]
    Mask = NDArray[np.bool_]

LEAST = 0.002  # of the pixels: a colour with fewer is an edge's mixture of two


def texture_like_a_photograph(flat: Picture, figure: Mask, random: np.random.Generator) -> Picture:
    """A flat drawing (H, W, 3) uint8 as a photograph of such a thing might look: (H, W, 3) uint8.

    `figure`: (H, W), the pixels that the drawing covers; what lies behind them is made up. Every area of one
    colour is textured by itself. Nothing is moved.
    """
    labels, colours = areas_of(flat, figure)
    picture = _background(figure.shape, random)
    picture *= 1 - _shadow(figure, random)[..., None]
    tint = random.uniform(0.75, 1.15, 3).astype(np.float32)
    for number, colour in enumerate(colours, start=1):
        inside = labels == number
        picture[inside] = _material(inside, colour * tint, random)[inside]
    picture[figure] *= _light(labels, random)[figure, None]
    return _photographed(np.clip(picture, 0, 1), random)


def areas_of(flat: Picture, figure: Mask) -> tuple[Labels, Colours]:
    """The areas of equal colour of a drawing: labels (H, W), 0 outside of the figure, and colours (N, 3).

    Pixels on an edge, whose colour is mixed, go to the nearest area.
    """
    packed = flat.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    values, counts = np.unique(packed[figure], return_counts=True)
    usual = values[counts >= max(4, LEAST * packed.size)]
    labels = np.zeros(figure.shape, np.int32)
    colours: list[Colours] = []
    for value in usual:
        found, count = ndimage.label((packed == value) & figure)
        labels[found > 0] = found[found > 0] + len(colours)
        colour = np.array([value >> 16, value >> 8 & 255, value & 255], np.float32)
        colours += [colour] * count
    if colours:
        nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
        labels = np.where(figure, labels[tuple(nearest)], 0).astype(np.int32)
    return labels, np.array(colours, np.float32).reshape(-1, 3) / np.float32(255)


def noise(shape: tuple[int, int], cell: float, random: np.random.Generator, octaves: int = 3) -> Plane:
    """Smooth noise, mean 0 and deviation 1, of patches about `cell` pixels wide and smaller ones on them."""
    whole = np.zeros(shape, np.float32)
    for octave in range(octaves):
        size = [max(2, round(length / max(1.0, cell / 2**octave)) + 1) for length in shape]
        small = Image.fromarray(random.normal(size=size).astype(np.float32))
        large = small.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
        whole += np.asarray(large, np.float32) / 2**octave
    whole -= whole.mean()
    whole /= max(1e-6, float(whole.std()))
    return whole


def _waves(shape: tuple[int, int], random: np.random.Generator) -> Plane:
    """Parallel stripes, bent a little, between -1 and 1."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle, period = random.uniform(0, np.pi), random.uniform(0.025, 0.12) * max(shape)
    along = rows * np.sin(angle) + columns * np.cos(angle)
    along += noise(shape, max(shape) / 3, random) * random.uniform(0, 0.4) * period
    stripes: Plane = np.sin(2 * np.pi * along / period).astype(np.float32)
    return np.sign(stripes) if random.random() < 0.4 else stripes


def _bricks(shape: tuple[int, int], random: np.random.Generator) -> Plane:
    """Courses of bricks or tiles: each of its own tone, joints -1.5."""
    height = max(3.0, random.uniform(0.04, 0.12) * shape[0])
    width, shift = height * random.choice([1.0, 2.0, 3.0]), random.choice([0.0, 0.5])
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    course = np.floor(rows / height)
    across = columns / width + course * shift
    tones = random.normal(size=(97, 89)).astype(np.float32) / 2
    plane = tones[course.astype(int) % 97, np.floor(across).astype(int) % 89]
    joint = (rows / height % 1 < 0.12) | (across % 1 < 0.12 * height / width)
    return np.where(joint, np.float32(-1.5), plane)


def _grains(shape: tuple[int, int], random: np.random.Generator) -> Plane:
    """Leaves, gravel, scales: cells around random points, each of its own tone and darker at its rim."""
    count = int(random.uniform(40, 400))
    points = random.integers(0, [shape[0], shape[1]], (count, 2))
    seeds = np.ones(shape, bool)
    seeds[points[:, 0], points[:, 1]] = False
    distance, nearest = ndimage.distance_transform_edt(seeds, return_indices=True)
    tones = random.normal(size=shape).astype(np.float32) / 2
    plane = tones[tuple(nearest)] - (distance / distance.max()) * random.uniform(0, 3)
    cells: Plane = (plane - plane.mean()).astype(np.float32)
    return cells


def _fur(shape: tuple[int, int], random: np.random.Generator) -> Plane:
    """Hair, grass, wood: noise smeared along one direction."""
    plane = random.normal(size=shape).astype(np.float32)
    long, short = random.uniform(3, 10), random.uniform(0.4, 1.0)
    plane = ndimage.gaussian_filter(plane, (long, short) if random.random() < 0.5 else (short, long))
    turned: Plane = ndimage.rotate(plane, random.uniform(-40, 40), reshape=False, order=1, mode="reflect")
    return turned / np.float32(max(1e-6, float(turned.std())))


def _clouds(shape: tuple[int, int], random: np.random.Generator) -> Plane:
    return noise(shape, random.uniform(0.02, 0.5) * max(shape), random)


PATTERNS = (_clouds, _waves, _bricks, _grains, _fur)


def _material(inside: Mask, colour: Colours, random: np.random.Generator) -> Colours:
    """A picture (H, W, 3) of a material of about this colour, made for the area `inside`."""
    tone = np.zeros(inside.shape, np.float32)
    if random.random() < 0.6:
        pattern = PATTERNS[random.integers(len(PATTERNS))]
        tone += pattern(inside.shape, random) * random.choice([0.03, 0.06, 0.12, 0.2])
    if random.random() < 0.5:  # light that falls off across the area
        rows, columns = np.mgrid[: inside.shape[0], : inside.shape[1]].astype(np.float32)
        angle = random.uniform(0, 2 * np.pi)
        slope = rows * np.sin(angle) + columns * np.cos(angle)
        tone += (slope - slope[inside].mean()) / max(inside.shape) * random.uniform(0, 0.9)
    hue = random.normal(0, 0.15, 3).astype(np.float32)
    return colour + tone[..., None] * (1 + hue) * (0.35 + colour)


def _light(labels: Labels, random: np.random.Generator) -> Plane:
    """How bright each pixel is, about 1: areas swell towards the viewer and are lit from one side."""
    inside = labels > 0
    if not inside.any() or random.random() < 0.2:
        return np.ones(labels.shape, np.float32)
    whole = random.random() < 0.5  # the figure as one cushion, or each area as one
    edges = inside if whole else inside & (ndimage.grey_dilation(labels, 3) == labels)
    depth = ndimage.distance_transform_edt(edges).astype(np.float32)
    swell = ndimage.gaussian_filter(np.sqrt(depth), max(labels.shape) * random.uniform(0.005, 0.03))
    rise, run = np.gradient(swell * random.uniform(1, 5))
    angle = random.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(angle), np.sin(angle), random.uniform(0.6, 1.6)])
    sun /= np.linalg.norm(sun)
    facing = (sun[2] - rise * sun[0] - run * sun[1]) / np.sqrt(1 + rise**2 + run**2)
    light = 1 + random.uniform(0.3, 0.9) * (facing - sun[2])
    if random.random() < 0.4:  # something shiny
        light += random.uniform(0.2, 0.8) * np.clip(facing, 0, 1) ** random.uniform(10, 60)
    found: Plane = light.astype(np.float32)
    return found


def _shadow(figure: Mask, random: np.random.Generator) -> Plane:
    """How much of the light the figure takes from what is behind it, 0 to 1."""
    if random.random() < 0.4:
        return np.zeros(figure.shape, np.float32)
    side = max(figure.shape)
    moved = ndimage.shift(figure.astype(np.float32), random.normal(0, 0.06 * side, 2), order=0)
    soft: Plane = ndimage.gaussian_filter(moved, random.uniform(0.01, 0.06) * side)
    return soft * random.uniform(0.2, 0.7)


def _background(shape: tuple[int, int], random: np.random.Generator) -> Colours:
    """What is behind: a wall, a ground and a sky, leaves out of focus; (H, W, 3)."""
    everywhere = np.ones(shape, bool)
    first, second = random.uniform(0, 1, (2, 3)).astype(np.float32)
    if random.random() < 0.35:
        first = second = np.full(3, random.uniform(0.6, 1), np.float32)  # a studio's
    picture = _material(everywhere, first, random)
    if random.random() < 0.4:  # a ground, and where it begins
        begins = int(shape[0] * random.uniform(0.45, 0.85))
        picture[begins:] = _material(everywhere, second, random)[begins:]
    if random.random() < 0.35:  # lights and leaves far behind
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        for _ in range(random.integers(3, 20)):
            centre, radius = random.uniform(0, shape), random.uniform(0.02, 0.15) * max(shape)
            disc = np.hypot(rows - centre[0], columns - centre[1]) < radius
            picture[disc] = 0.5 * picture[disc] + 0.5 * random.uniform(0, 1, 3)
    if random.random() < 0.7:
        blur = random.uniform(0, 0.04) * max(shape)
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    found: Colours = picture.astype(np.float32)
    return found


def _photographed(picture: Colours, random: np.random.Generator) -> Picture:
    """Exposure, a soft lens, a sensor's noise and JPEG's blocks."""
    picture = picture ** np.float32(random.uniform(0.7, 1.5))
    blur = random.choice([0.0, 0.0, 0.5, 0.9, 1.4])
    if blur:
        picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    grain = random.normal(0, random.choice([0, 0.01, 0.03, 0.06]), picture.shape)
    image = Image.fromarray((np.clip(picture + grain, 0, 1) * 255).round().astype(np.uint8))
    if random.random() < 0.5:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(random.integers(35, 96)))
        image = Image.open(stream, formats=("JPEG",)).convert("RGB")
    return np.asarray(image, np.uint8)
