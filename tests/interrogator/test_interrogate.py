"""`unprompt interrogate` from the command line, with a tiny CLIP and BLIP in the files of the real ones."""

from __future__ import annotations

import csv
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.interrogator_world import write_pictures, write_world
from tests.marked_pictures import PARAMETERS, png_with
from tests.other_content import put_other_content
from tests.tiny_clip import tiny_clip, tiny_config, write_tiny_clip
from unprompt.cli import main
from unprompt.errors import ConfigError, RunError
from unprompt.interrogator.config import MERGED, MODES, InterrogateConfig, InterrogatorConfig
from unprompt.interrogator.modes import Interrogator
from unprompt.interrogator.run import interrogate
from unprompt.interrogator.vocabulary import OwnLists
from unprompt.networks.captioner import Captioner
from unprompt.networks.captioner_config import CaptionerConfig
from unprompt.networks.clip import Clip
from unprompt.progress import Progress
from unprompt.storage.text_config import TextConfig

SAID = "a cat on a roof"
FLAVORS = (("film grain", "bokeh"), ("bokeh", "film grain"))


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def run(world: Path) -> Callable[..., int]:
    """The command on the five pictures; options that are given come last and so count."""

    def run_command(*more: object, captioner: bool = False) -> int:
        models = ["--checkpoint", world / "clip", "--phrases", world / "lists", "--workers", 2, "--batch", 2]
        models += ["--captioner", world / "blip"] if captioner else []
        return main(["interrogate", *map(str, [world / "images", *models, *more])])

    return run_command


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# --- the prompts


