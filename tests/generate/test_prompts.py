"""The stream of prompts: exact, resumable, never half written; and the command that drives it."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.cli import build_parser
from unprompt.errors import ConfigError, InputError, RunError, UnpromptError
from unprompt.generate.prompt_files import FilePrompts
from unprompt.generate.prompts import Draft, extend_prompts
from unprompt.storage.files import locked, read_json, read_prompts

SAID = ("a cat, a dog", 'she said "hello"', "two words", "emoji 🐈‍⬛ and 日本語", "it's", "#1 = cmd()")


@dataclass(frozen=True)
class Counting:
    """Counts up: every 5th draft is too short, every 7th says what an earlier one said, in capitals."""

    seed: int = 0
    end: int | None = None
    pause: float = 0.0

    def settings(self) -> Mapping[str, Any]:
        return {"engine": "counting", "seed": self.seed, "words": ("a", "b")}

    def drafts(self, start: int) -> Iterator[Draft]:
        number = start
        while self.end is None or number < self.end:
            time.sleep(self.pause)
            text = f"{SAID[number % len(SAID)]} {self.seed} {number}"
            if number % 7 == 6:
                text = f"{SAID[(number - 3) % len(SAID)]} {self.seed} {number - 3}".upper()
            rejected = "too short" if number % 5 == 4 else ""
            seed = None if number % 3 else number
            yield Draft(number, f"c-{number:05d}", text, "counting", seed, rejected)
            number += 1


def expected(engine: Counting, count: int) -> list[list[str]]:
    """The rows of `count` prompts, by plain reading of what is promised."""
    kept: list[list[str]] = []
    seen: list[str] = []
    for draft in engine.drafts(0):
        if len(kept) == count:
            break
        if not draft.rejected and draft.text.lower() not in seen:
            seen.append(draft.text.lower())
            seed = "" if draft.seed is None else str(draft.seed)
            kept.append([draft.image_id, draft.text, draft.source, seed])
    return kept


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def digest(folder: Path) -> dict[str, str]:
    """Every file of a folder with its sha256: nothing else may lie there."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


# --- what is written


def test_the_good_drafts_in_order_byte_for_byte(tmp_path: Path) -> None:
    result = extend_prompts(tmp_path / "prompts.csv", Counting(), 4)
    assert (tmp_path / "prompts.csv").read_text(encoding="utf-8").split("\n") == [
        "imgId,prompt,source,seed",
        'c-00000,"a cat, a dog 0 0",counting,0',
        'c-00001,"she said ""hello"" 0 1",counting,',
        "c-00002,two words 0 2,counting,",
        "c-00003,emoji 🐈‍⬛ and 日本語 0 3,counting,3",
        "",
    ]
    assert (result.count, result.added, result.drafts, dict(result.rejected)) == (4, 4, 4, {})
    assert result.samples == ("a cat, a dog 0 0", 'she said "hello" 0 1', "two words 0 2")


def test_rejected_drafts_and_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    result = extend_prompts(tmp_path / "prompts.csv", Counting(), 6)
    assert rows_of(tmp_path / "prompts.csv")[1:] == expected(Counting(), 6)
    assert (result.drafts, dict(result.rejected)) == (8, {"too short": 1, "duplicate": 1})


def test_the_readers_of_prompts_read_it(tmp_path: Path) -> None:
    extend_prompts(tmp_path / "prompts.csv", Counting(), 100)
    prompts = read_prompts(tmp_path / "prompts.csv")
    assert [[*pair] for pair in zip(prompts.ids, prompts.texts, strict=True)] == [
        row[:2] for row in expected(Counting(), 100)
    ]


def test_a_prompt_may_be_longer_than_csv_takes_fields(tmp_path: Path) -> None:
    limit, long = csv.field_size_limit(), "word, " * 30_000
    (tmp_path / "list.txt").write_text(f"a cat\n{long}\na dog\n{long.upper()}\nA Cat\n")
    engine = FilePrompts(tmp_path / "list.txt")
    assert extend_prompts(tmp_path / "prompts.csv", engine, 2).samples == ("a cat", long.strip())
    result = extend_prompts(tmp_path / "prompts.csv", engine, None)
    assert (result.count, dict(result.rejected)) == (3, {"duplicate": 2})
    assert result.samples == ("a cat", long.strip(), "a dog")
    assert csv.field_size_limit() == limit  # which is the process's, not ours


