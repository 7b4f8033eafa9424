"""The package for Python programs: the commands as functions, shown as `unprompt.predict` and so on.

A function has its command's name, and its keywords are the command's options, with `_` for `-`; paths are
texts or `Path`s. It makes the settings of its keywords, calls the one function that the command calls, and
returns that function's result. Keywords that are fields of a settings class are not listed again:
`help(function)` shows them with their defaults.

What runs long shows how far it is, by a bar in a terminal and in a notebook, else not at all. With
`progress=False` it is quiet; a function as `progress` is told the step, how much of it is done, and how much
there is in all.

A function must not have the name of one of the package's folders, since `import unprompt.pocket.draw` makes
`unprompt.pocket` that folder. So `unprompt pocket` is `make_pocket` here, and `unprompt.easy_diffuser` is the
folder itself, with functions of its own.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from difflib import get_close_matches
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.datasets.config import DescribeConfig, OwnPicturesConfig
from unprompt.errors import ConfigError, RunError, describe_os_error
from unprompt.generate.config import FilterConfig, Gpt2Config, RenderConfig, SamplingConfig, Smollm2Config
from unprompt.members.config import BankConfig
from unprompt.metadata.config import InfoConfig
from unprompt.networks.captioner_config import CaptionConfig
from unprompt.progress import Progress, shown
from unprompt.recipes.config import PocketConfig
from unprompt.regression.config import MachineConfig, TrainConfig, TuneConfig
from unprompt.runs.config import PredictConfig
from unprompt.storage.memory_config import MemoryConfig
from unprompt.storage.remote import AnyPath, path_of
from unprompt.storage.text_config import TextConfig

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.datasets.describe import Description
    from unprompt.demos.sample_scenes import Demo
    from unprompt.ensemble.blend_files import FilesFit
    from unprompt.ensemble.score import Score
    from unprompt.generate.engines import EngineKind
    from unprompt.generate.filter import FilterResult
    from unprompt.generate.prompts import PromptEngine, PromptsResult
    from unprompt.generate.render.run import RenderResult
    from unprompt.interrogator.caption_files import Captioned
    from unprompt.interrogator.run import InterrogateResult
    from unprompt.members.bank import BankResult
    from unprompt.metadata.files import FilePrompt
    from unprompt.recipes.pocket import PocketResult
    from unprompt.records import Prompts
    from unprompt.regression.train import TrainResult
    from unprompt.regression.tune import TuneResult
    from unprompt.runs.doctor import Findings
    from unprompt.runs.outputs import RunResult

StrPath: TypeAlias = "str | os.PathLike[str]"
Function = TypeVar("Function", bound=Callable[..., Any])
Config = TypeVar("Config")
Opened = TypeVar("Opened")


def _takes(*kinds: type) -> Callable[[Function], Function]:
    """Let a function's `**settings` be fields of settings classes.

    Its signature shows those fields that it does not name itself, with their defaults. Any other keyword is a
    TypeError that names the ones there are. Lists become tuples, as settings are frozen, and what the system
    refuses becomes a RunError.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        more = {
            field.name: inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=field.type
            )
            for kind in kinds
            for field in fields(kind)
            if field.name not in own.parameters
        }

        @wraps(function)
        def checked(*arguments: Any, **keywords: Any) -> Any:
            known = [one.name for one in named] + list(more)
            for name in keywords:
                if name not in known:
                    close = get_close_matches(name, known, n=1)
                    advice = f"did you mean '{close[0]}'? " if close else ""
                    raise TypeError(
                        f"{function.__name__}() has no keyword '{name}'; {advice}It has: {', '.join(known)}"
                    )
            frozen = {
                name: tuple(value) if name in more and isinstance(value, list) else value
                for name, value in keywords.items()
            }
            try:
                return function(*arguments, **frozen)
            except OSError as error:
                raise RunError(describe_os_error(error)) from error

        checked.__signature__ = own.replace(parameters=[*named, *more.values()])  # type: ignore[attr-defined]
        return cast(Function, checked)

    return decorate


def _default(field: Field[Any]) -> Any:
    return field.default if field.default is not MISSING else inspect.Parameter.empty


def _of(kind: Callable[..., Config], settings: Mapping[str, Any]) -> Config:
    """The settings class `kind` with those of the keywords that are its fields."""
    own = {field.name for field in fields(cast(Any, kind))}
    return kind(**{name: value for name, value in settings.items() if name in own})


