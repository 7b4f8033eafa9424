"""The server: its endpoints around one worker, and how it starts and ends.

The bundle and the painter are loaded before the server listens: a server that answers is ready.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, TypeVar

import uvicorn
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, RedirectResponse
from PIL import Image

from unprompt import __version__
from unprompt.api import colours, contract, doodles, pages, painting_orders
from unprompt.api.auth import BasicAuth, Credentials
from unprompt.api.base64_pictures import bytes_of, decode
from unprompt.api.bodies import LARGE, BodyLimit, JsonRoute, StrictJsonRoute, describe_repeated
from unprompt.api.config import (
    MOST_BODY,
    MOST_IMAGE_MB,
    MOST_IMAGES,
    MOST_TEXTS,
    ServeConfig,
)
from unprompt.api.description import describe
from unprompt.api.errors import HungUpError, TooLittleMemoryError, add_handlers
from unprompt.api.looking import look_at_each
from unprompt.api.origins import ANY, CheckedOrigin, HeadAsGet
from unprompt.api.png_info import read_png_info
from unprompt.bundle.loaded import LoadedBundle, Prediction
from unprompt.colouring.paint_config import PaintConfig
from unprompt.easy_diffuser.config import NegativeConfig
from unprompt.easy_diffuser.negative import Negative, chosen_words, find_negative, join_negative
from unprompt.errors import ConfigError, UnpromptError, UnreadableImageError
from unprompt.interrogator.modes import Interrogation
from unprompt.progress import Tell
from unprompt.serving.connections import CarefulConnection
from unprompt.serving.hosts import shorten
from unprompt.serving.one_thread import OneThread
from unprompt.serving.painters import (
    SAMPLERS,
    SCHEDULES,
    NotHereError,
    Order,
    Painter,
    open_painter,
)
from unprompt.serving.stops import InterruptedWorkError
from unprompt.serving.worker import Kind, Worker
from unprompt.storage.memory import give_back

T = TypeVar("T")
CLIP = "clip"  # the web UI's name for its interrogator
LOG = logging.getLogger(__name__)
MOST_LOGGED = 100  # keys that are passed over and said so in the log
MODES_TOGETHER = 4  # images of several requests that one call interrogates; a mode can take seconds an image

STATUSES = {
    400: "the body cannot be read as JSON",
    401: "user and password are missing or wrong",
    403: "a page of another site, or a name that is not the server's",
    404: "a model, sampler or mode that is not here",
    408: "the body stopped coming",
    413: "the body is too large",
    422: "a value or key that cannot be taken, or an image that cannot be read",
    503: "too many requests are waiting; see Retry-After",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": contract.Refusal, "description": text} for status, text in STATUSES.items()
}

PNG = "image/png"
BINARY = {"schema": {"type": "string", "format": "binary"}}
UPLOADED: dict[int | str, dict[str, Any]] = {200: {"description": "the picture", "content": {PNG: BINARY}}}
UPLOADS = {
    "requestBody": {
        "required": True,
        "description": "a PNG, JPEG or WebP file",
        "content": dict.fromkeys((PNG, "image/jpeg", "image/webp", "application/octet-stream"), BINARY),
    }
}


class Service:
    """What the endpoints have in common: a loaded bundle, a painter or none, and the worker for both."""

    def __init__(self, loaded: LoadedBundle, painter: Painter | None, worker: Worker) -> None:
        self.loaded = loaded
        self.painter = painter
        self.worker = worker
        self._embed = Kind("embed", self._embedded, MOST_TEXTS)
        self._read = Kind("predict", partial(self._of_images, loaded.predict), MOST_IMAGES)
        self._modes = {
            mode: Kind(
                "interrogate",
                partial(self._of_images, partial(loaded.interrogate, mode=mode)),
                MODES_TOGETHER,
            )
            for mode in loaded.modes
        }
        self._negative = Kind(
            "interrogate",
            partial(self._of_images, lambda images: [find_negative(loaded, image) for image in images]),
            MODES_TOGETHER,
        )
        self._paint = Kind("txt2img", self._painted, can_stop=True)
        self._repaint = Kind("img2img", self._painted, can_stop=True)
        self._png_info = Kind("png-info", lambda contents, _: [_told(content) for content in contents])
        self._pages = Kind("page", lambda orders, _: [pages.make_page(order) for order in orders])
        self._colours = Kind("colour", lambda orders, _: [colours.colour(order) for order in orders])
        self._doodles = Kind(
            "doodle", lambda orders, _: [doodles.tell(order, loaded.device) for order in orders]
        )
        self._passed_over: set[str] = set()
        self._starts = OneThread("starts")  # what is painted over is decoded here, one at a time

    async def embed(self, texts: Sequence[str]) -> Sequence[list[float]]:
        """N texts -> N rows of 384 numbers."""
        return await self.worker.run(self._embed, texts)

    async def predict(self, images: Sequence[str]) -> list[Prediction]:
        """Base64 images -> what the bundle makes of them. Raises UnreadableImageError that says which."""
        return await self._look(self._read, images, [f"image {n}" for n in range(1, len(images) + 1)])

    async def interrogate(self, image: str, model: str) -> str:
        """A base64 image -> its prompt, by the bundle's own way or by a mode."""
        if model == CLIP:
            [prediction] = await self._look(self._read, [image], ["the image"])
            if not prediction.prompt:
                raise NotHereError(
                    f"the bundle '{self.loaded.bundle.name}' makes only embeddings; they are at /v1/predict"
                )
            return str(prediction.prompt)
        if model not in self._modes:
            here = ", ".join((CLIP, *self._modes))
            raise NotHereError(f"there is no model '{shorten(model)}' to interrogate with; here are {here}")
        found: list[Interrogation] = await self._look(self._modes[model], [image], ["the image"])
        return found[0].prompt

    async def negative(self, request: contract.NegativeRequest) -> contract.NegativeAnswer:
        """An image's negative prompt, with the usual words that are asked for."""
        words = chosen_words(NegativeConfig(tuple(request.words), tuple(request.without_words)))
        found: list[Negative] = await self._look(self._negative, [request.image], ["the image"])
        text = join_negative(found[0].text, words) if words else found[0].text
        return contract.NegativeAnswer(negative_prompt=text, why_not=found[0].why_not)

    async def paint(self, request: contract.PaintRequest) -> contract.PaintAnswer:
        """Paint what the web UI's request asks for."""
        painter = self.painter
        if painter is None:
            raise NotHereError("txt2img is off: start the server with --sd FOLDER or --painter pocket")
        self.log_passed_over(request)
        kind = self._paint
        if isinstance(request, contract.Img2ImgRequest):
            kind = self._repaint
            order = await asyncio.get_running_loop().run_in_executor(
                self._starts, _read_with_start, request, painter
            )
        else:
            order = painting_orders.read_order(request, painter)
        [painted] = await self.worker.run(kind, [order])
        # Packing PNG files takes a while, and others want to be answered.
        return await asyncio.to_thread(painting_orders.answer, request, order, painted, painter)

    async def png_info(self, image: str) -> contract.PngInfoAnswer:
        """What a base64 picture's file says of how it was painted."""
        [found] = await self.worker.run(self._png_info, [await contents_of(image, "the picture")])
        if isinstance(found, UnreadableImageError):
            raise found
        answer: contract.PngInfoAnswer = found
        return answer

    async def page(self, request: contract.PageRequest) -> contract.PageAnswer:
        """The colouring page of a base64 image."""
        content = await contents_of(request.image, "the image")
        [made] = await self.worker.run(self._pages, [pages.read_order(request, content, self.loaded.device)])
        if isinstance(made, UnreadableImageError):
            raise UnreadableImageError(f"the image cannot be read: {made}")
        if isinstance(made, ConfigError):
            raise made
        answer: contract.PageAnswer = made
        return answer

    async def colour(self, request: contract.ColourRequest) -> colours.Coloured:
        """Line art of a base64 image, coloured."""
        content = await contents_of(request.image, "the image")
        return await self.coloured(colours.read_order(request, content))

    async def coloured(self, order: colours.ColourOrder) -> colours.Coloured:
        """Line art, coloured. Raises UnreadableImageError for the picture, InputError for a hint."""
        [made] = await self.worker.run(self._colours, [order])
        if isinstance(made, UnpromptError):
            raise made
        coloured: colours.Coloured = made
        return coloured

    async def doodle(self, request: contract.DoodleRequest) -> contract.DoodleAnswer:
        """What a drawing shows. Raises InputError for the drawing."""
        [told] = await self.worker.run(self._doodles, [doodles.read_order(request)])
        if isinstance(told, UnpromptError):
            raise told
        answer: contract.DoodleAnswer = told
        return answer

    async def close(self) -> None:
        """Take no more, and end the threads."""
        self._starts.shutdown(wait=False, cancel_futures=True)
        await self.worker.close()

    def log_passed_over(self, request: contract.WebUiGiven) -> None:
        """Say once in the server's log which keys of requests have no effect."""
        for key in request.passed_over:
            if key not in self._passed_over and len(self._passed_over) < MOST_LOGGED:
                self._passed_over.add(key)
                LOG.warning(
                    "a request has the key %s, which is not known here and is passed over",
                    key.encode("unicode_escape").decode(),
                )

    async def _look(self, kind: Kind, images: Sequence[str], names: Sequence[str]) -> list[Any]:
        """What is found of base64 images, whose errors call them by their names."""
        contents = [await contents_of(text, name) for name, text in zip(names, images, strict=True)]
        found = await self.worker.run(kind, contents)
        for name, one in zip(names, found, strict=True):
            if isinstance(one, UnreadableImageError):
                raise UnreadableImageError(f"{name} cannot be read: {one}")
            if isinstance(one, TooLittleMemoryError):
                raise TooLittleMemoryError(f"{name}: {one}")
        return list(found)

    # --- in the model's thread

    def _embedded(self, texts: Sequence[str], _: Tell) -> list[list[float]]:
        rows: list[list[float]] = self.loaded.embed(texts).tolist()
        return rows

    @staticmethod
    def _of_images(
        look: Callable[[Sequence[Image.Image]], Any], contents: Sequence[bytes], _: Tell
    ) -> list[Any]:
        """Decode here, one image at a time, and look; one that cannot be read or looked at harms no other."""
        try:
            return look_at_each(look, contents)
        finally:
            give_back()

    def _painted(self, orders: Sequence[Order], tell: Tell) -> list[painting_orders.Painted]:
        assert self.painter is not None  # else nothing is ordered
        return [_paint(self.painter, order, tell) for order in orders]