def test_the_record_says_how_it_was_made(tmp_path: Path) -> None:
    extend_prompts(tmp_path / "prompts.csv", Counting(), 6)
    record = read_json(tmp_path / "prompts.csv.json")
    assert record["plan"]["engine"] == "counting"
    assert record["plan"]["words"] == ["a", "b"]
    assert "unprompt" in record["plan"]
    assert (record["count"], record["next_number"]) == (6, 8)
    assert record["rejected"] == {"too short": 1, "duplicate": 1}
    assert record["sha256"] == hashlib.sha256((tmp_path / "prompts.csv").read_bytes()).hexdigest()


# --- going on


@pytest.mark.parametrize("stops", [(1000, 2000), (1, 2, 3, 2000), (1999, 2000), (2000, 2000)])
def test_more_is_the_same_as_all_at_once(tmp_path: Path, stops: tuple[int, ...]) -> None:
    for count in stops:
        extend_prompts(tmp_path / "steps" / "prompts.csv", Counting(), count)
    extend_prompts(tmp_path / "once" / "prompts.csv", Counting(), 2000)
    assert digest(tmp_path / "steps") == digest(tmp_path / "once")
    assert rows_of(tmp_path / "once" / "prompts.csv")[1:] == expected(Counting(), 2000)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 150), min_size=1, max_size=5), st.integers(0, 3))
def test_any_steps_give_the_same_bytes(stops: set[int], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "prompts.csv"
        for count in sorted(stops):
            result = extend_prompts(out, Counting(seed), count)
        assert rows_of(out)[1:] == expected(Counting(seed), max(stops))
        assert result.drafts == result.count + sum(result.rejected.values())
        assert {path.name for path in Path(folder).iterdir()} == {"prompts.csv", "prompts.csv.json"}


def test_what_is_complete_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    extend_prompts(out, Counting(), 50)
    before = out.stat()
    result = extend_prompts(out, Counting(), 50)
    assert (result.count, result.added) == (50, 0)
    assert (out.stat().st_mtime_ns, out.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


KILLED = """
import os, signal, sys
from pathlib import Path
import unprompt.generate.prompts as stream
from tests.generate.test_prompts import Counting, digest

stream.SAVE_SECONDS = -1.0  # save after every draft
os.fsync = lambda descriptor: None  # a killed process leaves what it wrote to the system; this saves seconds

def die_at(step):
    # Kill this process just before its step-th call of what changes files.
    left = [step]
    def counted(call):
        def wrapper(*args, **more):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **more)
        return wrapper
    for owner, name in ((os, "fsync"), (os, "truncate"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"),
                        (stream, "csv_line"), (stream.shutil, "rmtree")):
        setattr(owner, name, counted(getattr(owner, name)))

def in_child(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]

def extend(folder, count):
    stream.extend_prompts(folder / "prompts.csv", Counting(), count, overwrite=OVERWRITE)

root, OVERWRITE = Path(sys.argv[1]), sys.argv[2] == "overwrite"
extend(root / "whole", 6)
wanted, step, deaths = digest(root / "whole"), 1, 0
while True:
    folder = root / str(step)
    if OVERWRITE:
        stream.extend_prompts(folder / "prompts.csv", Counting(seed=9), 5)
    else:
        in_child(lambda: extend(folder, 3))
    if not in_child(lambda: (die_at(step), extend(folder, 6))):
        break  # it ended before that step
    deaths += 1
    out = folder / "prompts.csv"
    assert not out.exists() or out.read_bytes().endswith(b"\\n"), step
    in_child(lambda: (die_at(step // 2 + 1), extend(folder, 6)))  # and once more
    assert in_child(lambda: extend(folder, 6)) == 0, step
    assert digest(folder) == wanted, (step, os.listdir(folder))
    step += 1
print(deaths)
"""


@pytest.mark.parametrize("way", ["extend", "overwrite"])
def test_killed_at_any_step_and_run_again_gives_the_same_bytes(tmp_path: Path, way: str) -> None:
    """The process kills itself before each of its writes, renames and removals in turn, twice over."""
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), way],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 30


def test_killed_from_outside_and_run_again_gives_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import unprompt.generate.prompts as stream;"
        "from tests.generate.test_prompts import Counting; stream.SAVE_SECONDS = 0.01;"
        "stream.extend_prompts(Path(sys.argv[1]), Counting(pause=0.001), 3000)"
    )
    out = tmp_path / "killed" / "prompts.csv"
    work = out.with_name(".prompts.csv.work")
    process = subprocess.Popen([sys.executable, "-c", program, str(out)], cwd=Path(__file__).parents[2])
    while not (work / "progress.json").exists() or read_json(work / "progress.json")["count"] < 100:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    assert 100 <= read_json(work / "progress.json")["count"] < 3000
    result = extend_prompts(out, Counting(), 3000)
    assert result.added <= 2900  # it went on from there
    extend_prompts(tmp_path / "whole" / "prompts.csv", Counting(), 3000)
    assert digest(out.parent) == digest(tmp_path / "whole")


