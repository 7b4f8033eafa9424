"""What requests and answers look like: the web UI's API of version 1, and ours. Pydantic checks them.

In ours, keys that a model does not have are refused by name, and no text stands for a number or the other
way round. In the web UI's it is as its clients are used to: what it does not know is passed over, "1.0" is a
number, and null is the default. Defaults are the web UI's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from unprompt.api.config import (
    MOST_BODY,
    MOST_CHARACTERS,
    MOST_DPI,
    MOST_GUESSES,
    MOST_HINTS,
    MOST_IMAGES,
    MOST_PICTURES,
    MOST_POINTS,
    MOST_STEPS,
    MOST_STROKES,
    MOST_TEXTS,
    MOST_VARIANTS,
    SIDES,
)
from unprompt.easy_diffuser.config import GROUPS
from unprompt.painting.seeds import SEEDS

MOST_NAMED = 5  # unknown keys that an error names
LONGEST_KEY = 60  # characters of an unknown key that are said back
# Fields of requests to paint in which values of any kind may stand, texts that nobody has looked at too.
OF_ANY_KIND = (
    "override_settings", "styles", "alwayson_scripts", "script_args", "comments", "force_task_id",
    "inpaint_full_res",
)  # fmt: skip


def _whole(value: object) -> object:
    """512.0 is a whole number in JSON, which has only one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Number = FiniteFloat
Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]
ImageText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MOST_BODY,
        description="a PNG, JPEG or WebP file as base64, with or without data:image/png;base64, before it",
    ),
]


class Known(BaseModel):
    """What has the keys of its fields and no others."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, given: Any) -> Any:
        """Name all unknown keys in one error, each with the nearest that there is."""
        unknown = [key for key in given if key not in cls.model_fields] if isinstance(given, dict) else []
        if unknown:
            more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
            raise ValueError(f"unknown keys: {', '.join(map(cls._named, unknown[:MOST_NAMED]))}{more}")
        return given

    @classmethod
    def _named(cls, key: str) -> str:
        return name_key(key, cls.model_fields)


class Given(Known):
    """What our own request bodies have in common."""

    model_config = ConfigDict(strict=True)


def name_key(key: str, known: Iterable[str]) -> str:
    """An unknown key as it is said back, with the nearest of those that are known."""
    # JSON can hold half a surrogate pair, which no error's text can.
    said = key[:LONGEST_KEY].encode("utf-8", "backslashreplace").decode()
    close = get_close_matches(said, known, n=1)
    return f"'{said}'" + (f" (did you mean '{close[0]}'?)" if close else "")


# --- the web UI's


class WebUiGiven(BaseModel):
    """What the web UI's request bodies have in common. `passed_over`: keys that are not known here."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Null is the default."""
        if isinstance(given, dict):
            return {key: value for key, value in given.items() if value is not None}
        return given

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Unknown keys, as they are said back: as many as an error names."""
        return tuple(
            name_key(key, type(self).model_fields) for key in list(self.model_extra or ())[:MOST_NAMED]
        )

    def known(self) -> dict[str, Any]:
        """All fields but those that are passed over."""
        return self.model_dump(include=set(type(self).model_fields))


class InterrogateRequest(WebUiGiven):
    """An image whose prompt is wanted."""

    image: ImageText
    model: Text = Field(
        "clip", description="clip: the bundle's own way; or one of the interrogator's modes that it has"
    )


class InterrogateAnswer(BaseModel):
    """The prompt, under the web UI's name for it."""

    caption: str


