"""What the benchmarks compute from their measurements, with numbers by hand."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark_named(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a benchmark by its file's name, as its neighbours do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_score_is_reached_between_two_points(benchmark_named: Any) -> None:
    train = benchmark_named("train")
    points = [train.Point(10, 0.40), train.Point(30, 0.50), train.Point(50, 0.45), train.Point(70, 0.60)]
    assert train.seconds_to_reach(points, 0.475) == pytest.approx(25)
    assert train.seconds_to_reach(points, 0.50) == pytest.approx(30)
    assert train.seconds_to_reach(points, 0.55) == pytest.approx(50 + 20 * 2 / 3)  # after the dip
    assert train.seconds_to_reach(points, 0.30) == 10  # nothing is known of the time before
    assert train.seconds_to_reach(points, 0.61) is None


def test_verdict_is_the_share_of_the_plain_recipes_time(benchmark_named: Any) -> None:
    train = benchmark_named("train")
    plain = [train.Point(50, 0.3), train.Point(100, 0.5)]
    assert "0.25 of its time" in train.verdict([train.Point(20, 0.45), train.Point(30, 0.55)], plain)
    assert "never reached" in train.verdict([train.Point(20, 0.45)], plain)


def test_gain_is_taken_image_by_image(benchmark_named: Any) -> None:
    pocket = benchmark_named("pocket_regression")
    spread = np.array([0.1, 0.5, 0.9])
    ours = pocket.Way("ours", spread + 0.06)
    row, ridge, constant = pocket.compare(
        ours, [pocket.Way("ridge", spread, 0.05), pocket.Way("constant", spread - 0.1, 0.25)]
    )
    assert row == {"way": "ours", "score": pytest.approx(0.56), "low": row["low"], "high": row["high"]}
    assert ridge["gain"] == pytest.approx(0.06)
    assert ridge["gain_low"] == pytest.approx(0.06)  # every image gains as much
    assert ridge["met"]
    assert constant["gain"] == pytest.approx(0.16)
    assert not constant["met"]


def test_colours_of_captions_are_counted_as_sets(benchmark_named: Any) -> None:
    captions = benchmark_named("colour_captions")
    said = ["a red fox with a crimson tail", "a navy <unk> with green", "<unk> <unk>"]
    named = [captions.colours_in(caption) for caption in said]
    red, green, blue = (captions.class_of(name) for name in ("red", "green", "blue"))
    assert named == [{red}, {blue, green}, frozenset()]
    assert captions.unknown_share(said) == pytest.approx(3 / 14)
    # True are 2, 1, 1 and none: named rightly red, blue; 2 of 4, and of 3 that were named there.
    truths = [frozenset({red, green}), frozenset({blue}), frozenset({red}), frozenset()]
    found = captions.score(truths, [*named, frozenset({green})])
    assert (found.recall, found.precision) == (2 / 4, pytest.approx(2 / 3))
    assert (found.by_colour["red"], found.by_colour["green"], found.by_colour["blue"]) == (1 / 2, 0, 1)
    assert np.isnan(found.by_colour["pink"])


def test_works_take_turns_and_each_call_is_timed(benchmark_named: Any) -> None:
    timing, called = benchmark_named("timing"), []
    ours, peer = timing.in_turns(lambda: called.append("ours"), lambda: called.append("peer"), repeats=3)
    assert called == ["ours", "peer"] * 3
    assert len(ours.walls) == len(ours.cpus) == len(peer.walls) == 3
    assert timing.Taken((3.0, 1.0, 8.0), (0.5, 0.2, 0.1)).wall == 3
    assert timing.Taken((3.0, 1.0, 8.0), (0.5, 0.2, 0.1)).cpu == 0.2


def test_ratios_are_of_one_turn_each_and_runs_are_added_to_the_file(
    benchmark_named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timing, compare = benchmark_named("timing"), benchmark_named("compare")
    path = tmp_path / "bench.json"
    monkeypatch.setenv(timing.KEEP_IN, str(path))
    assert timing.record("ours / peer", [1, 3, 8], [2, 3, 4]) == (0.5, 1, 2)
    assert "ours / peer: 1.000 of its time, 0.500 to 2.000 in 3 turns" in capsys.readouterr().out
    timing.record("ours / peer", [1, 1], [4, 8])
    timing.record("another", [1, 2], [1, 1])
    assert compare.read_ratios(path) == {"ours / peer": (0.5, 1, 2, 0.25, 0.125), "another": (1, 2)}
    with pytest.raises(ValueError, match="1 turn"):
        timing.record("once", [1], [2])


def test_chance_is_of_students_distribution(benchmark_named: Any) -> None:
    compare = benchmark_named("compare")
    old = np.exp([-0.01, 0, 0.01])  # logarithms with a variance of 0.0001

    def by_hand(difference: float) -> float:
        """Twice the tail of Student's t with 4 degrees of freedom, in closed form."""
        t = difference / np.sqrt(2 * 0.0001 / 3)
        s = 1 + t * t / 4
        return 1 - 0.75 * t / np.sqrt(s) * (1 - t * t / (12 * s))

    for difference in (0.02, 0.1):
        assert compare.chance(old, old * np.exp(difference)) == pytest.approx(by_hand(difference))
    assert by_hand(0.02) == pytest.approx(0.0705, abs=1e-4)  # 2 % more: not to be told from noise
    assert compare.chance([0.5, 0.5], [0.5, 0.5]) == 1


