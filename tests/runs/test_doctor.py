"""What `doctor` says of machines and plans that are not the usual ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unprompt.errors import NoMemoryError
from unprompt.runs import doctor


def test_a_slow_bundle_and_a_folder_that_is_still_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_try", lambda *_: (1.0, 3.0))
    found = doctor.examine("lite", 10, tmp_path / "runs" / "today" / "RUN")
    assert found.out == tmp_path
    assert "  about 31 s: 1.0 s to load, then 0.333 images/s" in "\n".join(found.lines())


def test_a_bundle_that_makes_no_numbers_of_the_trial_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflowing = SimpleNamespace(
        name="overflowing",
        batch=2,
        prepare=lambda image: np.zeros(1),
        features=lambda prepared: np.full((len(prepared), 1), np.nan),
    )
    member = SimpleNamespace(name="one", backbones=(overflowing,))
    monkeypatch.setattr(doctor, "load_members", lambda *_: [member])
    monkeypatch.setattr(doctor, "TRIAL_IMAGES", 1)
    found = doctor.examine("lite", 10, tmp_path)
    assert found.trouble is not None
    assert "a trial picture: what the model makes of it is infinite or not a number" in found.trouble


def test_a_bundle_that_there_is_no_memory_for_costs_nothing_else_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise NoMemoryError("the models have not enough memory for a single image")

    monkeypatch.setattr(doctor, "_try", fail)
    found = doctor.examine("lite", 10, tmp_path)
    assert "  cannot run: the models have not enough memory for a single image" in found.lines()


def test_what_is_known_is_told_before_the_trial_which_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    small = SimpleNamespace(
        name="small",
        batch=1,
        prepare=lambda image: np.zeros(1),
        features=lambda prepared: np.zeros((len(prepared), 1)),
    )
    monkeypatch.setattr(doctor, "load_members", lambda *_: [SimpleNamespace(name="one", backbones=(small,))])
    monkeypatch.setattr(doctor, "guess_from", lambda *_: None)
    monkeypatch.setattr(doctor, "TRIAL_IMAGES", 2)
    found = doctor.examine(
        "lite", 10, tmp_path, told.extend, lambda step, done, total: told.append(f"{step} {done} {total}")
    )
    before = len(found.machine_lines())
    assert told[:before] == found.machine_lines()
    assert "checkpoints" in told[:before]
    assert told[before:] == [
        "loading models 0 0",
        "making trial pictures 0 2",
        "making trial pictures 1 2",
        *("measuring 0 4", "measuring 1 4", "measuring 2 4"),
        *("measuring 2 4", "measuring 3 4", "measuring 4 4"),
    ]
    assert found.lines()[before:] == found.run_lines()
    assert "measured now on 2 images" in found.run_lines()[-1]
