"""Downloading, from a hub on this machine that answers as Hugging Face's does (tests/hub_server.py)."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.hub_server import Hub, serving_hub
from unprompt.errors import CheckpointError, ConfigError, RunError
from unprompt.networks import checkpoints, fetching
from unprompt.networks.checkpoints import (
    Checkpoint,
    CheckpointFile,
    Source,
    install,
    known_checkpoints,
    locate,
    verify,
)
from unprompt.networks.fetching import check_online, fetch, here

REPOSITORY = "somebody/tiny-model"
WEIGHTS = bytes(range(256)) * 20_000  # 5 MB
CONTENT = {"model.safetensors": WEIGHTS, "sub/config.json": b'{"small": true}'}
PART = 2_000_000


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that has REPOSITORY, and a machine that knows no other, has no cache and no token."""
    import huggingface_hub  # noqa: F401  it reads HF_HUB_OFFLINE once, and is to stay offline for other tests

    with serving_hub() as hub:
        for path, content in CONTENT.items():
            hub.add(REPOSITORY, path, content)
        for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "HTTP_PROXY"):
            monkeypatch.delenv(variable, raising=False)
            monkeypatch.delenv(variable.lower(), raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hugging"))
        monkeypatch.setenv(checkpoints.ENVIRONMENT_VARIABLE, str(tmp_path / "variable"))
        monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "kaggle")
        monkeypatch.setattr(fetching, "WAITS", (0, 0, 0))
        yield hub


def tiny(hub: Hub, revision: str | None = None, known: bool = True) -> Checkpoint:
    """The checkpoint `tiny` of CONTENT's files, with or without sizes and sha256."""
    files = tuple(
        CheckpointFile(
            name,
            len(content) if known else None,
            hashlib.sha256(content).hexdigest() if known else None,
            Source(REPOSITORY, revision or hub.commit, name),
            "MIT",
        )
        for name, content in CONTENT.items()
    )
    return Checkpoint(
        "tiny", "for tests", ("lite",), "unprompt-tiny", files, ("unprompt checkpoints fetch tiny",), None, ""
    )