def test_rows_beyond_the_last_save_are_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    with pytest.raises(ZeroDivisionError):
        extend_prompts(out, Failing(at=20), 30)
    rows = tmp_path / ".prompts.csv.work" / "rows.csv"
    with rows.open("ab") as stream:
        stream.write(b'c-00099,"half a li')
    extend_prompts(out, Failing(at=10**9), 30)
    assert rows_of(out)[1:] == expected(Counting(), 30)


@dataclass(frozen=True)
class Failing(Counting):
    """Breaks down at a draft, as an engine with a bug would."""

    at: int = 0

    def drafts(self, start: int) -> Iterator[Draft]:
        for draft in super().drafts(start):
            if draft.number == self.at:
                raise ZeroDivisionError
            yield draft


@pytest.mark.parametrize("end", [KeyboardInterrupt, RunError])
def test_what_was_written_before_an_engine_ended_is_kept(tmp_path: Path, end: type[BaseException]) -> None:
    """Of a language model that is a batch, which has taken minutes."""

    class Ending(Counting):
        def drafts(self, start: int) -> Iterator[Draft]:
            yield from islice(super().drafts(start), 20)
            raise end

    out = tmp_path / "prompts.csv"
    with pytest.raises(end):
        extend_prompts(out, Ending(), 30)
    kept = read_json(tmp_path / ".prompts.csv.work" / "progress.json")
    assert (kept["count"], kept["next_number"]) == (len(expected(Counting(end=20), 30)), 20)
    extend_prompts(out, Counting(), 30)
    assert rows_of(out)[1:] == expected(Counting(), 30)


def test_a_batch_is_kept_before_the_next_is_begun(tmp_path: Path) -> None:
    kept = []

    class Batches(Counting):
        def drafts(self, start: int) -> Iterator[Draft]:
            for draft in super().drafts(start):
                ends = draft.number % 10 == 9
                yield replace(draft, ends_batch=ends)
                if ends:
                    kept.append(read_json(tmp_path / ".prompts.csv.work" / "progress.json")["next_number"])

    extend_prompts(tmp_path / "prompts.csv", Batches(), 25)
    assert kept == [10, 20, 30]


# --- what it refuses


