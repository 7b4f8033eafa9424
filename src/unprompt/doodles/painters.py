"""What paints a drawing: the pocket world, Stable Diffusion from local folders, or a web UI over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from unprompt.doodles.drawing import Drawing
from unprompt.doodles.paint_config import (
    CONTROLNET,
    CONTROLNET_IMG2IMG,
    IMG2IMG,
    LOOSELY,
    POCKET,
    T2I_ADAPTER,
    TXT2IMG,
    WEBUI,
    DoodlePaint,
)
from unprompt.doodles.sheet import black_on_white, nearest_sides, white_on_black
from unprompt.doodles.wording import STYLES, negative_prompt_of
from unprompt.errors import CheckpointError
from unprompt.painting.watch import Watch
from unprompt.painting.webui_config import Auth, find_auth
from unprompt.text.english import list_in_words

if TYPE_CHECKING:
    import httpx
    from PIL import Image

    from unprompt.diffusion.engine import Sd2Engine, Sd2Renderer
    from unprompt.doodles.name import Names
    from unprompt.doodles.pocket_scene import Told
    from unprompt.painting.engine import Picture

    Renderer = Callable[[Sequence[Picture]], list[Image.Image]]

INSTALLED = ("stable-diffusion-1-5", "stable-diffusion-2")  # looked for where no model is named


def pass_over(_: Image.Image) -> None:
    """What takes pictures where nobody wants them before all are done."""


@dataclass(frozen=True, eq=False)
class Order:
    """Pictures to be painted of a drawing, one a seed.

    `watch`: is told of every step, and can end it all. `take`: is given each picture as soon as it is done.
    """

    drawing: Drawing
    prompt: str
    negative_prompt: str
    seeds: tuple[int, ...]
    config: DoodlePaint
    watch: Watch = field(default_factory=Watch)
    take: Callable[[Image.Image], None] = pass_over


class Made(NamedTuple):
    """Pictures, and sentences about what of their order is not as it was asked for."""

    images: list[Image.Image]
    told: list[str]


class Painter(Protocol):
    """Something that is loaded and paints drawings. A picture depends on its seed, not on its neighbours."""

    @property
    def name(self) -> str:
        """One of PAINTERS, and what it paints with."""

    def paint(self, order: Order) -> Made:
        """One RGB image a seed, in order, of the order's width and height; `order.take` has had each.

        Raises StoppedError where the order's watch was told to stop.
        """


class PocketPainter:
    """Draws what it understands of the prompt, each thing where the drawing has it."""

    name = POCKET

    def __init__(self, namer: Names | None = None) -> None:
        """`namer`: tells which strokes are which thing, where there are several kinds."""
        self._namer = namer

    def paint(self, order: Order) -> Made:
        """Raises InputError where it has a drawing of nothing that the prompt names."""
        from unprompt.doodles.pocket_paint import paint_told
        from unprompt.doodles.spots import find_spots

        told, config = self._read(order), order.config
        said = ["drawn by the pocket world, which is not Stable Diffusion", *told.told]
        spots = []
        if config.follow != LOOSELY:
            spots = find_spots(order.drawing, told.all_facts, self._namer)
            if not spots:
                said.append("which strokes are which thing is not known, so things lie as the words say")
        images: list[Image.Image] = []
        for seed in order.seeds:
            order.watch.tell(len(images), len(order.seeds))
            images.append(paint_told(told, spots, config.follow, seed, config.width, config.height))
            order.take(images[-1])
        return Made(images, [*said, *_told_of_unused(order, POCKET)])

    @staticmethod
    def _read(order: Order) -> Told:
        from unprompt.doodles.pocket_scene import read_caption

        told = read_caption(order.prompt)
        return replace(told, style=told.style or STYLES[order.config.style].pocket)


class SdPainter:
    """A Stable Diffusion that was loaded once; each order brings its own size, steps and strength."""

    def __init__(self, kind: str, renderer: Sd2Renderer, title: str, network: Any = None) -> None:
        """`kind`: one of PAINTERS; `network`: a ControlNet or T2I-Adapter where that needs one."""
        self.name = f"{kind}, {title}"
        self._kind = kind
        self._renderer = renderer
        self._network = network

    @classmethod
    def open(cls, kind: str, config: DoodlePaint) -> SdPainter:
        """Load a model, and what it follows drawings with. CheckpointError, ConfigError and RunError."""
        from unprompt.diffusion.engine import Sd2Engine
        from unprompt.diffusion.model import LAYOUT
        from unprompt.diffusion.scribble import load_control
        from unprompt.networks.checkpoints import folder_of

        model = _model(config)
        engine = Sd2Engine(
            model=model, device=config.device, dtype=config.dtype, scheduler=config.scheduler, save_size=None
        )
        renderer = engine.open()
        network = None
        if kind in (CONTROLNET, CONTROLNET_IMG2IMG):
            assert config.controlnet is not None
            network = load_control(config.controlnet, CONTROLNET, renderer.pipeline)
        elif kind == T2I_ADAPTER:
            assert config.adapter is not None
            network = load_control(config.adapter, T2I_ADAPTER, renderer.pipeline)
        return cls(kind, renderer, folder_of(model, LAYOUT).name, network)

    def paint(self, order: Order) -> Made:
        """Raises RunError where a picture does not fit into the memory, or is not finite."""
        from unprompt.painting.engine import Picture

        renderer, render = self._renderer_of(order)
        pictures = [Picture(f"picture {n}", order.prompt, seed) for n, seed in enumerate(order.seeds, 1)]
        order.watch.check()  # loading the model took its time
        images: list[Image.Image] = []
        while len(images) < len(pictures):
            batch = pictures[len(images) : len(images) + renderer.batch]
            renderer.tell = partial(_tell_of_all, order.watch, len(images), len(batch), len(pictures))
            for image in render(batch):
                images.append(_sized(image, order.config))
                order.take(images[-1])
        return Made(images, self._told(order))

    def _renderer_of(self, order: Order) -> tuple[Sd2Renderer, Renderer]:
        """What renders an order, and the way in which it does."""
        from unprompt.diffusion.engine import Sd2Renderer
        from unprompt.diffusion.memory import automatic_batch
        from unprompt.diffusion.model import repainting
        from unprompt.diffusion.scribble import Control, ScribbleRenderer

        engine, pipeline, numbers = self._engine(order), self._renderer.pipeline, order.config.numbers
        size = (engine.width, engine.height)
        batch = automatic_batch(engine.device, *size, engine.dtype)
        if self._kind == TXT2IMG:
            plain = Sd2Renderer(engine, pipeline, batch)
            return plain, plain.render
        if self._kind == IMG2IMG:
            begun = black_on_white(order.drawing, *size)
            repainter = Sd2Renderer(engine, repainting(pipeline), batch)
            return repainter, lambda pictures: repainter.repaint(pictures, begun, numbers.strength)
        kind = T2I_ADAPTER if self._kind == T2I_ADAPTER else CONTROLNET
        scribbling = ScribbleRenderer(engine, pipeline, batch, self._network, kind)
        control = Control(white_on_black(order.drawing, *size), numbers.conditioning, numbers.until)
        if self._kind == CONTROLNET_IMG2IMG:
            begun = black_on_white(order.drawing, *size)
            return scribbling, lambda pictures: scribbling.refollow(
                pictures, control, begun, numbers.strength
            )
        return scribbling, lambda pictures: scribbling.follow(pictures, control)

    def _told(self, order: Order) -> list[str]:
        """Whether the size was rounded, whether the end of a prompt is not read, and what is not used."""
        from unprompt.diffusion.model import find_too_long

        texts = {"prompt": order.prompt, "negative prompt": order.negative_prompt}
        cut = find_too_long(self._renderer.pipeline.tokenizer, list(texts.values()))
        long = [
            f"the {list(texts)[row]} is longer than the model reads; its end has no effect" for row in cut
        ]
        return [*_told_of_size(order.config), *long, *_told_of_unused(order, self._kind)]

    def _engine(self, order: Order) -> Sd2Engine:
        config = order.config
        width, height = nearest_sides(config.width, config.height)
        return replace(
            self._renderer.engine,
            steps=config.steps,
            guidance=config.guidance,
            width=width,
            height=height,
            negative_prompt=order.negative_prompt if config.guidance > 1 else "",
        )


class WebUIPainter:
    """A Stable Diffusion web UI: img2img of the drawing, with its ControlNet extension where one is named."""

    name = WEBUI

    def __init__(
        self, url: str, transport: httpx.BaseTransport | None = None, auth: Auth | None = None
    ) -> None:
        """`transport`: in place of the network. `auth`: user and password of the server's --api-auth."""
        self._url = url
        self._transport = transport
        self._auth = auth

    def paint(self, order: Order) -> Made:
        """One request a picture. Raises WebUIError for all that goes wrong with the server."""
        from unprompt.painting.webui_img2img import paint_over

        made: list[Image.Image] = []
        for seed in order.seeds:
            order.watch.tell(len(made), len(order.seeds))
            fields = webui_fields(order, seed)
            image = paint_over(self._url, fields, self._transport, self._auth, order.watch)
            made.append(_sized(image, order.config))
            order.take(made[-1])
        return Made(made, [*_told_of_size(order.config), *_told_of_unused(order, WEBUI)])


