"""Captioners on disk: transformers folders of BLIP, BLIP-2 and GIT, and Salesforce's own `.pth` of BLIP.

Nothing is ever downloaded, and no code in a file is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.networks.blip_names import COUNTER, PARTS, SHAPES_READ, TIED, blip_sizes, transformers_name
from unprompt.networks.checkpoints import Found, locate, snapshot_in, verify
from unprompt.networks.extent import Extent, TooLargeError, check_numbers, check_side, made_within, parts_of
from unprompt.networks.huggingface import WEIGHTS, check_tokens, import_transformers, keep_only_tokens
from unprompt.storage.files import read_json
from unprompt.storage.stand_ins import describe_stand_in
from unprompt.text.english import counted

CHECKPOINT = "blip-large"  # where none is named
CHECKPOINTS = (CHECKPOINT, "blip-base")
MINILM = "all-minilm-l6-v2"  # which has BERT's vocabulary too
NETWORKS = {  # model_type in config.json -> transformers' class
    "blip": "BlipForConditionalGeneration",
    "blip-2": "Blip2ForConditionalGeneration",
    "git": "GitForCausalLM",
}
LAYOUTS = "Salesforce/blip-image-captioning-large, Salesforce/blip2-opt-2.7b or microsoft/git-large-coco"
NEEDED_FOR = ("captioning", "interrogate")  # the work, and what installs its packages
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
VOCABULARY = "vocab.txt"
IMAGE_TOKEN = "<image>"
DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
EXTRA_ROWS = 2  # [DEC], which begins a caption, and [ENC] follow BERT's vocabulary


@dataclass(frozen=True, eq=False)
class CaptionNetwork:
    """A loaded captioner: transformers' network, image processor and tokenizer, and the files they are from.

    `kind` is a key of NETWORKS.
    """

    kind: str
    network: Any
    image_processor: Any
    tokenizer: Any
    files: tuple[Path, ...]


def load_captioner(path: Path | None, vocabulary: Path | None, precision: str) -> CaptionNetwork:
    """Load a captioner on the CPU from a folder, a `.pth`, or where a declared checkpoint is found.

    `path` may also name one of CHECKPOINTS; None is the first of them. `vocabulary`: folder of BERT's
    vocab.txt, for a `.pth`. `precision`: fp32, fp16 or bf16 of the weights, but GIT is always in fp32.
    Raises CheckpointError where something is missing, damaged or no captioner, ConfigError for a vocabulary
    that it has no use for.
    """
    if path is None or is_declared(path):
        found = _locate_usual() if path is None else locate(path.name)
        verify(found)
        path = found.main_path if found.main_path.suffix == ".pth" else found.folder
    path = snapshot_in(path)
    if path.is_dir() and not (path / "config.json").exists() and len(single := list(path.glob("*.pth"))) == 1:
        (path,) = single  # a data set that holds Salesforce's file and nothing else
    if path.is_dir():
        refuse_vocabulary(path, vocabulary)
        return _load_folder(path, precision)
    if not path.is_file():
        raise CheckpointError(
            f"there is no captioner {path}; name a folder in the layout of {LAYOUTS}, or Salesforce's "
            f"model_large_caption.pth, or one for `unprompt checkpoints fetch`: {', '.join(CHECKPOINTS)}"
        )
    return _load_salesforce(path, vocabulary, precision)


def refuse_vocabulary(path: Path, vocabulary: Path | None) -> None:
    """Raise ConfigError where a vocabulary was given for a captioner that brings its own."""
    if vocabulary:
        raise ConfigError(f"--vocabulary belongs to Salesforce's .pth; the captioner {path} brings its own")


def _locate_usual() -> Found:
    """The checkpoint that is taken where none is named. CheckpointError says which other one is here."""
    try:
        return locate(CHECKPOINT)
    except CheckpointError as error:
        here = [name for name in CHECKPOINTS if name != CHECKPOINT and _is_here(name)]
        if not here:
            raise
        raise CheckpointError(
            f"{error}; {here[0]} is here: name it to caption by it (--model {here[0]}, of interrogate "
            f"--captioner {here[0]})"
        ) from None


def _is_here(name: str) -> bool:
    """Whether a declared checkpoint is found."""
    try:
        locate(name)
    except CheckpointError:
        return False
    return True


def is_declared(path: Path) -> bool:
    """Whether a path is the name of a declared captioner and no file or folder of that name."""
    return str(path) in CHECKPOINTS and not path.exists()


def folder_files(folder: Path) -> tuple[str, list[Path]]:
    """The kind of captioner in a transformers folder, and the files that loading reads, config.json first.

    Raises CheckpointError for a folder of another model, and where the weights, the tokenizer or the image
    processor are missing.
    """
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise CheckpointError(
            f"{folder} has no config.json, so it is no model folder; expected the layout of {LAYOUTS}"
        )
    try:
        config = read_json(config_file)
    except InputError as error:
        raise CheckpointError(f"{error}; get it again") from error
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise CheckpointError(
            f"{folder} holds a model of the type '{kind}', captioners are {', '.join(NETWORKS)}; "
            f"give a folder in the layout of {LAYOUTS}"
        )
    architectures = config.get("architectures") or [NETWORKS[kind]]
    architectures = architectures if isinstance(architectures, list) else [architectures]
    if NETWORKS[kind] not in architectures:
        raise CheckpointError(
            f"{folder} holds a {architectures[0]!s:.80}, which writes no captions; the one that does is "
            f"{NETWORKS[kind]}"
        )
    weights = [folder / name for name in WEIGHTS if (folder / name).is_file()][:1]
    if weights and weights[0].suffix == ".json":
        weights += parts_of(weights[0], read_json(weights[0]))
    tokenizers = [folder / name for name in TOKENIZERS if (folder / name).is_file()][:1]
    preprocessors = [folder / name for name in PREPROCESSORS if (folder / name).is_file()][:1]
    for what, found, names in (
        ("weights", weights, WEIGHTS),
        ("tokenizer", tokenizers, TOKENIZERS),
        ("image processor's settings", preprocessors, PREPROCESSORS),
    ):
        missing = [path.name for path in found if not path.is_file()] if found else [" or ".join(names)]
        if missing:
            raise CheckpointError(
                f"{folder} lacks the {what} ({missing[0]}); copy that from where its config.json is from"
            )
    for path in weights:
        if stand_in := describe_stand_in(path):
            raise CheckpointError(f"{path} is {stand_in}")
    return str(kind), [config_file, *weights, *tokenizers, *preprocessors]


def _load_folder(folder: Path, precision: str) -> CaptionNetwork:
    kind, files = folder_files(folder)
    transformers = import_transformers(*NEEDED_FOR)
    where = str(folder)
    processor = _read(
        folder, "image processor or tokenizer", transformers.AutoProcessor.from_pretrained, where
    )
    for name in ("size", "crop_size"):
        check_side(getattr(processor.image_processor, name, None), str(folder))
    extent = Extent.of_files(path for path in files if path.suffix in (".safetensors", ".bin"))
    check_numbers(read_json(files[0]), str(files[0]), extent)
    network = _network(folder, kind, precision, where, extent)
    tokenizer = processor.tokenizer
    if kind == "blip-2":
        # Where the picture goes among the words; older files do not say it.
        network.config.image_token_index = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    rows = network.get_input_embeddings().num_embeddings
    check_tokens(tokenizer, rows, folder)
    keep_only_tokens(network, rows, folder)
    return CaptionNetwork(kind, network, processor.image_processor, tokenizer, tuple(files))


def _load_salesforce(path: Path, vocabulary: Path | None, precision: str) -> CaptionNetwork:
    transformers = import_transformers(*NEEDED_FOR)
    from unprompt.networks.state_dicts import read_tensors

    state = read_tensors(path)
    _check_salesforce(path, state)
    sizes = blip_sizes(state)
    rows = sizes["text_config"]["vocab_size"]
    words = vocabulary_file(path, vocabulary)
    tokenizer = _read(words, "vocabulary", transformers.BertTokenizerFast.from_pretrained, str(words.parent))
    if len(tokenizer) + EXTRA_ROWS != rows:
        raise CheckpointError(
            f"{words} has {len(tokenizer):,} tokens, but {path} was trained with {rows - EXTRA_ROWS:,} "
            f"and {EXTRA_ROWS} of its own; give the vocab.txt of bert-base-uncased (30,522 lines)"
        )
    sizes["text_config"] |= {
        "bos_token_id": rows - EXTRA_ROWS,
        "pad_token_id": tokenizer.pad_token_id,
        "sep_token_id": tokenizer.sep_token_id,
    }
    named = {transformers_name(name): tensor for name, tensor in state.items()}
    side = sizes["vision_config"]["image_size"]
    check_side(side, str(path))
    network = _network(
        path,
        "blip",
        precision,
        None,
        Extent.of_state(state),
        config=transformers.BlipConfig(**sizes),
        state_dict=named,
    )
    image_processor = transformers.BlipImageProcessor(size={"height": side, "width": side})
    return CaptionNetwork("blip", network, image_processor, tokenizer, (path, words))


def vocabulary_file(checkpoint: Path, given: Path | None) -> Path:
    """BERT's vocab.txt: in the folder that is given, else beside the checkpoint, else with MiniLM.

    Raises CheckpointError that says where to get it.
    """
    places = [given if given.is_dir() else given.parent] if given else [checkpoint.parent]
    if not given:
        try:
            found = locate(MINILM)
            verify(found, only=[VOCABULARY])
            places.append(found.folder)
        except CheckpointError:
            pass  # then MiniLM is not installed, and the error below says what will do
    for folder in places:
        if (folder / VOCABULARY).is_file():
            return folder / VOCABULARY
    raise CheckpointError(
        f"{checkpoint} holds weights but no vocabulary, and there is no {places[0] / VOCABULARY}; put the "
        "vocab.txt of bert-base-uncased there (30,522 lines; all-MiniLM-L6-v2 and "
        "Salesforce/blip-image-captioning-large have the same file)"
    )


def _check_salesforce(path: Path, state: dict[str, Any]) -> None:
    """Leave each of a captioner's parameters once. Raises CheckpointError for another model's."""
    missing = [name for name in SHAPES_READ if name not in state]
    if missing:
        raise CheckpointError(
            f"{path} is no BLIP captioner as Salesforce published them (it lacks {missing[0]}, and begins "
            f"with {next(iter(state))}); name model_large_caption.pth, "
            f"model_base_caption_capfilt_large.pth or a folder in the layout of {LAYOUTS}"
        )
    foreign = [name for name in state if not name.startswith(PARTS)]
    if foreign:
        raise CheckpointError(
            f"{path} has {counted(len(foreign), 'tensor')} that a BLIP captioner has not, first: "
            f"{foreign[0]}; it is a BLIP for another task, name model_large_caption.pth or "
            "model_base_caption_capfilt_large.pth"
        )
    state.pop(COUNTER, None)
    for name, shared in TIED.items():
        tensor = state.pop(name, state[shared])
        if not tensor.equal(state[shared]):
            raise CheckpointError(
                f"{path}: {name} differs from {shared}, which it is in BLIP; another model's file, or damaged"
            )


def _network(path: Path, kind: str, precision: str, where: str | None, extent: Extent, **more: Any) -> Any:
    """A network from a folder, or from `config` and `state_dict` in `more`: for use, in its precision.

    `extent`: that of its weights, which it is made within.
    """
    import torch

    with made_within(extent, f"the captioner in {path}"):
        network, report = _read(
            path,
            "model",
            getattr(import_transformers(*NEEDED_FOR), NETWORKS[kind]).from_pretrained,
            where,
            dtype=getattr(torch, DTYPES["fp32" if kind == "git" else precision]),
            output_loading_info=True,
            **more,
        )
    if missing := sorted(report["missing_keys"]):  # transformers fills them with random numbers
        raise CheckpointError(
            f"the weights in {path} lack {counted(len(missing), 'tensor')} of a {NETWORKS[kind]}, first: "
            f"{missing[0]}; get them again"
        )
    return network.eval().requires_grad_(False)


def _read(path: Path, what: str, load: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Call one of transformers' loaders for what is in `path`; raises CheckpointError where it fails."""
    try:
        return load(*arguments, local_files_only=True, trust_remote_code=False, **more)
    except TooLargeError:
        raise
    except Exception as error:  # tokenizers and its like know no other kind for files whose bytes are wrong
        first = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"the {what} in {path} cannot be loaded ({first}); get it again") from error