async def contents_of(text: str, what: str) -> bytes:
    """A base64 picture's file, of a long text in another thread, so that others are answered meanwhile.

    Raises UnreadableImageError that calls the picture `what`.
    """
    try:
        return await asyncio.to_thread(bytes_of, text) if len(text) > LARGE else bytes_of(text)
    except UnreadableImageError as error:
        raise UnreadableImageError(f"{what} is {error}") from None


def _paint(painter: Painter, order: Order, tell: Tell) -> painting_orders.Painted:
    """An order's pictures; of one that is interrupted, those that are done."""
    images: list[Image.Image] = []
    seeds: list[int] = []
    notes = painter.notes(order)
    try:
        for seed, image in painter.paint(order, tell):
            seeds.append(seed)
            images.append(image)
    except InterruptedWorkError:
        pass
    if len(images) < len(order.seeds):
        notes.append(f"{len(images)} of {len(order.seeds)} pictures: the others were interrupted or skipped")
    return painting_orders.Painted(images, seeds, notes)


def _read_with_start(request: contract.Img2ImgRequest, painter: Painter) -> Order:
    """A request as an order, with its picture decoded and fitted, which takes a while."""
    [text] = request.init_images
    return painting_orders.read_order(request, painter, _image_of(text))


def _image_of(text: str) -> Image.Image:
    """A picture to begin with, decoded."""
    try:
        return decode(bytes_of(text))
    except UnreadableImageError as error:
        raise UnreadableImageError(f"init_images: cannot be read: {error}") from None