def webui_fields(order: Order, seed: int) -> dict[str, Any]:
    """What /sdapi/v1/img2img is asked for, with the ControlNet extension's unit where its model is named."""
    from unprompt.painting.webui_img2img import controlnet_unit, img2img_fields

    config, numbers = order.config, order.config.numbers
    sides = nearest_sides(config.width, config.height)
    unit = None
    if config.webui_controlnet:
        lines = white_on_black(order.drawing, *sides)
        unit = controlnet_unit(lines, config.webui_controlnet, numbers.conditioning, numbers.until)
    return img2img_fields(
        black_on_white(order.drawing, *sides),
        order.prompt,
        order.negative_prompt,
        numbers.strength,
        config.guidance,
        config.steps,
        seed,
        unit,
    )


def open_painter(config: DoodlePaint, namer: Names | None = None) -> Painter:
    """The painter of the settings, loaded. Raises CheckpointError, ConfigError and RunError as painters do.

    `auto` is the web UI where an address is given, what has a folder where one is named, img2img where a
    Stable Diffusion is named or installed, and else the pocket world.
    """
    kind = choose_kind(config)
    config.check_steps(kind)
    if kind == POCKET:
        return PocketPainter(namer)
    if kind == WEBUI:
        assert config.url is not None
        return WebUIPainter(config.url, auth=find_auth())
    return SdPainter.open(kind, config)