@pytest.fixture
def declare(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """`declare.only(checkpoint)` makes it the one that is known; at first that is `tiny(hub)`."""

    def only(checkpoint: Checkpoint) -> None:
        monkeypatch.setattr(checkpoints, "known_checkpoints", lambda: {checkpoint.name: checkpoint})

    only(tiny(hub))
    return SimpleNamespace(only=only)


pytestmark = pytest.mark.usefixtures("declare")


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, hidden ones too, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def quiet(_: str) -> None:
    """For what is said."""


# --- a whole download


def test_what_is_fetched_is_found_and_right(hub: Hub, tmp_path: Path) -> None:
    said: list[str] = []
    steps: list[tuple[str, int, int]] = []
    found = fetch("tiny", said.append, lambda *step: steps.append(step))
    target = tmp_path / "cache/unprompt/checkpoints/tiny"
    there = files_in(target)
    record = json.loads(there.pop(checkpoints.RECORD))
    assert there == CONTENT
    assert (found.folder, locate("tiny").folder) == (target, target)
    assert said == [f"tiny: 2 files, 5.1 MB, of {REPOSITORY} (MIT), into {target}"]
    assert steps[-1] == ("downloading tiny", 5, 6)
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    assert record["files"]["sub/config.json"] == {
        "size": 15,
        "sha256": hashlib.sha256(CONTENT["sub/config.json"]).hexdigest(),
        "declared": True,
        "repository": REPOSITORY,
        "revision": hub.commit,
    }


def test_once_here_nothing_is_asked(hub: Hub) -> None:
    assert here("tiny") is None
    fetch("tiny", quiet)
    hub.asked.clear()
    found = here("tiny")
    assert found is not None
    assert found.place == "the user's cache"
    assert hub.asked == []


def test_a_renamed_repository_and_a_branch(hub: Hub, declare: SimpleNamespace) -> None:
    hub.renamed["old/name"] = REPOSITORY
    checkpoint = tiny(hub, "main", known=False)
    moved = tuple(
        replace(file, source=replace(file.source, repository="old/name")) for file in checkpoint.files
    )
    declare.only(replace(checkpoint, files=moved))
    found = fetch("tiny", quiet)
    assert found.main_path.read_bytes() == WEIGHTS
    record = json.loads((found.folder / checkpoints.RECORD).read_text())
    assert record["files"]["model.safetensors"]["revision"] == hub.commit
    assert record["files"]["model.safetensors"]["declared"] is False


def test_what_the_hub_says_is_kept_where_nothing_is_declared(hub: Hub, declare: SimpleNamespace) -> None:
    declare.only(tiny(hub, known=False))
    found = fetch("tiny", quiet)
    verify(found)
    found.main_path.write_bytes(b"x" + WEIGHTS[1:])
    with pytest.raises(CheckpointError, match="is not the checkpoint 'tiny': sha256"):
        verify(found)
    fetch("tiny", quiet)  # which mends it
    assert found.main_path.read_bytes() == WEIGHTS


def test_files_of_ones_own_take_the_record_along(hub: Hub, declare: SimpleNamespace, tmp_path: Path) -> None:
    declare.only(tiny(hub, known=False))
    found = fetch("tiny", quiet)
    for name in CONTENT:
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(b"mine")
    verify(install("tiny", tmp_path / "mine"))
    assert found.main_path.read_bytes() == b"mine"


# --- who is asked for what


def test_the_token_goes_to_the_hub_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated[REPOSITORY] = "hf_secret"
    with pytest.raises(CheckpointError) as caught:
        fetch("tiny", quiet)
    words = str(caught.value)
    assert f"refuses {REPOSITORY} (401): it is gated, and no token was sent" in words
    assert f"{hub.address}/{REPOSITORY}" in words
    assert "set HF_TOKEN" in words
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(CheckpointError, match=r"\(403\): it is gated, and the token that was sent is not en"):
        fetch("tiny", quiet)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch("tiny", quiet)  # the storage answers 400 to a token
    assert hub.of("storage", "GET")
    assert all("Authorization" not in one.headers for one in hub.of("storage", "GET"))


def test_a_proxy_is_gone_through(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that do not exist are reached, since the proxy, here the hub's server, is asked for them."""
    monkeypatch.setenv("HTTP_PROXY", hub.address)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    hub.storage = "http://storage.example"
    assert fetch("tiny", quiet).main_path.read_bytes() == WEIGHTS
    assert {one.path.split("/")[2] for one in hub.asked} == {"hub.example", "storage.example"}


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_is_respected(hub: Hub, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_online()
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError, match=f"{variable} is set, so nothing is downloaded; .* --from FOLDER"):
        fetch("tiny", quiet)
    assert hub.asked == []


def test_a_file_that_is_not_on_the_hub(hub: Hub, declare: SimpleNamespace) -> None:
    """It has no hash, but a size; the storage stands for any web server."""
    hub.cuts += [PART]
    source = Source(f"{hub.storage}/{REPOSITORY}", None, "model.safetensors")
    declare.only(replace(tiny(hub), files=(CheckpointFile("weights.pth", None, None, source, "MIT"),)))
    said: list[str] = []
    assert fetch("tiny", said.append).main_path.read_bytes() == WEIGHTS
    assert said[0].startswith("tiny: 1 file, 5.1 MB, of http://127.0.0.1")
    assert hub.of("hub", "HEAD") == []
    assert [one.headers.get("Range") for one in hub.of("storage", "GET")] == [None, f"bytes={PART}-"]


def test_what_is_not_published_says_how_to_get_it(declare: SimpleNamespace, hub: Hub) -> None:
    none = (CheckpointFile("weights.pth", None, None, Source(), "MIT"),)
    declare.only(replace(tiny(hub), files=none, get=("train one",)))
    with pytest.raises(CheckpointError, match="'tiny' is not published for download; train one"):
        fetch("tiny", quiet)


# --- Hugging Face's own cache


def hugging(hub: Hub, home: Path, *words: str) -> str:
    """Have huggingface_hub itself download from the hub, in a process of its own; returns what it prints."""
    code = "import sys; from huggingface_hub import hf_hub_download as get\n"
    code += "for path in sys.argv[3:]: print(get(sys.argv[1], path, revision=sys.argv[2]))"
    variables = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    arguments = [sys.executable, "-c", code, *words]
    run = subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@pytest.mark.parametrize("revision", [None, "main"])
def test_what_huggingface_hub_has_downloaded_is_found_in_place(
    hub: Hub, tmp_path: Path, revision: str | None, declare: SimpleNamespace
) -> None:
    """Its own client takes this hub for one, and leaves what `locate` finds."""
    declare.only(tiny(hub, revision))
    hugging(hub, tmp_path / "hugging", REPOSITORY, revision or hub.commit, *CONTENT)
    found = locate("tiny")
    assert found.place == "the Hugging Face cache"
    assert found.main_path.read_bytes() == WEIGHTS
    hub.asked.clear()
    assert here("tiny") == found
    assert hub.asked == []
    assert not (tmp_path / "cache").exists()


def test_half_of_it_in_that_cache_is_taken_and_lies_once(hub: Hub, tmp_path: Path) -> None:
    kept = Path(hugging(hub, tmp_path / "hugging", REPOSITORY, hub.commit, "model.safetensors").strip())
    hub.asked.clear()
    found = fetch("tiny", quiet)
    assert found.main_path.samefile(kept.resolve())
    assert hub.of("storage", "GET") == []


def test_another_version_in_that_cache_is_passed_over(hub: Hub, tmp_path: Path) -> None:
    hugging(hub, tmp_path / "hugging", REPOSITORY, hub.commit, "model.safetensors")
    hub.commit = "d1" * 20
    assert here("tiny") is None


# --- troubles


def test_a_cut_connection_goes_on_where_it_ended(hub: Hub) -> None:
    hub.cuts += [PART, 0, 1_000_000]
    assert fetch("tiny", quiet).main_path.read_bytes() == WEIGHTS
    wanted = [one.headers.get("Range") for one in hub.of("storage", "GET")]
    assert wanted == [None, f"bytes={PART}-", f"bytes={PART}-", f"bytes={PART + 1_000_000}-"]


def test_a_server_without_ranges_begins_again(hub: Hub) -> None:
    hub.cuts, hub.ranges = [PART], False
    assert fetch("tiny", quiet).main_path.read_bytes() == WEIGHTS


def test_what_came_stays_where_it_ends_for_good(hub: Hub, tmp_path: Path) -> None:
    hub.cuts += [PART, 0, 0, 0, 0]
    with pytest.raises(CheckpointError, match=r"no connection to 127\.0\.0\.1.* the same command goes on"):
        fetch("tiny", quiet)
    (part,) = (tmp_path / "cache/unprompt/checkpoints/tiny").iterdir()
    assert part.name.startswith(".model.safetensors.")
    assert part.stat().st_size == PART
    with pytest.raises(CheckpointError, match="not found"):
        locate("tiny")
    hub.asked.clear()
    hub.cuts.clear()
    said: list[str] = []
    fetch("tiny", said.append)
    assert "2 files, 3.1 MB (2.0 MB are here from before)" in said[0]
    assert hub.of("storage", "GET")[0].headers["Range"] == f"bytes={PART}-"
    assert locate("tiny").main_path.read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (b"x" * len(WEIGHTS), "is not the checkpoint 'tiny': sha256 .* it was removed"),
        (b"<p>please log in</p>", r"sends 20 bytes where the file has 5,120,000: .* nothing of it was kept"),
    ],
)
def test_wrong_bytes_are_not_kept(hub: Hub, tmp_path: Path, lie: bytes, says: str) -> None:
    hub.lies = lie
    with pytest.raises(CheckpointError, match=says):
        fetch("tiny", quiet)
    assert files_in(tmp_path / "cache") == {}
    hub.lies = None
    assert fetch("tiny", quiet).main_path.read_bytes() == WEIGHTS