def _told(content: bytes) -> contract.PngInfoAnswer | UnreadableImageError:
    if len(content) > MOST_IMAGE_MB * 1e6:
        return UnreadableImageError(f"the picture is larger than {MOST_IMAGE_MB:g} MB; send a smaller file")
    try:
        return read_png_info(content)
    except UnreadableImageError as error:
        return error


# --- the endpoints


def check_keys_once(request: Request) -> None:
    """Raise ConfigError where a query has a key several times, of which one value would count unasked."""
    if said := describe_repeated(key for key, _ in request.query_params.multi_items()):
        raise ConfigError(said)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; but where the client hangs up first, cancel the work and raise HungUpError."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HungUpError
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _hang_up(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def web_ui(service: Service) -> APIRouter:
    """The web UI's endpoints."""
    # Several of its clients send JSON without saying so; `CheckedOrigin` keeps out the pages that would too.
    router = APIRouter(
        prefix="/sdapi/v1",
        tags=["the web UI's"],
        responses=REFUSALS,
        strict_content_type=False,
        route_class=JsonRoute,
    )

    @router.post("/interrogate")
    async def interrogate(request: Request, body: contract.InterrogateRequest) -> contract.InterrogateAnswer:
        """The prompt of an image."""
        service.log_passed_over(body)
        caption = await unless_gone(request, service.interrogate(body.image, body.model))
        return contract.InterrogateAnswer(caption=caption)

    @router.post("/txt2img")
    async def paint(request: Request, body: contract.Txt2ImgRequest) -> contract.PaintAnswer:
        """Pictures of a prompt."""
        return await unless_gone(request, service.paint(body))

    @router.post("/img2img")
    async def repaint(request: Request, body: contract.Img2ImgRequest) -> contract.PaintAnswer:
        """Pictures of a prompt that begin with a picture. Only Stable Diffusion can."""
        return await unless_gone(request, service.paint(body))

    @router.post("/png-info")
    async def png_info(request: Request, body: contract.PngInfoRequest) -> contract.PngInfoAnswer:
        """How a picture was painted, by what its file says."""
        service.log_passed_over(body)
        return await unless_gone(request, service.png_info(body.image))

    @router.get("/progress")
    async def progress(skip_current_image: bool = False) -> contract.ProgressAnswer:
        """How far the model is with what it works on. There is never a current image."""
        course = service.worker.course
        return contract.ProgressAnswer(
            progress=course.share if course else 0.0,
            eta_relative=course.seconds_left if course else 0.0,
            state=contract.ProgressState(
                job=course.name if course else "",
                job_count=service.worker.taken,
                interrupted=course.interrupted if course else False,
                sampling_step=course.done if course else 0,
                sampling_steps=course.total if course else 0,
            ),
        )

    @router.get("/samplers")
    async def samplers() -> list[contract.SamplerItem]:
        """The samplers that txt2img takes."""
        return [
            contract.SamplerItem(
                name=one.name, aliases=list(one.aliases), options={"scheduler": one.scheduler}
            )
            for one in SAMPLERS
        ]

    @router.get("/sd-models")
    async def models() -> list[contract.ModelItem]:
        """What txt2img paints with; an empty list where it is off."""
        painter = service.painter
        if painter is None:
            return []
        return [contract.ModelItem(title=painter.title, model_name=painter.title, filename=painter.title)]

    @router.get("/options")
    async def options() -> contract.Options:
        """The name of the model."""
        return contract.Options(sd_model_checkpoint=service.painter.title if service.painter else None)

    @router.post("/options")
    async def set_options(body: contract.OptionsRequest) -> None:
        """Taken where it asks for what is so already: this server has one model and keeps no settings."""
        painting_orders.check_settings({**(body.model_extra or {}), **body.known()}, service.painter)
        service.log_passed_over(body)

    @router.post("/interrupt")
    async def interrupt() -> contract.Nothing:
        """End what is painted now; the pictures that are done are answered to whoever asked for them."""
        if service.worker.course:
            service.worker.course.interrupt()
        return contract.Nothing()

    @router.post("/skip")
    async def skip() -> contract.Nothing:
        """Leave out the pictures that are painted now, and go on with the request's next."""
        if service.worker.course:
            service.worker.course.skip()
        return contract.Nothing()

    @router.post("/refresh-checkpoints")
    @router.post("/unload-checkpoint")
    @router.post("/reload-checkpoint")
    async def keep_model() -> contract.Nothing:
        """Nothing to do: there is one model, and it stays loaded."""
        return contract.Nothing()

    @router.get("/schedulers")
    async def schedulers() -> list[contract.SchedulerItem]:
        """The schedulers that txt2img takes."""
        return [
            contract.SchedulerItem(name=one.name, label=one.label, default_rho=one.default_rho)
            for one in SCHEDULES
        ]

    @router.get("/upscalers")
    async def upscalers() -> list[contract.UpscalerItem]:
        """The one that does nothing."""
        return [contract.UpscalerItem()]

    @router.get("/latent-upscale-modes")
    @router.get("/sd-vae")
    @router.get("/loras")
    @router.get("/hypernetworks")
    @router.get("/face-restorers")
    @router.get("/realesrgan-models")
    @router.get("/prompt-styles")
    @router.get("/script-info")
    async def none_of_them() -> list[contract.Nothing]:
        """There are none."""
        return []

    @router.get("/embeddings")
    async def embeddings() -> contract.EmbeddingsAnswer:
        """There are none."""
        return contract.EmbeddingsAnswer()

    @router.get("/scripts")
    async def scripts() -> contract.ScriptsAnswer:
        """There are none."""
        return contract.ScriptsAnswer()

    @router.get("/cmd-flags")
    async def flags() -> contract.Nothing:
        """None of the web UI's flags mean anything here."""
        return contract.Nothing()

    @router.get("/memory")
    async def memory() -> contract.MemoryAnswer:
        """Not told."""
        return contract.MemoryAnswer()

    return router


def ours(service: Service) -> APIRouter:
    """The endpoints that the web UI does not have."""
    router = APIRouter(tags=["unprompt's"], responses=REFUSALS, route_class=StrictJsonRoute)

    @router.post("/v1/embed")
    async def embed(request: Request, body: contract.EmbedRequest) -> contract.EmbedAnswer:
        """Embeddings of texts."""
        rows = await unless_gone(request, service.embed(body.texts)) if body.texts else []
        return contract.EmbedAnswer.model_construct(embeddings=list(rows))

    @router.post("/v1/predict")
    async def predict(request: Request, body: contract.PredictRequest) -> contract.PredictAnswer:
        """Prompts and embeddings of images."""
        predictions = await unless_gone(request, service.predict(body.images)) if body.images else []
        return contract.PredictAnswer(
            bundle=service.loaded.bundle.name,
            predictions=[
                contract.Prediction(
                    prompt=one.prompt,
                    embedding=one.embedding.tolist(),
                    members={name: row.tolist() for name, row in one.members.items()},
                    prompts=dict(one.prompts),
                )
                for one in predictions
            ],
        )

    @router.post("/v1/negative")
    async def negative(request: Request, body: contract.NegativeRequest) -> contract.NegativeAnswer:
        """An image's negative prompt: of a CLIP, or of tags where that has skill; and usual words."""
        return await unless_gone(request, service.negative(body))

    @router.post("/v1/page")
    async def page(request: Request, body: contract.PageRequest) -> contract.PageAnswer:
        """A picture as a page to print and colour."""
        return await unless_gone(request, service.page(body))

    @router.post(
        "/v1/colour",
        responses={200: {"model": contract.ColourAnswer, "content": {PNG: BINARY}}},
    )
    async def colour(request: Request, body: contract.ColourRequest) -> Response:
        """Line art coloured as words say; as JSON, or the picture itself with the format png."""
        coloured = await unless_gone(request, service.colour(body))
        if body.format == "png":
            return Response(coloured.files[0], media_type=PNG)
        return Response(coloured.answer().model_dump_json(), media_type="application/json")

    @router.post("/v1/colour/upload", responses=UPLOADED, openapi_extra=UPLOADS)
    async def colour_upload(request: Request, query: Annotated[contract.ColourQuery, Query()]) -> Response:
        """The same for a body that is the picture's file; the answer is the picture, a PNG."""
        check_keys_once(request)
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise ConfigError(
                "the body is a form; send the picture's file alone, as curl --data-binary @FILE does"
            )
        config = PaintConfig(seed=query.seed, crayons=query.crayons, bridge=query.bridge)
        order = colours.ColourOrder(await request.body(), query.words, config, transparent=query.transparent)
        coloured = await unless_gone(request, service.coloured(order))
        return Response(coloured.files[0], media_type=PNG)

    @router.post("/v1/doodle")
    async def doodle(request: Request, body: contract.DoodleRequest) -> contract.DoodleAnswer:
        """A drawing's names, a caption and a prompt of it."""
        return await unless_gone(request, service.doodle(body))

    @router.get("/healthz")
    async def health() -> contract.Health:
        """Whether the server answers, and what it has. Needs no password."""
        return contract.Health(
            bundle=service.loaded.bundle.name,
            painter=service.painter.title if service.painter else None,
            requests=service.worker.taken,
            queue=service.worker.capacity,
        )

    return router


def create_app(
    loaded: LoadedBundle,
    painter: Painter | None = None,
    queue: int = ServeConfig.queue,
    credentials: Credentials | None = None,
    thread: OneThread | None = None,
    origins: Sequence[str] = (),
    hosts: Sequence[str] = (),
    longest_wait: float = ServeConfig.longest_wait,
) -> FastAPI:
    """The whole app around a bundle and a painter; `thread`: the one in which they were loaded.

    `origins`, `hosts`: see `CheckedOrigin`. `queue`, `longest_wait`: see `ServeConfig`.
    """
    service = Service(loaded, painter, Worker(queue, thread, longest_wait or math.inf))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="unprompt",
        version=__version__,
        summary="Stable Diffusion images back to prompts and their embeddings",
        docs_url=None,  # FastAPI's own pages load their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(ours(service))  # the first are found first, and embeddings are what is asked for most
    app.include_router(web_ui(service))

    @app.get("/internal/ping", include_in_schema=False)
    async def ping() -> contract.Nothing:
        """The web UI's way to see whether it answers."""
        return contract.Nothing()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """The OpenAPI description as a page."""
        return HTMLResponse(describe(app.openapi()))

    @app.get("/", include_in_schema=False)
    async def start() -> RedirectResponse:
        """Whoever opens the address in a browser wants to know what is here."""
        return RedirectResponse("docs")

    add_handlers(app)
    # What is added last is asked first.
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, most=MOST_BODY)
    if credentials:
        app.add_middleware(BasicAuth, credentials=credentials)
    if origins:  # before the password, which a browser does not send when it asks what is allowed
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],
            allow_credentials=ANY not in origins,
            expose_headers=["Retry-After"],
        )
    app.add_middleware(CheckedOrigin, origins=origins, hosts=hosts)
    return app


