"""Settings: a field's default, help and limits in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import pytest

from unprompt.errors import ConfigError
from unprompt.settings import check_settings, setting


@dataclass(frozen=True)
class Config:
    """One of each kind."""

    plain: int = 3
    count: int = setting(4, "how many", least=1)
    share: float = setting(0.5, "a share", above=0, most=1)
    rate: float = setting(0.1, "a rate", least=0, below=1)
    heat: float = setting(1.0, "finite", above=0, below=math.inf)
    most: int | None = setting(3, "at most", least=2)
    head: str = setting("linear", "which head", choices=("linear", "mlp"))

    def __post_init__(self) -> None:
        check_settings(self)


def test_a_setting_is_its_default() -> None:
    assert Config() == Config(3, 4, 0.5, 0.1, 1.0, 3, "linear")
    assert Config.count == 4
    by_name = {item.name: item.metadata for item in fields(Config)}
    assert by_name["count"]["help"] == "how many"
    assert by_name["plain"] == {}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"share": 0.0}, "share must be above 0 and at most 1, got 0.0"),
        ({"share": 1.5}, "share must be above 0 and at most 1, got 1.5"),
        ({"rate": -0.1}, "rate must be at least 0 and below 1, got -0.1"),
        ({"rate": 1.0}, "rate must be at least 0 and below 1, got 1.0"),
        ({"rate": math.nan}, "rate must be at least 0 and below 1, got nan"),
        ({"heat": math.inf}, "heat must be above 0, got inf"),
        ({"most": 1}, "most must be at least 2, got 1"),
        ({"head": "words"}, "head must be one of linear, mlp, got 'words'"),
    ],
)
def test_what_is_beyond_its_limits_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**wrong)
    assert str(caught.value) == says


def test_the_limits_themselves_and_none_are_allowed() -> None:
    Config(count=1, share=1.0, rate=0.0, heat=1e300, most=2, head="mlp")
    Config(most=None)