def test_wrong_bytes_after_a_part_from_before(hub: Hub) -> None:
    """A part that was damaged on the disk: the whole is refused once, and comes anew."""
    hub.cuts += [PART, 0, 0, 0, 0]
    with pytest.raises(CheckpointError):
        fetch("tiny", quiet)
    hub.cuts.clear()
    (part,) = checkpoints.checkpoint_folder("tiny").iterdir()
    part.write_bytes(b"0" * PART)
    with pytest.raises(CheckpointError, match="it was removed, run the same command again"):
        fetch("tiny", quiet)
    assert fetch("tiny", quiet).main_path.read_bytes() == WEIGHTS


def test_another_file_than_the_declared_is_not_even_begun(hub: Hub) -> None:
    hub.add(REPOSITORY, "model.safetensors", WEIGHTS[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"is not the declared file: .* nothing was downloaded"):
        fetch("tiny", quiet)
    assert hub.of("storage", "GET") == []
    assert not checkpoints.checkpoint_folder("tiny").exists()


def test_small_files_are_checked_by_gits_hash(hub: Hub, declare: SimpleNamespace, tmp_path: Path) -> None:
    """A small file has no sha256 on the hub; here a wrong one of the right size lies there already."""
    declare.only(tiny(hub, known=False))
    config = checkpoints.checkpoint_folder("tiny") / "sub/config.json"
    config.parent.mkdir(parents=True)
    config.write_bytes(b'{"small": null}')
    fetch("tiny", quiet)
    assert config.read_bytes() == CONTENT["sub/config.json"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"revision": "e2" * 20}, "says 404: the revision e2e2.* is gone"),
        ({"path": "other.bin"}, "says 404: somebody/tiny-model has no other.bin at c0c0"),
        ({"repository": "no/body"}, r"refuses no/body \(401\): it is private, gated or gone"),
    ],
)
def test_what_is_gone(hub: Hub, change: dict[str, str], says: str, declare: SimpleNamespace) -> None:
    checkpoint = tiny(hub)
    files = tuple(replace(file, source=replace(file.source, **change)) for file in checkpoint.files)
    declare.only(replace(checkpoint, files=files))
    with pytest.raises(CheckpointError, match=says) as caught:
        fetch("tiny", quiet)
    assert "\n" not in str(caught.value)


