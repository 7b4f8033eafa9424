"""What txt2img paints with: a Stable Diffusion folder, or the pocket world."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from unprompt.errors import ConfigError, UnpromptError
from unprompt.painting.engine import Picture
from unprompt.serving.stops import SkippedError

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.diffusion.engine import Sd2Engine, Sd2Renderer
    from unprompt.progress import Tell


class NotHereError(UnpromptError):
    """A model, sampler or painter that this server does not have."""


@dataclass(frozen=True)
class Sampler:
    """A sampler by the web UI's name, and the scheduler of `unprompt render` that it is."""

    name: str
    aliases: tuple[str, ...]
    scheduler: str


SAMPLERS = (
    Sampler("Euler", ("k_euler", "euler"), "euler"),
    Sampler("Euler a", ("k_euler_a", "k_euler_ancestral", "euler-a"), "euler-a"),
    Sampler("Euler Karras", ("k_euler_ka", "euler-karras"), "euler-karras"),
    Sampler("Heun", ("k_heun", "heun"), "heun"),
    Sampler("Heun Karras", ("k_heun_ka", "heun-karras"), "heun-karras"),
    Sampler("DPM++ 2M", ("k_dpmpp_2m", "dpmsolver++"), "dpmsolver++"),
    Sampler("DPM++ 2M Karras", ("k_dpmpp_2m_ka", "dpmsolver++-karras"), "dpmsolver++-karras"),
    Sampler("DDIM", ("ddim",), "ddim"),
    Sampler("PLMS", ("plms", "pndm"), "pndm"),
    Sampler("UniPC", ("unipc",), "unipc"),
)


@dataclass(frozen=True)
class Schedule:
    """How steps are spread over the noise: the web UI's "scheduler", by its name and label there."""

    name: str
    label: str
    default_rho: float = -1.0


SCHEDULES = (
    Schedule("automatic", "Automatic"),
    Schedule("uniform", "Uniform"),
    Schedule("karras", "Karras", default_rho=7.0),
)
KARRAS = " Karras"  # ends the names of samplers that have a sibling without it
# A sampler and a schedule that together are another of SAMPLERS, beside those with and without KARRAS. In the
# web UI "Automatic" is a sampler's own, which for DPM++ 2M is Karras'; asked for by its name in
# `unprompt render`, it is what it is there.
JOINED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("DPM++ 2M", "automatic"): "DPM++ 2M Karras",
    }
)
FIXED = ("DDIM", "PLMS", "UniPC")  # samplers whose steps no schedule changes, in the web UI too


def find_sampler(name: str, scheduler: str | None = None) -> Sampler:
    """The sampler of a name or alias, in any case, with the web UI's scheduler applied to it.

    Raises NotHereError for one that is not here, ConfigError for a scheduler that does not go with it.
    """
    by_name = {label.lower(): one for one in SAMPLERS for label in (one.name, *one.aliases)}
    sampler = by_name.get(name.lower())
    if sampler is None:
        raise NotHereError(
            f"there is no sampler '{name[:60]}'; here are {', '.join(one.name for one in SAMPLERS)}"
        )
    by_label = {label.lower(): one.name for one in SCHEDULES for label in (one.name, one.label)}
    schedule = by_label.get((scheduler or "automatic").lower())
    if schedule is None:
        here = ", ".join(one.label for one in SCHEDULES)
        raise ConfigError(f"there is no scheduler '{str(scheduler)[:60]}'; here are {here}")
    if schedule == "automatic" and name.lower() == sampler.scheduler:
        return sampler
    if (sampler.name, schedule) in JOINED:
        return by_name[JOINED[sampler.name, schedule].lower()]
    if schedule == "automatic" or sampler.name in FIXED:
        return sampler
    plain = sampler.name.removesuffix(KARRAS)
    wanted = by_name.get((plain + KARRAS if schedule == "karras" else plain).lower())
    if wanted is None:
        raise ConfigError(
            f"scheduler '{schedule}' does not go with the sampler '{sampler.name}'; send 'automatic'"
        )
    return wanted


@dataclass(frozen=True, eq=False)
class Start:
    """A picture that painting begins with, RGB and of the order's size, and how much of it may change.

    `strength`: above 0, where nothing would change, to 1, where nothing is left of it.
    """

    image: Image.Image
    strength: float


