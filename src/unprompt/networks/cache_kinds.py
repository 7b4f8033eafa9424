"""What kinds of files the user's cache folder has, each in a folder of its own."""

from __future__ import annotations

MADE = {  # by folder: made again whenever it is needed
    "pixels": "decoded images of trainings",
    "phrases": "tables of phrases by CLIP",
    "embeddings": "embedded word lists and prompts",
    "triples": "triples as painters learn from them",
}
FETCHED = {  # by folder: only cleared where it is named
    "checkpoints": "models' parameters, from `unprompt checkpoints fetch`",
    "bundles": "bundles that were installed",
}