def _of_texts(settings: Mapping[str, Any]) -> TextConfig:
    """Captions for training, of keywords; paths may be `Path`s."""
    paths = {name: os.fspath(settings[name]) for name in ("txt_folder", "meta_cap") if name in settings}
    return _of(TextConfig, {**settings, **paths})


def _take_memory(settings: Mapping[str, Any]) -> None:
    """Have images take no more memory from here on than a keyword says."""
    from unprompt.storage.memory import use_memory

    use_memory(_of(MemoryConfig, settings))


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not None, which is what an option is that was left out."""
    return {name: value for name, value in options.items() if value is not None}


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _sources(paths: StrPath | Sequence[StrPath]) -> list[AnyPath]:
    """Paths, and places that addresses name."""
    return list(map(path_of, [paths] if isinstance(paths, str | os.PathLike) else paths))


def _paths(paths: StrPath | Sequence[StrPath]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]


# --- prompts of images


@_takes()
def load(
    bundle: StrPath = DEFAULT_BUNDLE,
    device: str = "auto",
    known: Prompts | StrPath | Sequence[str] | None = None,
) -> LoadedBundle:
    """Load a bundle, by its name or its TOML file, to ask it about images that are at hand.

    `known`: prompts to look images up in, as a prompts.csv, as texts or as a record. Raises InputError where
    there is no such bundle, CheckpointError for missing models, ConfigError for settings that make no sense.
    """
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.records import Prompts
    from unprompt.storage.files import read_prompts

    if isinstance(known, str | os.PathLike):
        known = read_prompts(Path(known))
    elif known is not None and not isinstance(known, Prompts):
        known = Prompts(tuple(map(str, range(len(known)))), tuple(known))
    return LoadedBundle.load(str(bundle), device, known)


@_takes()
def demo(out: StrPath = "unprompt-demo", *, progress: Progress | bool = True) -> Demo:
    """Draw scenes with known prompts, predict them and installed packages' photographs, score the scenes.

    The images are in OUT/samples, the run in OUT/run.
    """
    from unprompt.demos.sample_scenes import run_demo

    with shown(progress, "image") as told:
        return run_demo(Path(out), told)


@_takes(PredictConfig, TextConfig, MemoryConfig)
def predict(
    images: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    bundle: StrPath = PredictConfig.bundle,
    truth: StrPath | None = None,
    sample: StrPath | None = None,
    deadline: float | str | None = None,
    progress: Progress | bool = True,
    **settings: Any,
) -> RunResult:
    """Run a bundle over images, folders of them or data sets, and leave a RUN folder in `out`.

    `bundle`: its name or its TOML file. `truth`: a prompts.csv to score against. `sample`: a sample
    submission, for ids and order. `deadline`: seconds, or a text such as "8h30m". `settings`: fields of
    `PredictConfig`, of `TextConfig`, captions for training, and of `MemoryConfig`. Raises what
    `unprompt.runs.predict.predict` raises.
    """
    from unprompt.runs import predict as runs
    from unprompt.runs.deadline import parse_duration

    seconds = parse_duration(deadline) if isinstance(deadline, str) else deadline
    config = _of(PredictConfig, {**settings, "bundle": str(bundle), "deadline": seconds})
    texts = _of_texts(settings)
    _take_memory(settings)
    with shown(progress, "image") as told:
        told("loading models", 0, 0)
        return runs.predict(
            _sources(images), Path(out), config, _path(truth), _path(sample), progress=told, texts=texts
        )


@_takes(TextConfig, MemoryConfig)
def interrogate(
    images: StrPath | Sequence[StrPath],
    out: StrPath | None = None,
    *,
    mode: str = "classic",
    without: str | Sequence[str] = (),
    phrases: StrPath = "",
    tables: StrPath = "",
    max_flavors: int | None = None,
    no_repeats: bool = False,
    exact: bool = False,
    sure: float = 0.0,
    clip: str | None = None,
    checkpoint: StrPath = "",
    statistics: str = "",
    pretrained: str = "",
    captioner: StrPath = "",
    vocabulary: StrPath = "",
    caption: str = "",
    captions: StrPath = "",
    batch: int = 0,
    device: str = "auto",
    workers: int | None = None,
    cluster: str | None = None,
    recursive: bool = False,
    from_file: str = "show",
    overwrite: bool = False,
    progress: Progress | bool = True,
    **settings: Any,
) -> InterrogateResult:
    """Write a prompt for each image of folders and files, by a CLIP, a captioner and lists of phrases.

    `out`: a .csv or .jsonl, or a folder for one .txt an image. `settings`: fields of `TextConfig`, captions
    for training, such as `txt`, with which each lies beside its image, and `skip_existing`, and of
    `MemoryConfig`. Raises what `unprompt.interrogator.run.interrogate` raises. For images that are in memory,
    and for answers in memory: `load(bundle).interrogate`.
    """
    from unprompt.interrogator import run
    from unprompt.interrogator.config import InterrogateConfig, InterrogatorConfig
    from unprompt.networks.captioner_config import CaptionerConfig
    from unprompt.networks.clip_config import MODEL, ClipConfig

    _take_memory(settings)
    named = without.split(",") if isinstance(without, str) else without
    config = InterrogateConfig(
        prompts=InterrogatorConfig(
            mode=mode,
            max_flavors=max_flavors,
            without=tuple(name.strip() for name in named if name.strip()),
            repeats=not no_repeats,
            exact=exact,
            sure=sure,
        ),
        clip=ClipConfig(clip or MODEL, statistics, pretrained),
        checkpoint=str(checkpoint),
        captioner=CaptionerConfig(str(captioner), str(vocabulary)),
        caption=caption,
        captions=str(captions),
        phrases=str(phrases),
        tables=str(tables),
        batch=batch,
        device=device,
        workers=workers,
        cluster=cluster,
        recursive=recursive,
        from_file=from_file,
        overwrite=overwrite,
    )
    with shown(progress, "image") as told:
        return run.interrogate(_sources(images), _path(out), config, _of_texts(settings), told)


@_takes(CaptionConfig, TextConfig, MemoryConfig)
def caption(
    images: StrPath | Sequence[StrPath],
    *,
    out: StrPath | None = None,
    model: StrPath | None = None,
    vocabulary: StrPath | None = None,
    recursive: bool = False,
    device: str = "auto",
    cluster: str | None = None,
    overwrite: bool = False,
    progress: Progress | bool = True,
    **settings: Any,
) -> list[Captioned]:
    """Describe each image of folders and files in a sentence, and write them to `out` where that is given.

    `model`: a folder of BLIP, BLIP-2 or GIT, Salesforce's .pth, a folder that a training of a captioner has
    left, or the checkpoint blip-base (the checkpoint blip-large). `settings`: fields of `CaptionConfig`, of
    `TextConfig`, captions for training, and of `MemoryConfig`. `overwrite`: replace a table or texts that are
    there. `cluster`: "ray", where Ray's workers are to look at the pictures. An image that cannot be read has
    a `problem` and no `caption`; one that was skipped is not in the list. Raises InputError where none can be
    read, CheckpointError for the model, RunError for a table or texts that are there already.
    """
    from unprompt.interrogator import caption_files

    _take_memory(settings)
    with shown(progress, "image") as told:
        return caption_files.caption(
            _sources(images),
            _path(out),
            _path(model),
            _path(vocabulary),
            _of(CaptionConfig, settings),
            _of_texts(settings),
            recursive,
            device,
            overwrite,
            cluster,
            progress=told,
        ).found


@_takes(InfoConfig, OwnPicturesConfig)
def info(
    images: StrPath | Sequence[StrPath],
    *,
    dataset: StrPath | None = None,
    progress: Progress | bool = True,
    **settings: Any,
) -> list[FilePrompt]:
    """Read the prompts that stand in the files of images, and of folders of them.

    Each answer has the `file`, its `prompt`, "" where there is none, the whole `generation` or None, and a
    `problem` where the file could not be read. `dataset`: a folder, to which the images with a prompt are
    written as a data set. `settings`: fields of `InfoConfig` and, for the data set, of `OwnPicturesConfig`.
    Raises InputError where no file can be read, ConfigError for a setting of a data set without `dataset`,
    and what `unprompt.datasets.own_pictures.write_own_dataset` raises.
    """
    from unprompt.datasets.own_pictures import write_own_dataset
    from unprompt.metadata.files import check_any_readable, read_file_prompts
    from unprompt.networks.devices import core_count
    from unprompt.storage.images import find_loose_images

    config, own = _of(InfoConfig, settings), _of(OwnPicturesConfig, settings)
    if dataset is None and own != OwnPicturesConfig():
        idle = next(field.name for field in fields(own) if getattr(own, field.name) != field.default)
        raise ConfigError(f"{idle} belongs to dataset, without which it does nothing")
    files = find_loose_images(_paths(images), config.recursive)
    with shown(progress, "image") as told:
        found = list(read_file_prompts(files, config.workers or core_count(), progress=told))
        check_any_readable(found)
        if dataset is not None:
            write_own_dataset(found, Path(dataset), own, told)
    return found


# --- members' embeddings, submissions


@_takes()
def blend(
    members: Sequence[StrPath], weights: Sequence[float], out: StrPath, *, sample: StrPath | None = None
) -> int:
    """Blend members' embeddings, RUN/members/NAME.npz, into a submission; returns the number of its images.

    `sample`: a sample submission, for ids and order. Raises InputError for unusable files, ConfigError for
    weights that are not one a member or make no sense.
    """
    from unprompt.ensemble.blend_files import blend_files

    return blend_files(_paths(members), weights, Path(out), _path(sample))


@_takes()
def fit_weights(
    members: Sequence[StrPath],
    truth: StrPath,
    *,
    weights: Sequence[float] | None = None,
    device: str = "auto",
    progress: Progress | bool = True,
) -> FilesFit:
    """Find the weights of members that score best on prompts that are known: the command `blend --fit`.

    `truth`: a prompts.csv, or an .npz of its embeddings. `weights`: what to compare with. Raises what
    `unprompt.ensemble.blend_files.fit_files` raises.
    """
    from unprompt.ensemble.blend_files import fit_files

    with shown(progress, "sample") as told:
        return fit_files(_paths(members), Path(truth), weights, device, told)


@_takes()
def score(guess: StrPath, truth: StrPath, *, device: str = "auto") -> Score:
    """Score a submission.csv or a prompts.csv against a prompts.csv, by mean cosine.

    Raises InputError for unusable files, and where they share no image id.
    """
    from unprompt.ensemble.score_files import score_files

    return score_files(Path(guess), Path(truth), device)


# --- data sets


@_takes(Gpt2Config, Smollm2Config, SamplingConfig)
def prompts(
    out: StrPath,
    count: int | None = None,
    *,
    engine: str | None = None,
    source: StrPath | None = None,
    column: str | None = None,
    clean: bool = False,
    overwrite: bool = False,
    progress: Progress | bool = True,
    **settings: Any,
) -> PromptsResult:
    """Write `count` new prompts to the prompts.csv `out`; the same call with a larger count adds to them.

    `engine`: "pocket", the grammar of the pocket world, the default; "smollm2" and "gpt2", language models;
    "file", the prompts of the file `source`, the default with it. `column` and `clean` belong to it, `seed`
    to the others, and the other `settings`, fields of `Smollm2Config` and `Gpt2Config`, to those two.
    `examples` are prompts, or the path of a file of them. Raises ConfigError for a setting of another engine,
    and what `unprompt.generate.prompts.extend_prompts` raises.
    """
    from unprompt.generate.engines import PROMPT_ENGINES
    from unprompt.generate.prompts import PATIENCE, extend_prompts

    name = engine or ("pocket" if source is None else "file")
    if count is None and name != "file":
        raise ConfigError(f"the engine '{name}' never ends; say how many prompts with count")
    if count is not None and count < 1:
        raise ConfigError(f"count must be at least 1, got {count}")
    own = _given({"source": _path(source), "column": column, "clean": clean or None}) | settings
    seed, starts = own.pop("seed", None), own.pop("starts", None)
    if starts is not None:
        own["start"] = (starts,) if isinstance(starts, str) else starts
    if isinstance(own.get("examples"), str):
        own["examples"] = Path(own["examples"])
    writer: PromptEngine = _open_engine(PROMPT_ENGINES, name, own, seed)
    patience = None if name == "file" else PATIENCE
    with shown(progress, "prompt") as told:
        return extend_prompts(Path(out), writer, count, overwrite, progress=told, patience=patience)


def _open_engine(
    kinds: Mapping[str, EngineKind[Opened]], name: str, own: Mapping[str, Any], *common: Any
) -> Opened:
    """An engine of a table, with its `own` settings. Raises ConfigError for those that it does not have."""
    if name not in kinds:
        raise ConfigError(f"there is no engine '{name}'; there are: {', '.join(kinds)}")
    foreign = [key for key in own if key not in kinds[name].settings]
    if foreign:
        known = ", ".join(kinds[name].settings) or "none"
        raise ConfigError(f"the engine '{name}' has no setting '{foreign[0]}'; it has: {known}")
    return kinds[name].open(*common, **own)


@_takes(FilterConfig)
def filter(
    prompts: StrPath,
    out: StrPath,
    *,
    against: StrPath | Sequence[StrPath] = (),
    embeddings: StrPath | None = None,
    progress: Progress | bool = True,
    **settings: Any,
) -> FilterResult:
    """Write the prompts of a list that are not too close to an earlier one, nor to those of `against`.

    `settings`: fields of `FilterConfig`, such as `threshold`. Raises what
    `unprompt.generate.filter.filter_prompts` raises.
    """
    from unprompt.generate.filter import filter_prompts

    config = FilterConfig(against=tuple(_paths(against)), embeddings=_path(embeddings), **settings)
    with shown(progress, "prompt") as told:
        return filter_prompts(Path(prompts), Path(out), config, told)


@_takes(RenderConfig)
def render(
    prompts: StrPath,
    out: StrPath,
    *,
    engine: str | None = None,
    size: int | tuple[int, int] | None = None,
    model: StrPath | None = None,
    preset: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    save_size: int | None = None,
    scheduler: str | None = None,
    negative_prompt: str | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    progress: Progress | bool = True,
    **settings: Any,
) -> RenderResult:
    """Make an image for every prompt of a list, as a data set in the folder `out`.

    `engine`: "pocket", the default, or "sd2", the default with a `model`. `size`: pixels, or width and
    height. `model` and what follows it belong to "sd2". `settings`: fields of `RenderConfig`. Raises
    ConfigError for a setting of the other engine, and what `unprompt.generate.render.run.render_prompts`
    raises.
    """
    from unprompt.generate.render.engines import RENDER_ENGINES
    from unprompt.generate.render.run import render_prompts

    config = RenderConfig(**settings)
    own = {
        "model": None if model is None else str(model),
        "preset": preset,
        "steps": steps,
        "guidance": guidance,
        "save_size": save_size,
        "scheduler": scheduler,
        "negative_prompt": negative_prompt,
        "batch": batch,
        "dtype": dtype,
    }
    name = engine or ("pocket" if model is None else "sd2")
    sides = (size, size) if isinstance(size, int) else size
    painter = _open_engine(RENDER_ENGINES, name, _given(own), sides, config.device)
    with shown(progress, "image") as told:
        return render_prompts(Path(prompts), Path(out), painter, config, told)


@_takes()
def describe(
    dataset: StrPath,
    out: StrPath | None = None,
    *,
    images: int = DescribeConfig.images,
    check: int = DescribeConfig.checked,
    device: str = DescribeConfig.device,
) -> Description:
    """Look at a data set before training on it, and write one page about it.

    `out`: the page (describe.html in the data set's folder). `images`: how many it shows. `check`: images to
    open for their size and damage. Raises InputError for a data set that cannot be read.
    """
    from unprompt.datasets.dataset import read_dataset
    from unprompt.datasets.describe import describe_dataset
    from unprompt.datasets.page import page_path, write_page
    from unprompt.networks.devices import core_count

    config = DescribeConfig(images=images, checked=check, device=device)
    description = describe_dataset(read_dataset(Path(dataset)), config)
    write_page(_path(out) or page_path(Path(dataset)), description, core_count())
    return description


# --- models


@_takes(TrainConfig, MachineConfig)
def train(
    dataset: StrPath,
    out: StrPath,
    *,
    config: StrPath | None = None,
    overwrite: bool = False,
    progress: Progress | bool = True,
    **settings: Any,
) -> TrainResult:
    """Fine-tune an image backbone to prompt embeddings on a data set, and leave a RUN folder in `out`.

    `config`: a TOML file of settings, which keywords override. `settings`: fields of `TrainConfig`, which
    decide the result, and of `MachineConfig`, which do not. Raises what `unprompt.regression.train.train`
    raises.
    """
    from unprompt.regression import train as regression

    base = _read_train_config(config)
    learning, machine = _of(TrainConfig, base | settings), _of(MachineConfig, settings)
    with shown(progress, "image") as told:
        return regression.train(Path(dataset), Path(out), learning, machine, overwrite, told)


@_takes(TuneConfig)
def tune(
    dataset: StrPath,
    out: StrPath,
    *,
    config: StrPath | None = None,
    epochs: int | None = None,
    backbone: str | None = None,
    device: str = MachineConfig.device,
    progress: Progress | bool = True,
    **settings: Any,
) -> TuneResult:
    """Search for the settings that train best on a data set, and leave a STUDY folder in `out`.

    `config`: a TOML file of the settings that are not searched; `epochs` and `backbone` override it.
    `settings`: fields of `TuneConfig`. Raises what `unprompt.regression.tune.tune` raises.
    """
    from unprompt.regression import tune as regression

    base = _read_train_config(config) | _given({"epochs": epochs, "backbone": backbone})
    search, machine = TuneConfig(**settings), MachineConfig(device=device)
    with shown(progress, "trial") as told:
        return regression.tune(Path(dataset), Path(out), TrainConfig(**base), search, machine, told)


def _read_train_config(path: StrPath | None) -> dict[str, Any]:
    from unprompt.storage.toml_files import read_config

    return {} if path is None else read_config(Path(path), TrainConfig)


@_takes(BankConfig, MemoryConfig)
def bank(
    datasets: StrPath | Sequence[StrPath],
    out: StrPath,
    *,
    clip: str | None = None,
    checkpoint: StrPath | None = None,
    statistics: str = "",
    pretrained: str = "",
    device: str = "auto",
    overwrite: bool = False,
    progress: Progress | bool = True,
    **settings: Any,
) -> BankResult:
    """Keep a CLIP's features of images with known prompts in the folder `out`, to look up others.

    `clip`: open_clip's name of it; `checkpoint`: its file or folder. `settings`: fields of `BankConfig` and
    `MemoryConfig`. Raises CheckpointError for the CLIP, and what `unprompt.members.bank.build_bank` raises.
    """
    from unprompt.members.bank import KIND, build_bank
    from unprompt.networks.clip import Clip
    from unprompt.networks.clip_config import MODEL
    from unprompt.networks.devices import choose_device, device_here
    from unprompt.storage.resumable import check_folder

    _take_memory(settings)
    config = _of(BankConfig, settings)
    check_folder(Path(out), KIND, overwrite)  # before the CLIP is loaded, which takes a while
    load = partial(
        Clip.load,
        model=clip or MODEL,
        checkpoint=_path(checkpoint),
        statistics=statistics,
        pretrained=pretrained,
    )
    seen_by = load(device_here(device) if config.cluster else choose_device(device))
    with shown(progress, "image") as told:
        return build_bank(_sources(datasets), Path(out), seen_by, device, config, overwrite, told, load=load)


@_takes()
def make_pocket(
    out: StrPath = "pocket-bundle",
    *,
    config: StrPath | None = None,
    clip: StrPath | None = None,
    captioner: StrPath | None = None,
    install: bool = True,
    images: int = PocketConfig.images,
    held_out: int = PocketConfig.held_out,
    workers: int = PocketConfig.workers,
    progress: Progress | bool = True,
) -> PocketResult:
    """Make the bundle `pocket` from nothing in the folder `out`, score it, and install it under its name.

    `config`, `clip` and `captioner`: TOML files of the trainings' settings. Raises what the stages raise.
    """
    from unprompt.recipes import pocket

    settings = PocketConfig(
        images=images,
        held_out=held_out,
        regression=_path(config),
        clip=_path(clip),
        captioner=_path(captioner),
        workers=workers,
    )
    recipe = pocket.Recipe.read(Path(out), settings)
    with shown(progress, "image") as told:
        result = pocket.make_pocket(recipe, told)
    if install:
        pocket.install(recipe)
    return result


@_takes()
def doctor(
    images: int = 16_000,
    *,
    bundle: StrPath = DEFAULT_BUNDLE,
    out: StrPath = ".",
    progress: Progress | bool = True,
) -> Findings:
    """Look at this machine: versions, devices, checkpoints, disk, and how long a run over N images takes."""
    from unprompt.runs.doctor import examine

    with shown(progress, "image") as told:
        return examine(str(bundle), images, Path(out), progress=told)