@dataclass(frozen=True)
class Order:
    """Pictures to be painted: one a seed, in portions of `batch` at a time where the memory takes them."""

    prompt: str
    seeds: tuple[int, ...]
    width: int
    height: int
    batch: int = 1
    negative_prompt: str = ""
    steps: int = 50
    guidance: float = 7.0
    sampler: Sampler = SAMPLERS[0]
    eta: float | None = None
    start: Start | None = None

    @property
    def pictures(self) -> list[Picture]:
        """In the engines' terms."""
        return [Picture(f"picture {number}", self.prompt, seed) for number, seed in enumerate(self.seeds, 1)]


class Painter(Protocol):
    """Something that is loaded and makes pictures. `check` is quick, `paint` runs in the model's thread."""

    @property
    def title(self) -> str:
        """What /sdapi/v1/sd-models calls it."""

    @property
    def unused(self) -> tuple[str, ...]:
        """Fields of txt2img that have no effect on its pictures."""

    def check(self, order: Order) -> None:
        """Raise ConfigError for an order that it cannot paint."""

    def notes(self, order: Order) -> list[str]:
        """What whoever ordered should know about the pictures."""

    def paint(self, order: Order, tell: Tell) -> Iterator[tuple[int, Image.Image]]:
        """A seed and its RGB image, one after the other.

        `tell` hears of every step. It may end the work by raising, and what it is at by SkippedError.
        """


class PocketPainter:
    """The pocket world: it draws what it understands of a prompt, and knows no steps."""

    title = "pocket"
    unused = (
        "negative_prompt", "steps", "cfg_scale", "sampler_name", "eta", "CLIP_stop_at_last_layers", "sd_vae",
        "eta_noise_seed_delta",
    )  # fmt: skip

    @classmethod
    def open(cls) -> PocketPainter:
        """Ready; here, not at the first request, shows whether the drawings are there (InputError)."""
        from unprompt.pocket.drawings import shape
        from unprompt.pocket.vocabulary import nouns

        shape(next(iter(nouns().values())).drawing)
        return cls()

    def check(self, order: Order) -> None:
        """Its pictures are of words alone. Raises InputError where it knows nothing in them."""
        from unprompt.pocket.grammar import read_near_scene

        if order.start:
            raise ConfigError(
                "img2img needs Stable Diffusion, the pocket world draws from words alone; start the server "
                "with --sd FOLDER, or use txt2img"
            )
        read_near_scene(order.prompt)

    def notes(self, order: Order) -> list[str]:
        """That it is no Stable Diffusion, and what of the prompt is not drawn."""
        from unprompt.pocket.grammar import read_near_scene

        scene, left_out = read_near_scene(order.prompt)
        notes = ["drawn by the pocket world, which is not Stable Diffusion"]
        if left_out:
            parts = ", ".join(f"'{part}'" for part in left_out)
            notes.append(f"drawn: '{scene.prompt}'; not understood and left out: {parts}")
        return notes

    def paint(self, order: Order, tell: Tell) -> Iterator[tuple[int, Image.Image]]:
        """Draw one after the other."""
        from unprompt.pocket.draw import draw_scene
        from unprompt.pocket.grammar import read_near_scene

        scene, _ = read_near_scene(order.prompt)
        for number, seed in enumerate(order.seeds):
            try:
                tell(number, len(order.seeds))
            except SkippedError:
                continue
            yield seed, draw_scene(scene, seed, order.width, order.height)