class PaintRequest(WebUiGiven):
    """The web UI's fields for txt2img and img2img, with its defaults.

    Fields that ask for what this server cannot do are there so that clients can send their usual values;
    values that would change the picture are refused.
    """

    prompt: Text = Field("", description="taken as it is: no weights in brackets, no <lora:…>")
    negative_prompt: Text = ""
    seed: Whole = Field(-1, ge=-1, lt=SEEDS, description="of the first picture; the next one's is 1 more")
    steps: Whole = Field(50, ge=1, le=MOST_STEPS)
    cfg_scale: Number = Field(
        7.0, ge=1, le=100, description="how closely to follow the prompt; 1: no guidance"
    )
    width: Whole = Field(512, ge=SIDES[0], le=SIDES[1])
    height: Whole = Field(512, ge=SIDES[0], le=SIDES[1])
    batch_size: Whole = Field(1, ge=1, le=MOST_PICTURES, description="pictures at a time")
    n_iter: Whole = Field(1, ge=1, le=MOST_PICTURES, description="how many times batch_size pictures")
    sampler_name: Text | None = Field(None, description="one of /sdapi/v1/samplers, by name or alias")
    sampler_index: Text | None = Field("Euler", description="the sampler where sampler_name is missing")
    scheduler: Text | None = Field(None, description="automatic: as the sampler's name says")
    eta: Number | None = Field(None, ge=0, le=1, description="noise that DDIM adds at each step")
    send_images: bool = Field(True, description="false: only parameters and info are answered")
    override_settings: dict[str, Any] = Field(
        {}, description="may name this server's model as sd_model_checkpoint, and what changes no picture"
    )
    # They must be at a value that changes nothing.
    restore_faces: bool | None = None
    tiling: bool | None = None
    styles: list[Any] | None = None
    subseed_strength: Number = 0.0
    seed_resize_from_h: Whole = -1
    seed_resize_from_w: Whole = -1
    s_min_uncond: Number | None = None
    s_churn: Number | None = None
    s_noise: Number | None = None
    refiner_checkpoint: Text | None = None
    script_name: Text | None = None
    alwayson_scripts: dict[str, Any] = Field(default_factory=dict)
    infotext: Text | None = None
    # They mean nothing without those above, or concern files that this server does not write.
    script_args: Any = None
    subseed: Whole = Field(-1, ge=-1, lt=SEEDS)
    s_tmax: Number | None = None
    s_tmin: Number | None = None
    refiner_switch_at: Number | None = None
    save_images: bool = False
    do_not_save_samples: bool = False
    do_not_save_grid: bool = False
    override_settings_restore_afterwards: bool = True
    disable_extra_networks: bool = False
    comments: Any = None
    force_task_id: Any = None

    @model_validator(mode="after")
    def _can_be_said_back(self) -> PaintRequest:
        """The answer repeats what was sent, and no answer can have half a surrogate pair, as escapes can."""
        for name in OF_ANY_KIND:
            try:
                json.dumps(getattr(self, name, None), ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise ValueError(
                    f"{name} has half a character (\\ud800 to \\udfff); send whole ones"
                ) from None
        return self


class Txt2ImgRequest(PaintRequest):
    """A prompt whose pictures are wanted."""

    # They must be at a value that changes nothing.
    enable_hr: bool = False
    firstpass_image: Text | None = None
    # They mean nothing without enable_hr.
    denoising_strength: Number | None = None
    firstphase_width: Whole = 0
    firstphase_height: Whole = 0
    hr_scale: Number = 2.0
    hr_upscaler: Text | None = None
    hr_second_pass_steps: Whole = 0
    hr_resize_x: Whole = 0
    hr_resize_y: Whole = 0
    hr_checkpoint_name: Text | None = None
    hr_sampler_name: Text | None = None
    hr_scheduler: Text | None = None
    hr_prompt: Text = ""
    hr_negative_prompt: Text = ""


class Img2ImgRequest(PaintRequest):
    """A prompt, and a picture to begin with."""

    init_images: list[ImageText] = Field(min_length=1, max_length=1, description="the picture; one of them")
    denoising_strength: Number = Field(
        0.75, ge=0, le=1, description="how much may change, and what part of the steps is taken"
    )
    resize_mode: Whole = Field(
        0, ge=0, le=2, description="0: stretch to width and height, 1: cut off what is too much, 2: fill up"
    )
    include_init_images: bool = Field(False, description="whether parameters repeats init_images")
    # They must be at a value that changes nothing.
    mask: str | None = Field(None, max_length=MOST_BODY)
    latent_mask: str | None = Field(None, max_length=MOST_BODY)
    initial_noise_multiplier: Number | None = None
    # Of models that edit by instructions, and of masks.
    image_cfg_scale: Number | None = None
    mask_blur: Whole | None = None
    mask_blur_x: Whole = 4
    mask_blur_y: Whole = 4
    mask_round: bool = True
    inpainting_fill: Whole = 0
    inpaint_full_res: Any = True
    inpaint_full_res_padding: Whole = 0
    inpainting_mask_invert: Whole = 0


class PaintAnswer(BaseModel):
    """Pictures, what was asked for, and how they were made."""

    images: list[str] = Field(description="PNG files as base64, nothing before it")
    parameters: dict[str, Any] = Field(description="the request with its defaults filled in")
    info: str = Field(description="a JSON text: seeds, sampler, model, and what had no effect")


class ProgressState(BaseModel):
    """The web UI's state of its work."""

    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = Field(
        description="what the model works on: txt2img, img2img, interrogate, predict, embed; or empty"
    )
    job_count: int = Field(description="requests that wait or are at work")
    job_no: int = 0
    sampling_step: int
    sampling_steps: int


class ProgressAnswer(BaseModel):
    """How far the running work is."""

    progress: float = Field(description="from 0 to 1; 0 for work without steps")
    eta_relative: float = Field(description="seconds left, by the pace so far")
    state: ProgressState
    current_image: None = None
    textinfo: None = None


class SamplerItem(BaseModel):
    """A sampler by the web UI's name."""

    name: str
    aliases: list[str]
    options: dict[str, str]


class ModelItem(BaseModel):
    """What txt2img paints with."""

    title: str
    model_name: str
    hash: str | None = None
    sha256: str | None = None
    filename: str
    config: str | None = None


class SchedulerItem(BaseModel):
    """How steps are spread over the noise."""

    name: str
    label: str
    aliases: list[str] | None = None
    default_rho: float
    need_inner_model: bool = False


class UpscalerItem(BaseModel):
    """A way to enlarge. There is only the one that does nothing."""

    name: str = "None"
    model_name: str | None = None
    model_path: str | None = None
    model_url: str | None = None
    scale: float = 4.0


class EmbeddingsAnswer(BaseModel):
    """Textual inversions; there are none."""

    loaded: dict[str, Any] = {}
    skipped: dict[str, Any] = {}


class ScriptsAnswer(BaseModel):
    """Names of scripts; there are none."""

    txt2img: list[str] = []
    img2img: list[str] = []


class MemoryAnswer(BaseModel):
    """The web UI's numbers of bytes; none are told here."""

    ram: dict[str, Any] = {}
    cuda: dict[str, Any] = {}


class Nothing(BaseModel):
    """An answer that says only that there is one."""


class PngInfoRequest(WebUiGiven):
    """A picture whose own texts are wanted."""

    image: str = Field(max_length=MOST_BODY, description="a picture's file as base64")


class PngInfoAnswer(BaseModel):
    """What a picture's file says of how it was painted; all is empty where it says nothing."""

    info: str = Field(description="as the web UI writes it: prompt, negative prompt, settings")
    items: dict[str, str] = Field(description="the file's other texts")
    parameters: dict[str, str] = Field(description="info in its parts, with the web UI's names")


class Options(BaseModel):
    """Those of the web UI's options that mean something here."""

    sd_model_checkpoint: str | None = Field(description="the title of what txt2img paints with")
    sd_checkpoint_hash: str | None = None
    sd_vae: str = "None"
    CLIP_stop_at_last_layers: int = 1
    samples_format: str = "png"


class OptionsRequest(WebUiGiven):
    """Options to be set. This server has one model and keeps no settings: what it cannot do is refused."""

    sd_model_checkpoint: Text | None = None


# --- ours


class EmbedRequest(Given):
    """Texts whose embeddings are wanted."""

    texts: list[Text] = Field(max_length=MOST_TEXTS)


class EmbedAnswer(BaseModel):
    """Embeddings by all-MiniLM-L6-v2, in the order of the texts."""

    embeddings: list[list[float]] = Field(description="one row of 384 numbers a text, of unit length")


class PredictRequest(Given):
    """Images whose prompts are wanted."""

    images: list[ImageText] = Field(max_length=MOST_IMAGES)


class Prediction(BaseModel):
    """What the bundle makes of one image."""

    prompt: str = Field(description="empty where no member makes any")
    embedding: list[float] = Field(description="the blend's 384 numbers, of unit length")
    members: dict[str, list[float]] = Field(description="each member's own embedding")
    prompts: dict[str, str] = Field(description="those of the members that make any")


class PredictAnswer(BaseModel):
    """A prediction an image, in their order."""

    bundle: str
    predictions: list[Prediction]


class NegativeRequest(Given):
    """An image whose negative prompt is wanted."""

    image: ImageText
    words: list[Text] = Field(
        [], max_length=len(GROUPS), description=f"groups of usual words to add: {', '.join(GROUPS)}"
    )
    without_words: list[Text] = Field(
        [], max_length=MOST_TEXTS, description="words of these groups to leave out"
    )


class NegativeAnswer(BaseModel):
    """A negative prompt."""

    negative_prompt: str
    why_not: str = Field(description="why nothing in it is from the image; empty where something is")


class PageRequest(Given):
    """A picture that is to be a colouring page."""

    image: ImageText
    format: Literal["png", "svg", "pdf"] = "png"
    detail: Literal["low", "middle", "high"] = Field("middle", description="how small a thing is still drawn")
    paper: Literal["a4", "letter"] = "a4"
    orientation: Literal["auto", "portrait", "landscape"] = "auto"
    line_width: Number = Field(0.8, gt=0, le=5, description="of lines, in mm")
    margin: Number = Field(10.0, ge=0, le=50, description="in mm")
    dpi: Whole = Field(300, ge=72, le=MOST_DPI, description="pixels an inch of PNG and PDF")
    title: str = Field("", max_length=200, description="stands above the drawing")
    name_line: bool = False
    original: Literal["none", "colour", "grey"] = Field(
        "none", description="the small picture in a corner; not with numbers"
    )
    numbers: bool = Field(False, description="to paint by numbers; a PDF has the solution as its second page")
    colours: Whole = Field(12, ge=1, le=40, description="of the palette at most; with numbers")


class PageAnswer(BaseModel):
    """A colouring page."""

    page: str = Field(description="the file, in base64")
    format: str
    method: str = Field(description="how the lines were found, such as 'pix2pix, stage 2'")
    blank: bool = Field(description="whether there was nothing to draw")
    numbered: bool = Field(description="false where there are no lines, or they enclose nothing")


class ColourHint(Given):
    """A place of the drawing, and the colour of its region."""

    x: Whole = Field(ge=0, description="pixels from the left")
    y: Whole = Field(ge=0, description="pixels from the top")
    colour: str = Field(
        min_length=1, max_length=60, description="a name, a code such as #2e8b57, or paper to leave it bare"
    )


class ColourRequest(Given):
    """Line art that is to be coloured as words say."""

    image: ImageText
    words: Text = Field("", description="which colours what has, such as: a green dragon with orange wings")
    seed: Whole = Field(0, ge=0, lt=SEEDS, description="0: the likeliest colours")
    variants: Whole = Field(1, ge=1, le=MOST_VARIANTS, description="pictures, of this seed and the next ones")
    crayons: Literal["any", "8", "16"] = Field("any", description="any colour, or a box of 8 or 16")
    hints: list[ColourHint] = Field(default_factory=list, max_length=MOST_HINTS)
    transparent: bool = Field(False, description="leave out the paper; it stays out of a transparent image")
    bridge: bool = Field(True, description="close gaps between lines")
    format: Literal["json", "png"] = Field("json", description="png: the picture itself, not JSON")


class ColourQuery(Known):
    """How line art is to be coloured, where the body is its file."""

    words: Text = ""
    seed: Whole = Field(0, ge=0, lt=SEEDS)
    crayons: Literal["any", "8", "16"] = "any"
    transparent: bool = False
    bridge: bool = True


class HeardColour(BaseModel):
    """A colour that the words name."""

    text: str = Field(description="as it stands in the words")
    hex: str = Field(description="such as #15b01a")
    basic: str = Field(description="the basic colour that it is a shade of, such as green")


class ColourAnswer(BaseModel):
    """Line art in colour."""

    pictures: list[str] = Field(description="PNG files in base64, as large as the line art")
    seeds: list[int] = Field(description="of each picture")
    colours: list[HeardColour] = Field(description="those that were understood, in the order of the words")
    told: list[str] = Field(description="what was found wrong, and which colours found no place")
    regions: int = Field(description="areas that the lines enclose")


Point = Annotated[list[Number], Field(min_length=2, max_length=2)]
Stroke = Annotated[list[Point], Field(min_length=1, max_length=MOST_POINTS)]


class DoodleRequest(Given):
    """A drawing that is to be named and described."""

    strokes: list[Stroke] = Field(
        min_length=1,
        max_length=MOST_STROKES,
        description="in the order in which they were drawn, each its points [x, y], y down, in any unit",
    )
    word: str = Field("", max_length=100, description="what it is, where that is known: the caption says it")
    top: Whole = Field(5, ge=1, le=MOST_GUESSES, description="how many guesses")
    style: str = Field("photo", max_length=40, description="of the prompt")


class DoodleGuess(BaseModel):
    """What a drawing may be."""

    word: str
    probability: float


class DoodleAnswer(BaseModel):
    """What a drawing shows."""

    guesses: list[DoodleGuess] = Field(description="the likeliest first")
    caption: str
    prompt: str = Field(description="the caption as a painter is told it, such as A photo of a cat")
    negative_prompt: str


class Health(BaseModel):
    """A server that answers has its models loaded."""

    status: str = "ready"
    bundle: str
    painter: str | None
    requests: int = Field(description="that wait or are at work")
    queue: int = Field(description="how many there may be")


class Refusal(BaseModel):
    """Why a request was not answered, and what to do."""

    error: str
    detail: str
