"""Easy Diffuser: an image in, a positive and a negative prompt out, and both on to a web UI.

    from unprompt import easy_diffuser

    session = easy_diffuser.start("image1.jpg")
    session.run()
    session.print_caption()
    session.input_img("image2.jpg")
    session.run()
    session.send2ui()

The positive prompt is an interrogator's. The negative prompt is made of tags: texts of a list that a picture
might or might not show. Each tag's relatedness to the image is learned (relatedness.py), on images whose
prompts are known (round_trips.py); of the tags that are related, the least related make the prompt. Where it
has shown no skill on held-out images it is not asked. Usual words such as "blurry" can be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.easy_diffuser.config import NegativeConfig

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.easy_diffuser.relatedness import Relatedness
    from unprompt.easy_diffuser.session import Session
    from unprompt.storage.images import AnyImage


def start(
    image: AnyImage | None = None,
    bundle: str = DEFAULT_BUNDLE,
    device: str = "auto",
    *,
    tags: str | Path | Sequence[str] | None = None,
    relatedness: str | Path | Relatedness | None = None,
    count: int = 1,
    mode: str = "",
    words: NegativeConfig | Sequence[str] = (),
    loaded: LoadedBundle | None = None,
) -> Session:
    """Begin a session, with an image or without. Models are loaded when they are first needed.

    `tags`: a list of the package's by its name, a file with one tag a line, or the tags. `relatedness`: a
    file of `unprompt easy-diffuser fit`. `words`: groups of usual words for the negative prompt, such as
    ["quality", "anatomy"], or a NegativeConfig, which can leave some of them out. `loaded`: a bundle that is
    loaded already, in place of `bundle` and `device`. The others, and what is taken where something is left
    out: `SessionConfig`. Raises InputError for a file that cannot be read, ConfigError for a setting that
    makes no sense.
    """
    from unprompt.easy_diffuser.relatedness import read_relatedness
    from unprompt.easy_diffuser.session import Session, SessionConfig
    from unprompt.easy_diffuser.tags import read_tags

    config = SessionConfig(
        bundle,
        device,
        read_tags(tags) if isinstance(tags, str | Path) else tags,
        read_relatedness(Path(relatedness)) if isinstance(relatedness, str | Path) else relatedness,
        count,
        mode,
        words if isinstance(words, NegativeConfig) else NegativeConfig(words=tuple(words)),
    )
    session = Session(config, loaded)
    if image is not None:
        session.input_img(image)
    return session
