"""What `doctor` says of machines and plans that are not the usual ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from unprompt.runs import doctor


def test_a_slow_bundle_and_a_folder_that_is_still_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_try", lambda *_: (1.0, 3.0))
    found = doctor.examine("lite", 10, tmp_path / "runs" / "today" / "RUN")
    assert found.out == tmp_path
    assert "  about 31 s: 1.0 s to load, then 0.333 images/s" in "\n".join(found.lines())