def test_other_settings_are_named(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    extend_prompts(out, Counting(seed=1), 10)
    before = digest(tmp_path)
    with pytest.raises(RunError, match=r"other settings \(seed was 1, is 2\); .*--overwrite"):
        extend_prompts(out, Counting(seed=2), 20)
    assert digest(tmp_path) == before
    extend_prompts(out, Counting(seed=2), 20, overwrite=True)
    assert rows_of(out)[1:] == expected(Counting(seed=2), 20)


def test_begun_work_with_other_settings_is_not_touched_either(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    with pytest.raises(ZeroDivisionError):
        extend_prompts(out, Failing(at=20), 30)
    with pytest.raises(RunError, match="seed was 0, is 5"):
        extend_prompts(out, Counting(seed=5), 30)
    extend_prompts(out, Counting(seed=5), 30, overwrite=True)
    assert rows_of(out)[1:] == expected(Counting(seed=5), 30)


def test_another_version_of_unprompt_is_another_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extend_prompts(tmp_path / "prompts.csv", Counting(), 10)
    monkeypatch.setattr("unprompt.generate.prompts.__version__", "99.0")
    with pytest.raises(RunError, match=r'unprompt was ".*", is "99.0"'):
        extend_prompts(tmp_path / "prompts.csv", Counting(), 20)


def test_fewer_than_there_are(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    extend_prompts(out, Counting(), 20)
    with pytest.raises(RunError, match="has 20 prompts already, more than the 10 asked for"):
        extend_prompts(out, Counting(), 10)
    extend_prompts(out, Counting(), 10, overwrite=True)
    assert rows_of(out)[1:] == expected(Counting(), 10)


def test_a_file_of_someone_elses(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    out.write_text("imgId,prompt\na,mine\n")
    with pytest.raises(RunError, match=r"not its record prompts\.csv\.json.*--overwrite"):
        extend_prompts(out, Counting(), 10)
    assert digest(tmp_path).keys() == {"prompts.csv"}
    (tmp_path / "prompts.csv.json").write_text('{"mine": true}')
    with pytest.raises(RunError, match="is not the record of a stream of prompts"):
        extend_prompts(out, Counting(), 10)
    assert out.read_text() == "imgId,prompt\na,mine\n"


def test_a_file_that_was_edited(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    extend_prompts(out, Counting(), 10)
    out.write_bytes(out.read_bytes().replace(b"two words", b"too wards"))
    with pytest.raises(RunError, match="was changed after it was written"):
        extend_prompts(out, Counting(), 20)


@pytest.mark.parametrize("name", ["prompts.parquet", "prompts"])
def test_only_a_csv_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match=r"must end in \.csv"):
        extend_prompts(tmp_path / name, Counting(), 10)
    assert not any(tmp_path.iterdir())


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").mkdir()
    with pytest.raises(RunError, match="is a folder"):
        extend_prompts(tmp_path / "prompts.csv", Counting(), 10)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        extend_prompts(tmp_path / "file" / "prompts.csv", Counting(), 10)


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    work = tmp_path / ".prompts.csv.work"
    work.mkdir()
    with locked(work / "lock", out), pytest.raises(RunError, match="another unprompt is writing"):
        extend_prompts(out, Counting(), 10)
    extend_prompts(out, Counting(), 10)
    assert digest(tmp_path).keys() == {"prompts.csv", "prompts.csv.json"}


def test_a_lock_that_was_removed_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder ended between our opening the file and our locking it; a third may have made a new one."""
    fcntl = pytest.importorskip("fcntl")
    lock, flock = tmp_path / "lock", fcntl.flock

    def removed_first(*arguments: Any) -> None:
        lock.unlink()
        flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with pytest.raises(RunError, match="another unprompt"), locked(lock, tmp_path / "prompts.csv"):
        pass


# --- engines that end, and engines that give nothing


def test_all_of_an_engine_that_ends(tmp_path: Path) -> None:
    result = extend_prompts(tmp_path / "prompts.csv", Counting(end=20), None)
    assert rows_of(tmp_path / "prompts.csv")[1:] == expected(Counting(end=20), 20)
    assert result.drafts == 20
    again = extend_prompts(tmp_path / "prompts.csv", Counting(end=20), None)
    assert (again.count, again.added, again.drafts) == (result.count, 0, 20)


def test_some_and_then_all_of_an_engine_that_ends(tmp_path: Path) -> None:
    extend_prompts(tmp_path / "steps" / "prompts.csv", Counting(end=50), 7)
    extend_prompts(tmp_path / "steps" / "prompts.csv", Counting(end=50), None)
    extend_prompts(tmp_path / "once" / "prompts.csv", Counting(end=50), None)
    assert digest(tmp_path / "steps") == digest(tmp_path / "once")


def test_an_engine_that_ends_too_early_says_so_and_keeps_what_there_is(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    rows = expected(Counting(end=20), 20)
    with pytest.raises(InputError, match=rf"only {len(rows)} prompts .* not 1000 \(dropped: 4 too short"):
        extend_prompts(out, Counting(end=20), 1000)
    assert rows_of(out)[1:] == rows
    assert digest(tmp_path).keys() == {"prompts.csv", "prompts.csv.json"}


class Stuck(Counting):
    """Says the same three prompts for ever."""

    def drafts(self, start: int) -> Iterator[Draft]:
        number = start
        while True:
            yield Draft(number, str(number), f"prompt {number % 3}", "stuck", None, "no" * (number % 10 == 9))
            number += 1


def test_an_engine_that_gives_nothing_new_is_given_up(tmp_path: Path) -> None:
    out = tmp_path / "prompts.csv"
    words = r"100 drafts in a row gave no new prompt, after 3 that did \(dropped: 90 duplicate, 10 no\)"
    with pytest.raises(RunError, match=words):
        extend_prompts(out, Stuck(), 4, patience=100)
    assert not out.exists()
    result = extend_prompts(out, Stuck(), 3, patience=100)  # as the error says
    assert [row[1] for row in rows_of(out)[1:]] == ["prompt 0", "prompt 1", "prompt 2"]
    assert result.count == 3


# --- the command


def command(*arguments: str) -> None:
    """Run `unprompt prompts` as the command line does, with its errors as they are."""
    options = build_parser(["prompts"]).parse_args(["prompts", *arguments])
    options.run(options)


def test_the_command_takes_a_file_and_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("a red cat\nA RED CAT\n\na blue dog\n")
    out = tmp_path / "my prompts.csv"
    command("--out", str(out), "--from", str(tmp_path / "lines.txt"))
    assert rows_of(out)[1:] == [
        ["lines-0000000", "a red cat", "lines.txt", ""],
        ["lines-0000003", "a blue dog", "lines.txt", ""],
    ]
    text = capsys.readouterr().out
    assert "2 prompts, 2 of them new, from 3 drafts (dropped: 1 duplicate)" in text
    assert "  a red cat\n  a blue dog\n" in text
    assert f"unprompt filter '{out}' --out {tmp_path / 'kept.csv'}\n" in text
    command("--out", str(out), "--from", str(tmp_path / "lines.txt"))
    assert "2 prompts, all there before" in capsys.readouterr().out


def test_the_command_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lines.txt").write_text("a red cat\na blue dog\n")
    out = tmp_path / "prompts.csv"
    command("--out", str(out), "--from", str(tmp_path / "lines.txt"), "--count", "1", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "out": str(out),
        "engine": "file",
        "count": 1,
        "added": 1,
        "drafts": 1,
        "rejected": {},
    }


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("a red cat\n")
    command("--out", str(tmp_path / "prompts.csv"), "--from", str(lines))
    lines.write_text("a red cat\na blue dog\n")
    with pytest.raises(RunError, match="sha256 was"):
        command("--out", str(tmp_path / "prompts.csv"), "--from", str(lines))


def test_the_command_cleans_a_file_if_told_so(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text('"A cat" on the <b>mat</b>. It sat.\nno\n')
    command("--out", str(tmp_path / "prompts.csv"), "--from", str(tmp_path / "lines.txt"), "--clean")
    assert [row[1] for row in rows_of(tmp_path / "prompts.csv")[1:]] == ["A cat on the mat"]


def test_the_pocket_grammar_is_the_default(tmp_path: Path) -> None:
    from unprompt.generate.pocket_prompts import PocketPrompts

    command("--out", str(tmp_path / "prompts.csv"), "--count", "30")
    command("--out", str(tmp_path / "prompts.csv"), "--count", "60")
    command("--out", str(tmp_path / "once.csv"), "--count", "60", "--engine", "pocket", "--seed", "0")
    command("--out", str(tmp_path / "other.csv"), "--count", "60", "--seed", "1")
    assert (tmp_path / "prompts.csv").read_bytes() == (tmp_path / "once.csv").read_bytes()
    assert (tmp_path / "prompts.csv").read_bytes() != (tmp_path / "other.csv").read_bytes()
    first = next(draft for draft in islice(PocketPrompts(seed=0).drafts(0), 100) if not draft.rejected)
    assert rows_of(tmp_path / "prompts.csv")[1][:2] == [first.image_id, first.text]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--count", "0"], ConfigError, "--count must be at least 1"),
        ([], ConfigError, "--engine pocket never ends; say how many prompts with --count"),
        (["--engine", "gpt2"], ConfigError, "--engine gpt2 never ends"),
        (["--engine", "file"], ConfigError, "needs --from"),
        (
            ["--count", "5", "--start", "A view of"],
            ConfigError,
            "--start belongs to --engine gpt2.* is pocket",
        ),
        (["--count", "5", "--top-k", "5"], ConfigError, "--top-k belongs to --engine gpt2 and smollm2"),
        (
            ["--count", "5", "--engine", "smollm2", "--start", "A view of"],
            ConfigError,
            "--start belongs to --engine gpt2; the engine here is smollm2",
        ),
        (["--count", "5", "--engine", "smollm2", "--shots", "0"], ConfigError, "shots must be at least 1"),
        (["--count", "5", "--column", "c"], ConfigError, "--column belongs to --engine file"),
        (
            ["--count", "5", "--engine", "gpt2", "--from", "a.txt"],
            ConfigError,
            "--from belongs to --engine file",
        ),
        (["--from", "a.txt", "--seed", "1"], ConfigError, "a seed has no meaning"),
        (["--from", "nowhere/a.txt"], InputError, "nowhere/a.txt does not exist"),
        (
            ["--count", "5", "--engine", "gpt2", "--temperature", "0"],
            ConfigError,
            "temperature must be above 0",
        ),
        (
            ["--count", "5", "--engine", "gpt2", "--start", " "],
            ConfigError,
            "start phrase needs at least one",
        ),
    ],
)
def test_what_makes_no_sense_is_an_error_of_one_line(
    tmp_path: Path, arguments: list[str], error: type[UnpromptError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        command("--out", str(tmp_path / "prompts.csv"), *arguments)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())