# --- the process


def bind(host: str, port: int) -> socket.socket:
    """A socket at an address, not yet listening. Raises ConfigError where that address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error}; if another server has it, such as "
            "the web UI, give another --port, or 0 for a free one"
        ) from error
    return bound


def serve(
    config: ServeConfig, credentials: Credentials | None, when_ready: Callable[[str, int], None]
) -> None:
    """Load, then answer until SIGTERM or Ctrl-C: then finish what was begun, take no more, and return.

    `when_ready` is told host and port once clients can connect. Raises ConfigError for an address that cannot
    be had, before anything is loaded, and what loading raises. Ctrl-C raises KeyboardInterrupt at the end.
    """
    listening = bind(config.host, config.port)
    with listening:
        thread = OneThread("model")
        loaded = thread.submit(LoadedBundle.load, config.bundle, config.device).result()
        painter = thread.submit(open_painter, config.painter, config.sd, config.device).result()
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(
                    loaded,
                    painter,
                    config.queue,
                    credentials,
                    thread,
                    config.cors_origins,
                    (config.host, *config.hosts),
                    config.longest_wait,
                ),
                log_level="info" if config.access_log else "warning",
                access_log=config.access_log,
                use_colors=False,  # what is printed is shown escaped, see errors.shown
                timeout_graceful_shutdown=config.grace,
                lifespan="on",
                http=CarefulConnection,
                ws="none",
                server_header=False,
            )
        )

        def end(*_: object) -> None:
            server.should_exit = True

        # uvicorn has its own handler while it runs. When it has finished what was begun, it raises the signal
        # again for the handler from before; that must not be the one that kills: to end so is no failure.
        before = signal.signal(signal.SIGTERM, end)
        try:
            gc.collect()
            gc.freeze()  # what is loaded stays; to look it over takes 0.1 s in which nobody is answered
            listening.listen()  # who connects from here on waits at most for the event loop to start
            when_ready(config.host, listening.getsockname()[1])
            server.run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, before)