def check_painter(config: DoodlePaint) -> None:
    """Raise what opening the painter of the settings would for what is not there; nothing is loaded."""
    kind = choose_kind(config)
    config.check_steps(kind)
    if kind == WEBUI:
        from unprompt.painting.webui import check_address

        assert config.url is not None
        check_address(config.url)
        find_auth()
    if kind in (POCKET, WEBUI):
        return
    from unprompt.diffusion.model import LAYOUT, model_files
    from unprompt.diffusion.scribble import check_control
    from unprompt.networks.checkpoints import folder_of

    model_files(folder_of(_model(config), LAYOUT))
    for folder, network in ((config.controlnet, CONTROLNET), (config.adapter, T2I_ADAPTER)):
        if folder is not None:
            check_control(folder, network)


def _model(config: DoodlePaint) -> str:
    """The Stable Diffusion that is named, else one that is installed, else the one to ask for."""
    from unprompt.diffusion.engine import Sd2Engine

    return config.model or installed_model() or Sd2Engine.model


def choose_kind(config: DoodlePaint) -> str:
    """Which of PAINTERS settings mean: what `auto` stands for here."""
    return config.named_painter or (IMG2IMG if installed_model() else POCKET)


def installed_model() -> str | None:
    """The first of INSTALLED that is on this machine."""
    from unprompt.networks.checkpoints import locate

    for name in INSTALLED:
        try:
            locate(name)
        except CheckpointError:
            continue
        return name
    return None


def _told_of_size(config: DoodlePaint) -> list[str]:
    size = nearest_sides(config.width, config.height)
    if size == (config.width, config.height):
        return []
    return [
        f"painted at {size[0]} x {size[1]}, since Stable Diffusion's sides are multiples of 8, and scaled to "
        f"{config.width} x {config.height}"
    ]


def _told_of_unused(order: Order, kind: str) -> list[str]:
    """A sentence about what was asked for and is nothing to a painter of this kind, if there is such."""
    config = order.config
    unused = [name.replace("_", " ") for name in config.unused_by(kind)]
    own = order.negative_prompt not in ("", negative_prompt_of(config.style))
    if own and (kind == POCKET or config.guidance == 1):
        unused.append("the negative prompt")
    if not unused:
        return []
    who = {POCKET: "the pocket world", WEBUI: "the web UI"}.get(kind, kind)
    why = " at guidance 1" if unused == ["the negative prompt"] and kind != POCKET else ""
    return [f"{who} makes no use of {list_in_words(unused)}{why}"]


def _tell_of_all(watch: Watch, before: int, now: int, pictures: int, done: int, total: int) -> None:
    """Tell a watch of the steps of all pictures, of which some were `before` and `now` are being painted."""
    steps = total // now
    watch.tell(before * steps + done, pictures * steps)


def _sized(image: Image.Image, config: DoodlePaint) -> Image.Image:
    from PIL import Image

    size = (config.width, config.height)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