@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=pytest.mark.slow) if mode in ("best", "negative") else mode for mode in MODES],
)
def test_each_mode_gives_the_prompts_of_its_interrogator(
    mode: str, world: Path, run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "prompts.csv"
    captioner = mode != "negative"
    assert run("--out", out, "--mode", mode, "--max-flavors", 3, captioner=captioner) == 0
    assert out.read_text(encoding="utf-8").startswith("imgId,prompt,caption,similarity\n")
    clip = Clip.load("cpu", checkpoint=world / "clip")
    images = [Image.open(path).convert("RGB") for path in sorted((world / "images").iterdir())]
    features = clip.features([clip.prepare(image) for image in images])
    captions = [""] * 5
    if captioner:
        blip = Captioner.load("cpu", world / "blip")
        captions = blip.features([blip.prepare(image) for image in images]).tolist()
    config = InterrogatorConfig(mode, max_flavors=3)
    own = OwnLists.in_folder(world / "lists")
    expected = Interrogator.build(clip.texts, config, own).prompts(features, captions)
    rows = rows_of(out)
    assert [row["imgId"] for row in rows] == [f"p{number}" for number in range(5)]
    assert [row["caption"] for row in rows] == captions
    assert [row["prompt"] for row in rows] == [one.prompt for one in expected]
    cosines = [float(row["similarity"]) for row in rows]
    assert cosines == pytest.approx([one.similarity for one in expected], abs=1e-4)
    assert str(out) in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_fast_is_clip_interrogators_own_string(world: Path, run: Callable[..., int], tmp_path: Path) -> None:
    from tests.interrogator.test_clip_interrogator_parity import make_reference

    assert run("--out", tmp_path / "p.csv", "--mode", "fast", "--caption", SAID, "--max-flavors", 5) == 0
    reference = make_reference(tiny_clip(), world / "lists")
    images = [Image.open(path).convert("RGB") for path in sorted((world / "images").iterdir())]
    theirs = [reference.interrogate_fast(image, 5, SAID) for image in images]
    assert [row["prompt"] for row in rows_of(tmp_path / "p.csv")] == theirs
    assert len(set(theirs)) > 1


def test_tables_are_kept_in_a_folder_and_taken_from_it(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--mode", "fast", "--caption", SAID, "--tables", tmp_path / "tables")
    assert run("--out", tmp_path / "a.csv", *options) == 0
    kinds = [path.name.partition("-")[0] for path in (tmp_path / "tables").glob("*.safetensors")]
    assert sorted(kinds) == sorted(MERGED)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert run("--out", tmp_path / "b.csv", *options) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert not (tmp_path / "elsewhere" / "unprompt" / "phrases").exists()


@pytest.mark.slow
def test_options_reach_the_prompts(run: Callable[..., int], tmp_path: Path) -> None:
    prompts = {}
    for name, options in {
        "plain": ["--mode", "fast"],
        "without": ["--mode", "fast", "--without", "artists, trending"],
        "short": ["--mode", "fast", "--max-flavors", 2],
        "new": ["--mode", "fast", "--no-repeats"],
        "grey": ["--mode", "fast", "--statistics", "half"],
    }.items():
        assert run("--out", tmp_path / f"{name}.csv", "--caption", f" {SAID}\n", *options) == 0
        prompts[name] = [row["prompt"] for row in rows_of(tmp_path / f"{name}.csv")]
    assert all(prompt.startswith(f"{SAID}, ") for texts in prompts.values() for prompt in texts)
    sites = ("by ", "trending on", "featured on", "contest winner")
    assert any(site in prompt for prompt in prompts["plain"] for site in sites)
    assert not any(site in prompt for prompt in prompts["without"] for site in sites)
    assert all(prompt.count(", ") == 2 for prompt in prompts["short"])
    assert prompts["grey"] != prompts["plain"] != prompts["new"]


@pytest.mark.slow
def test_the_batch_changes_no_prompt(run: Callable[..., int], tmp_path: Path) -> None:
    for batch in (1, 5):
        assert run("--out", tmp_path / f"{batch}.csv", "--batch", batch, captioner=True) == 0
    one, five = (rows_of(tmp_path / f"{batch}.csv") for batch in (1, 5))
    assert [row["prompt"] for row in one] == [row["prompt"] for row in five]


# --- where they go


def test_json_lines_and_numbers_for_programs(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--out", tmp_path / "p.jsonl", "--caption", SAID, "--json") == 0
    numbers = json.loads(capsys.readouterr().out)
    assert numbers["out"] == str(tmp_path / "p.jsonl")
    assert (numbers["images"], numbers["prompts"], numbers["unreadable"]) == (5, 5, 0)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [list(line) for line in lines] == [["imgId", "prompt", "caption", "similarity"]] * 5
    assert run("--out", tmp_path / "p.csv", "--caption", SAID) == 0
    rows = rows_of(tmp_path / "p.csv")
    assert [{**line, "similarity": f"{line['similarity']:.4f}"} for line in lines] == rows


def test_a_text_beside_each_image_or_in_a_folder(
    world: Path, run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--out", tmp_path / "p.csv", "--caption", SAID) == 0
    prompt_by_id = {row["imgId"]: row["prompt"] for row in rows_of(tmp_path / "p.csv")}
    assert run("--out", tmp_path / "texts", "--caption", SAID) == 0
    images = tmp_path / "images"
    shutil.copytree(world / "images", images)
    models = ["--checkpoint", str(world / "clip"), "--phrases", str(world / "lists"), "--caption", SAID]
    beside = ["interrogate", str(images), *models, "--txt"]
    assert main(beside) == 0
    for folder in (tmp_path / "texts", images):
        texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.txt")}
        assert texts == {image_id: f"{prompt}\n" for image_id, prompt in prompt_by_id.items()}
        assert not list(folder.glob(".*"))
    capsys.readouterr()
    assert main(beside) == 1
    assert "p0.txt is there already, and 4 more; add --overwrite" in capsys.readouterr().err
    (images / "p0.txt").write_text("mine")
    assert main([*beside, "--overwrite"]) == 0
    assert (images / "p0.txt").read_text(encoding="utf-8") == f"{prompt_by_id['p0']}\n"


def test_captions_for_training(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("10_cat/001.png", "20_dog/001.png", "20_dog/same.png", "20_dog/same.jpg"):
        (tmp_path / "P" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(world / "images" / "p0.png").convert("RGB").save(tmp_path / "P" / name)
    by_hand = tmp_path / "P" / "10_cat" / "001.txt"
    by_hand.write_text("mine")
    models = ["--checkpoint", str(world / "clip"), "--phrases", str(world / "lists"), "--caption", SAID]
    ask = ["interrogate", str(tmp_path / "P"), "--recursive", *models, "--max-flavors", "1"]
    ask += ["--txt", "--skip-existing", "--prefix", "ohwx, ", "--suffix", ", film grain", "--metadata-jsonl"]
    assert main([*ask, "--json"]) == 0
    said = capsys.readouterr()
    numbers = json.loads(said.out)
    assert (numbers["images"], numbers["prompts"], numbers["skipped"]) == (4, 3, 1)
    assert "same.jpg and same.png have one text" in said.err
    assert by_hand.read_text() == "mine"
    texts = sorted(path.relative_to(tmp_path / "P").as_posix() for path in tmp_path.rglob("*.txt"))
    assert texts == ["10_cat/001.txt", "20_dog/001.txt", "20_dog/same.txt"]
    rows = [json.loads(line) for line in (tmp_path / "P" / "metadata.jsonl").read_text().splitlines()]
    text_by_name = {row["file_name"]: row["text"] for row in rows}
    assert text_by_name["10_cat/001.png"] == "mine"
    made = (tmp_path / "P" / "20_dog" / "001.txt").read_text()
    assert made == f"{text_by_name['20_dog/001.png']}\n"
    assert made.startswith(f"ohwx, {SAID}, ")
    assert made.endswith(", film grain\n")
    before = files_under(tmp_path)
    assert main(ask) == 0
    assert "0 prompts in" in capsys.readouterr().out
    assert files_under(tmp_path) == before


@pytest.mark.parametrize("skip", [False, True])
def test_texts_go_on_where_they_were_killed(skip: bool, world: Path, pictures: Path, tmp_path: Path) -> None:
    texts = TextConfig(txt=True, meta_cap=str(tmp_path / "meta_cap.json"), skip_existing=skip)
    whole = tmp_path / "whole"
    shutil.copytree(pictures, whole)
    interrogate([whole], None, settings(world), TextConfig(txt=True))
    with pytest.raises(KeyboardInterrupt):
        interrogate([pictures], None, settings(world), texts, killed_after(4))
    begun = {path.name for path in pictures.glob("*.txt")}
    assert begun == {"p0.txt", "p2.txt", "p3.txt"}
    result = interrogate([pictures], None, settings(world), texts)
    assert result.resumed
    assert files_under(pictures) == files_under(whole)
    caps = json.loads((tmp_path / "meta_cap.json").read_text())
    assert {f"{key}.txt": f"{one['caption']}\n" for key, one in caps.items()} == {
        path.name: path.read_text() for path in pictures.glob("*.txt")
    }


# --- killed and started again


def settings(world: Path, **more: Any) -> InterrogateConfig:
    captioner = CaptionerConfig(captioner=str(world / "blip"))
    models = {"checkpoint": str(world / "clip"), "phrases": str(world / "lists"), "captioner": captioner}
    return InterrogateConfig(**{**models, "batch": 2, "workers": 2, **more})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Seven pictures, of which the second and the last cannot be read."""
    write_pictures(tmp_path / "seven", 7)
    for number in (1, 6):
        (tmp_path / "seven" / f"p{number}.png").write_bytes(b"no picture")
    return tmp_path / "seven"


def killed_after(count: int) -> Progress:
    def kill(step: str, done: int, total: int) -> None:
        if done >= count:
            raise KeyboardInterrupt

    return kill


@pytest.mark.parametrize(
    "name", ["p.csv", *(pytest.param(name, marks=pytest.mark.slow) for name in ("p.jsonl", "texts"))]
)
def test_what_was_killed_goes_on_to_the_same_bytes(
    name: str, world: Path, pictures: Path, tmp_path: Path
) -> None:
    # A captioner's step is four images at a time.
    whole, again = tmp_path / "whole" / name, tmp_path / "again" / name
    assert len(interrogate([pictures], whole, config=settings(world)).problems) == 2
    with pytest.raises(KeyboardInterrupt):
        interrogate([pictures], again, config=settings(world), progress=killed_after(4))
    if again.is_file():
        there = again.read_bytes()
        assert whole.read_bytes().startswith(there)
        assert there.count(b"\n") == 3 + (name == "p.csv")
        with again.open("ab") as stream:
            stream.write(b'p4,"half a li')
    counts: list[int] = []
    result = interrogate(
        [pictures], again, config=settings(world), progress=lambda step, done, total: counts.append(done)
    )
    assert counts[0] == 4
    assert result.resumed
    assert [problem.image_id for problem in result.problems] == ["p1", "p6"]
    assert files_under(again.parent) == files_under(whole.parent)


def files_under(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_other_settings_do_not_go_on_in_the_same_file(world: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    with pytest.raises(KeyboardInterrupt):
        interrogate([pictures], out, config=settings(world), progress=killed_after(4))
    begun = files_under(tmp_path)
    other = {"prompts": InterrogatorConfig("fast", max_flavors=2)}
    with pytest.raises(RunError, match=r"p\.csv was begun with other settings; run what was .*--overwrite"):
        interrogate([pictures], out, config=settings(world, **other))
    assert files_under(tmp_path) == begun
    anew = interrogate([pictures], out, config=settings(world, **other, overwrite=True))
    assert not anew.resumed
    assert len(rows_of(out)) == 5
    assert all(row["prompt"].count(", ") <= 2 for row in rows_of(out))
    with pytest.raises(RunError, match=r"p\.csv is there already; add --overwrite"):
        interrogate([pictures], out, config=settings(world, **other))


@pytest.mark.parametrize("name", ["p.csv", pytest.param("texts", marks=pytest.mark.slow)])
def test_what_changed_after_a_kill_is_not_mixed_in(
    name: str, world: Path, pictures: Path, tmp_path: Path
) -> None:
    out, lists = tmp_path / "out" / name, tmp_path / "lists"
    shutil.copytree(world / "lists", lists)
    config = settings(world, phrases=str(lists))
    with pytest.raises(KeyboardInterrupt):
        interrogate([pictures], out, config=config, progress=killed_after(4))
    picture = pictures / "p0.png"
    clip = max((world / "clip").iterdir(), key=lambda path: path.stat().st_size)
    for path, told in (
        (picture, rf"other images: {picture} has"),
        (clip, f"another checkpoint: {clip} has"),
        (lists / "artists.txt", "another phrase list"),
    ):
        kept = path.read_bytes(), path.stat()
        put_other_content(path, keep_time=path == picture)
        with pytest.raises(
            RunError, match=rf"{name} was begun with {told}.*; run what was begun, .*--overwrite"
        ):
            interrogate([pictures], out, config=config)
        path.write_bytes(kept[0])
        os.utime(path, ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))
    assert interrogate([pictures], out, config=config).resumed


def test_a_file_that_was_cut_short_meanwhile_is_told(world: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    with pytest.raises(KeyboardInterrupt):
        interrogate([pictures], out, config=settings(world), progress=killed_after(4))
    os.truncate(out, 40)
    with pytest.raises(RunError, match="has lost rows that an earlier start wrote; add --overwrite"):
        interrogate([pictures], out, config=settings(world))
    interrogate([pictures], out, config=settings(world, overwrite=True))
    assert len(rows_of(out)) == 5


def test_a_start_that_fails_leaves_nothing(world: Path, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("mine")
    with pytest.raises(RunError, match="is there already"):
        interrogate([world / "images"], tmp_path / "p.csv", config=settings(world))
    assert files_under(tmp_path) == {"p.csv": b"mine"}
    with pytest.raises(ConfigError, match=r"--out must end in \.csv or \.jsonl, or be a folder"):
        interrogate([world / "images"], tmp_path / "p.parquet", config=settings(world))


# --- what cannot be read


def test_images_that_cannot_be_read_have_no_row_and_are_listed(
    world: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--checkpoint", str(world / "clip"), "--phrases", str(world / "lists"), "--caption", SAID]
    assert main(["interrogate", str(pictures), *models, "--out", str(tmp_path / "p.csv")]) == 0
    assert [row["imgId"] for row in rows_of(tmp_path / "p.csv")] == ["p0", "p2", "p3", "p4", "p5"]
    error = capsys.readouterr().err
    listed = tmp_path / "p.problems.csv"
    assert f"2 of 7 images could not be read, first: p1.png; see {listed}" in error
    assert [row["file"] for row in rows_of(listed)] == ["p1.png", "p6.png"]
    for path in pictures.iterdir():
        path.write_bytes(b"")
    assert main(["interrogate", str(pictures), *models, "--out", str(tmp_path / "none.csv")]) == 1
    assert "none of 7 images can be read, first: p0.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "--out prompts.csv, --out FOLDER, or --txt"),
        (["--txt", "--out", "{tmp}/p.csv"], "--txt writes one file for each image"),
        (["--out", "{tmp}/p.csv", "--mode", "slow"], "mode must be one of classic, kaggle"),
        (["--out", "{tmp}/p.csv", "--without", "music"], "no list of phrases called 'music'"),
        (["--out", "{tmp}/p.csv", "--batch", "-1"], "batch must be at least 0"),
        (["--out", "{tmp}/p.csv", "--caption", "a", "--captions", "c.csv"], "caption and captions exclude"),
        (["--out", "{tmp}/p.csv", "--mode", "negative", "--caption", "a"], "negative takes no captions"),
        (["--out", "{tmp}/p.csv", "--mode", "negative", "--sure", "0.1"], "sure belongs to the modes"),
        (
            ["--out", "{tmp}/p.csv", "--caption", "a", "--vocabulary", "{tmp}"],
            "the vocabulary is a captioner's",
        ),
        (["--out", "{tmp}/p.csv", "--captions", "{tmp}/c.csv"], "4 of 5 images have no caption in"),
        (["--out", "{tmp}/p.csv", "--caption", "a", "--clip", "ViT-X"], "open_clip has no model 'ViT-X'"),
        (["--out", "{tmp}/p.csv", "--captioner", "{tmp}/none"], "there is no captioner"),
        (
            ["--out", "{tmp}/p.csv", "--caption", "a", "--phrases", "{tmp}/empty"],
            "flavors.txt has no phrases",
        ),
        (["--out", "{tmp}/p.csv", "--caption", "a", "--checkpoint", "{tmp}/other"], "does not fit"),
        (["--out", "{tmp}/p.csv", "--caption", "a", "--checkpoint", "{tmp}/short"], "cut short"),
        (["--out", "{tmp}/p.csv", "--caption", "a", "--checkpoint", "{tmp}/code"], "code"),
    ],
)
def test_what_is_wrong_is_one_line_and_1(
    options: list[str],
    says: str,
    world: Path,
    run: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_bad_files(tmp_path, world, "".join(options).rpartition("/")[2])
    given = [option.format(tmp=tmp_path) for option in options]
    if "ViT-X" in given:
        given += ["--checkpoint", str(tmp_path / "none.pt")]
    assert run(*given) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("unprompt: ")
    assert output.err.count("\n") == 1
    assert says in output.err
    assert not (tmp_path / "ran").exists()
    assert not list(tmp_path.glob("*p.csv*"))  # so another try is not told of the first


class Code:
    """What a pickle with code in it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.path),))


def write_bad_files(folder: Path, world: Path, name: str) -> None:
    """Write the bad file or folder of that name."""
    weights = world / "clip" / "open_clip_pytorch_model.bin"
    if name == "c.csv":
        (folder / name).write_text("imgId,caption\np3,a dog\n")
    elif name == "empty":
        (folder / name).mkdir()
        (folder / name / "flavors.txt").write_text("\n \n")
    elif name == "other":
        write_tiny_clip(folder / name, config=tiny_config(layers=3))
        shutil.copy(weights, folder / name)
    elif name in ("short", "code"):
        shutil.copytree(world / "clip", folder / name)
        target = folder / name / weights.name
        os.truncate(target, weights.stat().st_size // 2)
        if name == "code":
            target.write_bytes(pickle.dumps({"visual.conv1.weight": Code(folder / "ran")}))


def test_lists_as_people_save_them(
    world: Path, run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = tmp_path / "lists"
    shutil.copytree(world / "lists", lists)
    (lists / "flavors.txt").write_bytes(b"\xef\xbb\xbffilm grain\r\n\r\nfilm grain\r\nbokeh\r\n")
    (lists / "movements.more.txt").write_text(" ".join(["golden hour"] * 100) + "\n")
    assert run("--out", tmp_path / "p.csv", "--caption", SAID, "--phrases", lists) == 0
    error = capsys.readouterr().err
    assert "flavors.txt: 1 of 3 phrases stands twice and counts once, first: film grain" in error
    assert "movements: 1 of 13 phrases fills CLIP's 77 tokens" in error
    prompts = [row["prompt"] for row in rows_of(tmp_path / "p.csv")]
    assert any(f", {first}, {second}" in prompt for prompt in prompts for first, second in FLAVORS)
    assert not any("\ufeff" in prompt or "\r" in prompt for prompt in prompts)


# --- prompts in the files


def test_prompts_in_the_files_stand_in_a_table_of_their_own(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = tmp_path / "marked.png"
    marked.write_bytes(png_with(parameters=PARAMETERS))
    out = tmp_path / "prompts.csv"
    command = ["interrogate", str(world / "images"), str(marked), "--mode", "fast", "--caption", SAID]
    command += ["--checkpoint", str(world / "clip"), "--phrases", str(world / "lists"), "--out", str(out)]
    assert main(command) == 0
    assert f"1 of 6 images has its prompt in the file: {tmp_path / 'prompts.from_file.csv'}" in (
        capsys.readouterr().out
    )
    (row,) = rows_of(tmp_path / "prompts.from_file.csv")
    assert (row["imgId"], row["prompt"]) == ("marked", "a lighthouse at dusk, (warm light:1.2)")
    assert len(rows_of(out)) == 6
    assert main([*command, "--from-file", "off", "--overwrite"]) == 0
    assert not (tmp_path / "prompts.from_file.csv").exists()
