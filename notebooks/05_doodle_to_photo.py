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
# # Doodle to photo
#
# A drawing is named, described, and becomes a picture that follows its lines. In between, a small network of
# one's own learns to name drawings. The drawings come with the package, and nothing is downloaded. It takes a
# minute on two cores.

# %%
# %pip install --quiet --find-links /kaggle/input/unprompt-wheels "unprompt[generate,train,pages]"

# %%
from pathlib import Path

import polars as pl
from IPython.display import Image, display

from unprompt.doodles.drawing import Doodle
from unprompt.doodles.follow import follow
from unprompt.doodles.ink import picture_of
from unprompt.doodles.name import Namer
from unprompt.doodles.namer_config import NamerTraining
from unprompt.learning.schedule import TrainingMachine
from unprompt.doodles.paint_drawing import DoodlePainter
from unprompt.doodles.paint_config import FOLLOW, DoodlePaint
from unprompt.doodles.picture import read_picture
from unprompt.doodles.samples import draw_samples
from unprompt.doodles.scenes import compose_scenes
from unprompt.doodles.scenes_config import SceneConfig
from unprompt.doodles.steps import Steps, open_steps
from unprompt.doodles.train_namer import train_namer
from unprompt.doodles.wording import STYLES, prompt_of

# %% [markdown]
# ## A drawing is its strokes
#
# Lines are drawn anew for whoever looks, at any size and as wide as they are known there. For your own,
# `read_picture` takes a path, bytes or an array.

# %% tags=["parameters"]
samples = draw_samples()
drawing, epochs, repeats = samples["At sea"].drawing, 10, 32

# %%
display(picture_of(drawing, 300), picture_of(drawing, 100, 2), picture_of(samples["Cat"].drawing, 100, 2))

# %% [markdown]
# ## From a picture
#
# A photograph of paper, a scan, white on black: the ground is found, and the ink is thinned to strokes.

# %%
traced = read_picture(picture_of(samples["Cat"].drawing, 400, pen=9))
display(picture_of(traced, 200))
len(traced.strokes)

# %% [markdown]
# ## A namer of one's own
#
# Each drawing is bent, turned and stretched anew each time that it is seen. For real, give `train_namer` the
# drawings of Quick, Draw!; `unprompt doodle train` does the same.

# %%
things = [Doodle(name, one.drawing, one.words[0]) for name, one in samples.items() if len(one.words) == 1]
training = NamerTraining(epochs=epochs, repeats=repeats, batch=64, filters=8)
learnt = train_namer(things, Path("NAMER"), training, TrainingMachine(), overwrite=True)
round(learnt.seconds)

# %%
Image("NAMER/curves.png")

# %%
namer = Namer.load(Path("NAMER/namer.safetensors"))
pl.DataFrame(namer.name(traced), schema=["word", "probability"], orient="row")

# %% [markdown]
# ## Captions
#
# Scenes are composed with captions that are true of them, to teach and to grade captioners. Who says what a
# thing is corrects what was guessed.

# %%
scene = next(compose_scenes(things, SceneConfig(count=1, seed=2, nouns="any")))
display(picture_of(scene.drawing, 300))
scene.caption

# %%
steps = Steps(namer)
steps.caption(traced, guesses=steps.guesses(traced)), steps.caption(traced, {0: "tiger"})

# %% [markdown]
# ## The package's own
#
# What `unprompt doodle` uses: a namer of 345 words, and a captioner that finds out which strokes are one
# thing, and counts and places what they are. Both come with the package. What was drawn last is guessed.

# %%
own = open_steps()
pl.DataFrame(own.guesses(drawing), schema=["word", "probability"], orient="row")

# %%
{name: own.caption(one.drawing) for name, one in samples.items() if len(one.words) > 1}

# %% [markdown]
# ## Prompts
#
# Only what leads in is taken off a caption.

# %%
[prompt_of("This is a sketch of a woman drawing a picture", style) for style in STYLES]

# %% [markdown]
# ## A picture that follows the drawing
#
# By the pocket world, which needs no weights; `DoodlePaint(model=FOLDER)` begins a Stable Diffusion with the
# drawing, and `controlnet=FOLDER` has one follow it.

# %%
painter = DoodlePainter(DoodlePaint(painter="pocket"), namer=namer)
prompt = "A photo of a sailboat above a fish, with a cloud in the sky"
painted = [painter.paint(drawing, prompt, config=DoodlePaint(painter="pocket", follow=how)) for how in FOLLOW]
display(*[one.image.resize((320, 320)) for one in painted])

# %% [markdown]
# How much of the ink lies near an edge of the picture, above chance:

# %%
pl.DataFrame(
    {"follow": list(FOLLOW), "above chance": [follow(drawing, one.image).above_chance for one in painted]}
)
