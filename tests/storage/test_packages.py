from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unprompt.errors import CheckpointError, ConfigError
from unprompt.storage.packages import needed_for


def test_a_missing_package_is_told_with_what_installs_it() -> None:
    with (
        pytest.raises(
            CheckpointError, match=r"^dowsing needs no_such_rod; run: pip install 'unprompt\[lite\]'$"
        ),
        needed_for("dowsing", "lite"),
    ):
        import no_such_rod  # type: ignore[import-not-found]
    with pytest.raises(ConfigError, match=r"^serving needs "), needed_for("serving", "serve", ConfigError):
        import no_such_rod.inner  # noqa: F401


def test_a_package_that_is_broken_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bent_rod.py").write_text('raise ImportError("librod.so.1: cannot open")\n')
    monkeypatch.syspath_prepend(tmp_path)
    with (
        pytest.raises(CheckpointError, match=r"dowsing needs more packages \(librod\.so\.1: cannot open"),
        needed_for("dowsing", "lite"),
    ):
        import bent_rod  # type: ignore[import-not-found]  # noqa: F401
    sys.modules.pop("bent_rod", None)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), needed_for("dowsing", "lite"):
        raise KeyError("water")
