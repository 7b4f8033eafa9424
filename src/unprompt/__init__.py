"""unprompt: from an image made by Stable Diffusion back to its prompt, as text and as an embedding.

    import unprompt

    model = unprompt.load("lite")
    print(model.predict("cat.png").prompt)
    unprompt.predict("images", "RUN", truth="prompts.csv")

The functions are the commands, see `unprompt.python`. Importing the package imports nothing else: what a name
stands for is loaded when it is first used (PEP 562).
"""

from importlib import import_module

from unprompt.errors import (
    CheckpointError,
    ConfigError,
    InputError,
    RunError,
    StoreError,
    UnpromptError,
    UnreadableImageError,
)

TYPE_CHECKING = False  # type checkers take it for true; importing it would take longer than all the rest
if TYPE_CHECKING:
    from unprompt import colouring, colouring_pages, doodles, easy_diffuser
    from unprompt.bundle.loaded import Caption, LoadedBundle, Prediction
    from unprompt.python import (
        bank,
        blend,
        caption,
        demo,
        describe,
        doctor,
        filter,
        fit_weights,
        info,
        interrogate,
        load,
        make_pocket,
        predict,
        prompts,
        render,
        score,
        train,
        tune,
    )

__version__ = "0.1.0"

__all__ = [
    "Caption",
    "CheckpointError",
    "ConfigError",
    "InputError",
    "LoadedBundle",
    "Prediction",
    "RunError",
    "StoreError",
    "UnpromptError",
    "UnreadableImageError",
    "bank",
    "blend",
    "caption",
    "colouring",
    "colouring_pages",
    "demo",
    "describe",
    "doctor",
    "doodles",
    "easy_diffuser",
    "filter",
    "fit_weights",
    "info",
    "interrogate",
    "load",
    "make_pocket",
    "predict",
    "prompts",
    "render",
    "score",
    "train",
    "tune",
]
_ROOMS = ("colouring", "colouring_pages", "doodles", "easy_diffuser")  # systems of their own
_HOMES = {  # of the names that are not in unprompt.python
    "Caption": "unprompt.bundle.loaded",
    "LoadedBundle": "unprompt.bundle.loaded",
    "Prediction": "unprompt.bundle.loaded",
}


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> object:
        """A public name, loaded on its first use."""
        if name not in __all__:
            raise AttributeError(f"module 'unprompt' has no attribute '{name}'")
        if name in _ROOMS:
            return import_module(f"unprompt.{name}")
        globals()[name] = found = getattr(import_module(_HOMES.get(name, "unprompt.python")), name)
        return found


def __dir__() -> list[str]:
    """The names that are here, and those that are still to be loaded."""
    return sorted({*globals(), *__all__})
