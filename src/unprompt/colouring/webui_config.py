"""Settings of colouring by a web UI. Light: the command line is made of them."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.errors import ConfigError
from unprompt.painting.webui_config import AUTH, URL
from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class WebUIPaint:
    """How a Stable Diffusion web UI colours line art: by img2img of it.

    Servers whose model is no InstructPix2Pix leave `image_guidance` out of account.
    """

    url: str = setting(
        "", f"the web UI's address, such as {URL}; user and password: ${AUTH}, as USER:PASSWORD"
    )
    image_guidance: float = setting(
        1.5, "of an InstructPix2Pix that is loaded there: how closely to keep to the picture", metavar="G",
        least=1,
    )  # fmt: skip
    controlnet: str = setting(
        "", "name of the web UI's ControlNet for line art, if it is to be used", metavar="MODEL"
    )
    strength: float = setting(
        1.0, "share painted anew; below 1 for a model that is no InstructPix2Pix and has no ControlNet",
        above=0, most=1,
    )  # fmt: skip
    steps: int = setting(20, "of the sampler", least=1)
    guidance: float = setting(7.5, "how closely to follow the words; 1: not guided", metavar="G", least=1)
    negative_prompt: str = setting("", "what the picture should not show", metavar="TEXT")
    sampler: str = setting("Euler a", "as the web UI calls it")
    size: int = setting(512, "longer side in pixels while it paints", least=64)
    keep_lines: bool = setting(False, "put the lines of the drawing on top, as sharp as they came")
    seed: int = setting(0, "of the first variant; the next ones have the next", least=0)
    variants: int = setting(1, "pictures of each drawing", least=1)

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.url:
            raise ConfigError("a web UI needs its address: --url, such as http://127.0.0.1:7860")
