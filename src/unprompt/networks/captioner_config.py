"""Settings of captioning."""

from __future__ import annotations

from dataclasses import dataclass

from unprompt.errors import ConfigError


@dataclass(frozen=True)
class CaptionConfig:
    """How captions are written. The defaults are those of the package clip-interrogator."""

    prompt: str = ""  # how each caption begins, or what a BLIP-2 on T5 is asked
    length: int = 32  # tokens that are written at most, after the prompt
    beams: int = 1  # 1: always the likeliest next token; more: beam search
    batch: int = 0  # images a forward pass; 0: by the device

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", " ".join(self.prompt.split()))
        for name, least in (("length", 1), ("beams", 1), ("batch", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True)
class CaptionerConfig:
    """Which captioner a member looks through."""

    captioner: str = ""  # folder or file; "" for the declared checkpoint
    vocabulary: str = ""  # folder with BERT's vocab.txt, for a .pth that has it not beside it