def test_what_moved_is_told_from_noise(benchmark_named: Any) -> None:
    compare = benchmark_named("compare")
    old = np.exp([-0.01, 0, 0.01])
    lines = compare.compare(
        {"a": old, "b": old, "c": old, "gone": old},
        {"a": old * np.exp(0.02), "b": old * 1.1, "c": old[:2] / 1.25, "new": old},
    )
    assert lines == [
        "a: 1.000 -> 1.020, within the noise",
        "b: 1.000 -> 1.100, SLOWER, 1.10 times as long",
        "c: 1.000 -> 0.796, faster, 0.80 times as long",
        "new: only in the new file",
        "gone: only in the old file",
    ]


def test_a_single_turn_and_turns_without_spread(benchmark_named: Any) -> None:
    compare = benchmark_named("compare")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lines = compare.compare(
            {"one": [0.5], "few": [0.5, 0.6], "same": [0.5] * 3, "other": [0.5] * 3},
            {"one": [0.6], "few": [0.9], "same": [0.5] * 2, "other": [0.6] * 2},
        )
    assert lines == [
        "one: 0.500 -> 0.600, of too few turns to tell",
        "few: 0.548 -> 0.900, of too few turns to tell",
        "same: 0.500 -> 0.500, within the noise",
        "other: 0.500 -> 0.600, SLOWER, 1.20 times as long",
    ]


def test_it_moved_the_way_in_which_the_test_found_it(benchmark_named: Any) -> None:
    """Where nearly half of the turns are slower, medians may be the same."""
    compare = benchmark_named("compare")
    assert compare.describe("a", [1.0] * 60, [1.0] * 31 + [1.21] * 29) == (
        "a: 1.000 -> 1.097, SLOWER, 1.10 times as long"
    )


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": "1.0", "benchmarks": [{}]}'])
def test_another_kind_of_file_is_no_file_to_compare(
    benchmark_named: Any,
    content: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "old.json").write_text(content)
    compare = benchmark_named("compare")
    monkeypatch.setattr("sys.argv", ["compare.py", str(tmp_path / "old.json"), str(tmp_path / "new.json")])
    with pytest.raises(SystemExit, match="2"):
        compare.main()
    assert "old.json is no file of pyperf's (" in capsys.readouterr().err


def test_as_much_is_learnt_as_the_minutes_allow(benchmark_named: Any) -> None:
    check = benchmark_named("gpu_check")
    recipe = check.TrainConfig(epochs=4, batch=32)
    of = check.fitted
    assert of(recipe, 1000, rate=10, seconds=350) == check.replace(recipe, epochs=3)  # 3,500 images
    assert of(recipe, 1000, rate=10, seconds=9999) == recipe
    assert of(recipe, 1000, rate=10, seconds=50) == check.replace(recipe, epochs=1, limit=500)
    assert of(recipe, 1000, rate=10, seconds=1) == check.replace(recipe, epochs=1, limit=64)