class Sd2Painter:
    """Stable Diffusion through diffusers, loaded once; each order brings its own size, steps and sampler."""

    unused = ()

    def __init__(self, renderer: Sd2Renderer, folder: Path) -> None:
        self.title = folder.name
        self._renderer = renderer
        self._folder = folder

    @classmethod
    def open(cls, model: str | None, device: str) -> Sd2Painter:
        """Load a folder, or a declared checkpoint; None: the engine's own.

        Raises CheckpointError and RunError as the engine does.
        """
        from unprompt.diffusion.engine import Sd2Engine
        from unprompt.diffusion.model import LAYOUT
        from unprompt.networks.checkpoints import folder_of

        engine = Sd2Engine(model=model or Sd2Engine.model, device=device, save_size=None)
        return cls(engine.open(), folder_of(engine.model, LAYOUT).resolve())

    def check(self, order: Order) -> None:
        """Raise ConfigError for sizes and numbers that the engine does not take, and for another noise."""
        engine = self._engine(order)
        if order.start and engine.steps * order.start.strength < 1:
            raise ConfigError(
                f"denoising_strength {order.start.strength:g} of {engine.steps} steps is less than one step, "
                "which changes nothing; send more of either"
            )
        if order.sampler.name == "Euler a" and order.eta not in (None, 1):
            raise ConfigError(
                f"'Euler a' always adds all its noise here; send eta 1 or none, got {order.eta:g}"
            )

    def notes(self, order: Order) -> list[str]:
        """Whether the end of a prompt is not read."""
        from unprompt.diffusion.model import find_too_long

        texts = (order.prompt, order.negative_prompt)
        cut = find_too_long(self._renderer.pipeline.tokenizer, texts)
        names = ("prompt", "negative_prompt")
        return [f"{names[row]} is longer than the model reads; its end has no effect" for row in cut]

    def paint(self, order: Order, tell: Tell) -> Iterator[tuple[int, Image.Image]]:
        """Paint in batches, telling every step of the scheduler."""
        from unprompt.diffusion.engine import Sd2Renderer
        from unprompt.diffusion.memory import automatic_batch
        from unprompt.diffusion.model import repainting

        engine = self._engine(order)
        batch = min(order.batch, automatic_batch(engine.device, engine.width, engine.height, engine.dtype))
        pipeline = self._renderer.pipeline
        pipeline.scheduler = self._scheduler(engine.scheduler)
        start = order.start
        if start:
            pipeline = repainting(pipeline)
        renderer = Sd2Renderer(engine, pipeline, batch, eta=order.eta or 0.0)
        pictures = order.pictures
        begun = 0
        while begun < len(pictures):
            portion = pictures[begun : begun + renderer.batch]  # fewer, once memory has run out
            renderer.tell = _in_all(tell, begun, len(portion), len(pictures))
            begun += len(portion)
            try:
                images = (
                    renderer.repaint(portion, start.image, start.strength)
                    if start
                    else renderer.render(portion)
                )
            except SkippedError:
                continue
            yield from zip((picture.seed for picture in portion), images, strict=True)

    def _engine(self, order: Order) -> Sd2Engine:
        return replace(
            self._renderer.engine,
            steps=order.steps,
            guidance=order.guidance,
            width=order.width,
            height=order.height,
            scheduler=order.sampler.scheduler,
            negative_prompt=order.negative_prompt
            if order.guidance > 1
            else "",  # without guidance it has no effect
        )

    def _scheduler(self, name: str) -> Any:
        """A new scheduler with the model's own noise schedule, as schedulers count their steps."""
        import diffusers

        from unprompt.diffusion.model import SCHEDULERS
        from unprompt.storage.files import read_json

        class_name, changes = SCHEDULERS[name]
        settings = read_json(self._folder / "scheduler" / "scheduler_config.json")
        return getattr(diffusers, class_name).from_config(settings, **changes)


def _in_all(tell: Tell, before: int, now: int, pictures: int) -> Tell:
    """What is told the steps of `now` pictures of an order, to tell those of all its pictures."""

    def told(done: int, total: int) -> None:
        steps = total // now
        tell(before * steps + done, pictures * steps)

    return told


# By name: how it is opened, from a model (None where none was named) and a device. "none": no txt2img.
PAINTERS: Mapping[str, Callable[[str | None, str], Painter | None]] = MappingProxyType(
    {
        "pocket": lambda model, device: PocketPainter.open(),
        "sd2": Sd2Painter.open,
        "none": lambda model, device: None,
    }
)


def open_painter(name: str, model: str | None, device: str) -> Painter | None:
    """Load what txt2img paints with; a model is Stable Diffusion's, whatever the name.

    Raises CheckpointError or InputError where something that it needs is missing.
    """
    return PAINTERS["sd2" if model is not None else name](model, device)