def test_a_busy_hub_is_asked_again(hub: Hub) -> None:
    hub.unable += [503, 429]
    fetch("tiny", quiet)
    hub.unable += [503] * 9
    (checkpoints.checkpoint_folder("tiny") / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"answers 503 .* again and again; what came stays"):
        fetch("tiny", quiet)


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        CheckpointError, match=r"no connection to 127\.0\.0\.1:9 \(.*refused\); check the net"
    ):
        fetch("tiny", quiet)


def test_something_else_than_a_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(f"{REPOSITORY}/resolve/{hub.commit}", "model.safetensors", WEIGHTS)
    monkeypatch.setenv("HF_ENDPOINT", hub.storage)
    with pytest.raises(CheckpointError, match="does not answer as the Hugging Face hub does"):
        fetch("tiny", quiet)


def test_no_space_is_told_before(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    with pytest.raises(RunError, match=r"5\.1 MB are to come into .*, whose disk has 5\.0 MB free"):
        fetch("tiny", quiet)
    assert hub.of("storage", "GET") == []


def test_a_disk_that_fills_up_keeps_what_came(hub: Hub) -> None:
    def full(_: str, done: int, total: int) -> None:
        if done >= PART // 10**6:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        RunError, match=r"no space left on the disk while writing .*model\.safetensors; free some"
    ):
        fetch("tiny", quiet, full)
    hub.asked.clear()
    assert fetch("tiny", quiet).main_path.read_bytes() == WEIGHTS
    assert hub.of("storage", "GET")[0].headers["Range"].startswith("bytes=2")


# --- the command

TURBO = "sd-turbo"  # declared without sizes and sha256


@pytest.fixture
def turbo(hub: Hub) -> Checkpoint:
    """A hub that has files for a checkpoint that is really declared, and 5 MB in its weights."""
    checkpoint = known_checkpoints()[TURBO]
    hub.commit = str(checkpoint.files[0].source.revision)
    for file in checkpoint.files:
        large = file.name == checkpoint.main_file.name
        hub.add(str(file.source.repository), str(file.source.path), WEIGHTS if large else file.name.encode())
    return checkpoint