def test_gpu_check_says_how_to_run_without_a_gpu(own_cache: Path) -> None:
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(BENCHMARKS / "gpu_check.py")]
    run = subprocess.run(command, env=hidden, capture_output=True, text=True)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert "no CUDA GPU here" in line
    assert "--device cpu" in line


@pytest.mark.slow
def test_gpu_check_runs_on_a_cpu_from_drawing_to_json(own_cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "gpu_check.py"), "--device", "cpu", "--images", "64"]
    small = ["--minutes", "0.03", "--backbone", "test_vit", "--batch", "8", "--out", str(tmp_path)]
    run = subprocess.run([*command, *small], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads((tmp_path / "gpu_check.json").read_text())
    assert json.loads(run.stdout.splitlines()[-1]) == found
    assert (found["device"], found["scenes"]) == ("cpu", 64)
    vit, lite = found["networks"]
    assert (vit["backbone"], vit["size"], vit["peak_gpu_gib"]) == ("test_vit", 160, None)
    assert (lite["backbone"], lite["size"]) == ("tf_efficientnet_lite0", 128)
    for network in (vit, lite):
        assert network["images_per_second"] > 0
        assert -1 <= network["validation"] <= 1
        assert network["train_images"] + network["validation_images"] <= 64


def test_growth_is_of_a_thousand_images(benchmark_named: Any) -> None:
    memory = benchmark_named("memory")
    mib = memory.MIB
    few, many = (
        memory.Used(images, 1.0, used * mib, cache * mib, cache // 2 * mib)
        for images, used, cache in ((200, 900, 4), (400, 910, 8))
    )
    row = memory.Row.of("predict", few, many)
    assert (row.memory_growth, row.cache_growth) == (50 * mib, 20 * mib)
    assert row.line() == "| predict | 900 | 50 | 4 | 20 | 4 |"


def test_memory_of_a_command_counts_its_children(benchmark_named: Any) -> None:
    memory, mib = benchmark_named("memory"), 2**20
    child = f"import sys; held = b'x' * {60 * mib}; print(flush=True); sys.stdin.read()"
    parent = (
        f"import subprocess, sys; held = b'x' * {60 * mib}; subprocess.run([sys.executable, '-c', {child!r}])"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", parent], **pipes) as process:
        process.stdout.readline()  # both hold their own now
        assert 120 * mib < memory.resident(memory.psutil.Process(process.pid)) < 200 * mib
        process.stdin.close()
    assert memory.resident(memory.psutil.Process()) > 0


def test_use_of_a_command_is_told_with_its_cache_and_its_failure(
    benchmark_named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, mib = benchmark_named("memory"), 2**20
    monkeypatch.setattr(memory, "UNPROMPT", (sys.executable, "-c"))
    kept = (
        f"import os, pathlib; pathlib.Path(os.environ['XDG_CACHE_HOME'], 'kept').write_bytes(b'x' * {mib}); "
        "import time; time.sleep(1)"  # for a look at it
    )
    used = memory.use([kept], 10, tmp_path)
    assert (used.images, used.cache_left) == (10, mib)
    assert used.memory > mib
    with pytest.raises(SystemExit, match="no such prompt"):
        memory.use(["raise SystemExit('no such prompt')"], 10, tmp_path)


def test_filtering_a_mapped_file_is_measured_and_projected(benchmark_named: Any, tmp_path: Path) -> None:
    bench = benchmark_named("filter")
    source = bench.unit_rows(np.random.default_rng(1).normal(size=(40, 384)))
    bench.write_rows(tmp_path / "rows.npy", source, 3000)
    rows = np.load(tmp_path / "rows.npy")
    assert rows.shape == (3000, 384)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    here, there = multiprocessing.Pipe()
    bench.filter_mapped(tmp_path / "rows.npy", there)
    found = here.recv()
    assert (found.rows, found.kept) == (3000, int(bench.by_brute_force(rows).sum()))
    assert found.kept < 3000
    assert found.own > 0
    assert bench.projected([1, 2, 3], [7, 13, 23], 10, power=2) == pytest.approx(5 + 2 * 100)
    assert bench.projected([1, 2], [7, 10], 10, power=1) == pytest.approx(4 + 3 * 10)
