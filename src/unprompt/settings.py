"""A setting: a field of a frozen dataclass with its default, its help and its limits in one place.

    @dataclass(frozen=True)
    class TrainConfig:
        epochs: int = setting(5, "how often each image is seen", least=1)

        def __post_init__(self) -> None:
            check_settings(self)

The command line makes its options of such fields (cli/options.py). Light to import, as `--help` needs them.
"""

from __future__ import annotations

import math
from dataclasses import field, fields
from typing import TYPE_CHECKING, TypeVar

from unprompt.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

LARGEST = 2**63 - 1  # of whole numbers
DEVICES = "auto, cpu, cuda or mps"  # what every setting of a device takes
CLUSTERS = ("ray",)  # and every setting of a cluster
CLUSTER = "the workers are Ray's, on the cluster of $RAY_ADDRESS or on one that is started here"
WORKERS = "threads; with --cluster, of each worker, of which a machine has as many as fit"


def setting(
    default: T,
    help: str,
    *,
    shown: str | None = None,
    flag: str | None = None,
    metavar: str | tuple[str, ...] | None = None,
    choices: tuple[str, ...] | None = None,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> T:
    """A dataclass's field that says what it means and which values it takes.

    `shown`: the default in words, where its value says little, such as "by the device" for 0. `flag`: the
    option's name without its dashes, where it is not the field's. `metavar`: what stands for the value in the
    option's help. `choices`: the only values. The other four are limits of a number, `least` and `most`
    allowed themselves, `above` and `below` not; `below=math.inf` asks for a finite one. None has no limits.
    """
    details = {
        "help": help,
        "shown": shown,
        "flag": flag,
        "metavar": metavar,
        "choices": choices,
        "least": least,
        "above": above,
        "most": most,
        "below": below,
    }
    # To a type checker the default itself, as dataclasses.field is too.
    found: T = field(default=default, metadata=details)
    return found


def check_settings(config: DataclassInstance) -> None:
    """Raise ConfigError for the first setting whose value is none of its choices or beyond its limits.

    No whole number is beyond those of 64 bits, which is what the libraries below take.
    """
    for item in fields(config):
        value, details = getattr(config, item.name), item.metadata
        if "help" not in details or value is None:
            continue
        choices = details["choices"]
        if choices and value not in choices:
            raise ConfigError(f"{item.name} must be one of {', '.join(choices)}, got '{value}'")
        least, above, most, below = (details[name] for name in ("least", "above", "most", "below"))
        if not (
            (least is None or value >= least)
            and (above is None or value > above)
            and (most is None or value <= most)
            and (below is None or value < below)
        ):
            words = {"at least": least, "above": above, "at most": most, "below": below}
            limits = [f"{word} {limit}" for word, limit in words.items() if limit not in (None, math.inf)]
            raise ConfigError(f"{item.name} must be {' and '.join(limits)}, got {value}")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ConfigError(f"{item.name} must be at most {LARGEST:,}, got one of {len(str(value))} digits")


def check_utf8(text: str, source: str) -> None:
    """Raise ConfigError, without the text, where the system's bytes of USER:PASSWORD are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{source} is not UTF-8, as user and password are sent; write it in UTF-8"
        ) from None