def command(hub: Hub, home: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """`unprompt checkpoints fetch …` in a process of its own, on a machine with nothing but this hub."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    own = {
        "HF_ENDPOINT": hub.address,
        "XDG_CACHE_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "HF_TOKEN": "hf_x",
    }
    arguments = [sys.executable, "-m", "unprompt", "checkpoints", "fetch", *words]
    return subprocess.Popen(
        arguments, env=clean | own | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def part_of(home: Path, process: subprocess.Popen[str]) -> Path:
    """Wait until nearly all that the storage has sent is in the weights' part."""
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        for part in home.glob(f"unprompt/checkpoints/{TURBO}/unet/.*.part"):
            if part.stat().st_size > PART - 20_000:
                return part
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"no part: {process.communicate(timeout=9)}")


def test_the_command_says_whom_it_asks_and_what_comes(hub: Hub, turbo: Checkpoint, tmp_path: Path) -> None:
    output, errors = command(hub, tmp_path, TURBO).communicate(timeout=60)
    lines = output.splitlines()
    host = hub.address.removeprefix("http://")
    folder = tmp_path / "unprompt/checkpoints" / TURBO
    assert lines[0] == f"asking {host} for {TURBO} (size not known)"
    assert lines[1].startswith(f"{TURBO}: 12 files, 5.1 MB, of stabilityai/sd-turbo (LicenseRef-")
    assert lines[2] == f"{TURBO}: 12 files checked, in {folder}"
    assert errors == ""
    output, errors = command(hub, tmp_path / "other", TURBO, "--json").communicate(timeout=60)
    (told,) = json.loads(output)
    assert (told["name"], told["fetched"], len(told["files"])) == (TURBO, True, 12)
    assert told["folder"] == str(tmp_path / "other/unprompt/checkpoints" / TURBO)
    assert errors.splitlines()[0] == lines[0]
    assert sorted(files_in(folder)) == sorted([checkpoints.RECORD, *(file.name for file in turbo.files)])


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_goes_on(hub: Hub, turbo: Checkpoint, tmp_path: Path, end: signal.Signals) -> None:
    hub.stall_after = PART
    process = command(hub, tmp_path, TURBO)
    try:
        part = part_of(tmp_path, process)
        process.send_signal(end)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        hub.go_on.set()
    size = part.stat().st_size
    assert PART - 20_000 < size <= PART
    if end is signal.SIGINT:
        assert process.returncode == 130
        assert errors == "\nunprompt: interrupted; run the same command again to go on; what came is kept\n"
    hub.stall_after = None
    hub.asked.clear()
    process = command(hub, tmp_path, TURBO)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "are here from before" in output
    assert hub.of("storage", "GET")[0].headers["Range"] == f"bytes={size}-"
    assert not part.exists()
    assert part.with_name(Path(turbo.main_file.name).name).read_bytes() == WEIGHTS


def test_two_at_once(hub: Hub, turbo: Checkpoint, tmp_path: Path) -> None:
    hub.stall_after = PART
    first = command(hub, tmp_path, TURBO)
    try:
        part_of(tmp_path, first)
        second = command(hub, tmp_path, TURBO)
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 1
        assert errors.startswith(f"unprompt: another unprompt is downloading '{TURBO}' into ")
        hub.go_on.set()
        assert first.wait(60) == 0
    finally:
        hub.go_on.set()
        first.kill()
        first.communicate()


def test_offline_by_the_command(hub: Hub, turbo: Checkpoint, tmp_path: Path) -> None:
    process = command(hub, tmp_path, TURBO, HF_HUB_OFFLINE="1")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith("unprompt: HF_HUB_OFFLINE is set, so nothing is downloaded")
    assert errors.count("\n") == 1
    assert hub.asked == []


def test_a_bundle_with_what_is_not_published(hub: Hub, turbo: Checkpoint, tmp_path: Path) -> None:
    """`kaggle` has a member that everybody trains for himself; that is said at the end, and is no success."""
    process = command(hub, tmp_path, "vit-b16-regression")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1 of 1 cannot be downloaded from here: vit-b16-regression: train one with" in errors
    assert hub.asked == []


def test_every_published_file_has_an_address() -> None:
    for checkpoint in known_checkpoints().values():
        for file in checkpoint.download:
            assert file.source.on_hub or str(file.source.address).startswith("https://")
            assert file.source.path
