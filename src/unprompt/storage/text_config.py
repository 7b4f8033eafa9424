"""Settings of captions for training. Light to import, since the options of three commands are these."""

from __future__ import annotations

from dataclasses import dataclass, fields

from unprompt.errors import ConfigError
from unprompt.settings import setting


@dataclass(frozen=True)
class TextConfig:
    """Where captions for training go, and what each of them looks like."""

    txt: bool = setting(False, "write one text a picture, NAME.txt beside it")
    txt_folder: str = setting("", "write the texts there instead, sub-folders as in IMAGES", metavar="FOLDER")
    metadata_jsonl: bool = setting(
        False, "write IMAGES/metadata.jsonl (file_name, text), for Hugging Face's imagefolder"
    )
    meta_cap: str = setting(
        "", "write kohya's metadata: {picture: {caption}}, beside what the file has", metavar="FILE.json"
    )
    full_path: bool = setting(
        False, "pictures in --meta-cap by their whole paths, as kohya's --full_path; else by NAME"
    )
    prefix: str = setting("", 'put before each text, such as "ohwx, "', metavar="TEXT")
    suffix: str = setting("", 'put after each text, such as ", film grain"', metavar="TEXT")
    ending: str = setting(".txt", "of the texts' names, such as .caption", metavar="ENDING")
    skip_existing: bool = setting(
        False, "only pictures that have no text yet; what is there is never touched"
    )

    def __post_init__(self) -> None:
        ending = self.ending if self.ending.startswith(".") else f".{self.ending}"
        if set(ending) & set("/\\\0") or len(ending.strip(". ")) == 0:
            raise ConfigError(f"ending must be like .txt or .caption, got '{self.ending}'")
        object.__setattr__(self, "ending", ending)
        if self.full_path and not self.meta_cap:
            raise ConfigError("--full-path is about pictures in --meta-cap, without which it does nothing")
        if ending != TextConfig.ending and not self.has_files:
            raise ConfigError("--ending belongs to --txt and --txt-folder, without which it does nothing")

    @property
    def has_files(self) -> bool:
        """Whether there is to be a text for each picture."""
        return self.txt or bool(self.txt_folder)

    @property
    def is_wanted(self) -> bool:
        """Whether any captions are to be written."""
        return self.has_files or self.metadata_jsonl or bool(self.meta_cap)

    def check_use(self) -> None:
        """Raise ConfigError for a setting that does nothing, as no captions are written."""
        if self.is_wanted:
            return
        changed = [item.name for item in fields(self) if getattr(self, item.name) != item.default]
        if changed:
            option = changed[0].replace("_", "-")
            raise ConfigError(
                f"--{option} is about captions for training; say which: --txt, --metadata-jsonl or --meta-cap"
            )
