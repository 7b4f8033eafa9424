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
# # A data set of prompts and images
#
# Training needs pairs: a prompt, and the image that was made from it. This notebook makes some, from nothing:
# prompts, a filter against near-duplicates, one image for each prompt, and a look at the result. As it stands
# it uses the *pocket world*, scenes of OpenMoji drawings, and takes a minute or two without a GPU. The last
# section says what to change for GPT-2 and Stable Diffusion 2 on Kaggle; the steps stay the same.

# %%
# %pip install --quiet --find-links /kaggle/input/unprompt-wheels "unprompt[lite,generate]"

# %%
from pathlib import Path

from IPython.display import display

from unprompt.generate.config import FilterConfig, RenderConfig
from unprompt.networks.devices import core_count
from unprompt.datasets.dataset import read_dataset
from unprompt.datasets.page import write_page
from unprompt.datasets.describe import describe_dataset
from unprompt.generate.filter import filter_prompts
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.generate.prompts import extend_prompts
from unprompt.pocket.engine import PocketEngine
from unprompt.generate.render.run import render_prompts
from unprompt.storage.images import read_file

# %% [markdown]
# ## Prompts
#
# The stream is exact: asking for more later adds to the same ones.

# %%
prompts = extend_prompts(Path("prompts.csv"), PocketPrompts(seed=0), count=2000)
prompts.samples, dict(prompts.rejected)

# %% [markdown]
# ## Without near-duplicates
#
# Of every group of prompts whose embeddings have a cosine of 0.95 or more, the first stays.
# `kept.dropped.csv` says which prompt each of the others was too close to.

# %%
filtered = filter_prompts(Path("prompts.csv"), Path("kept.csv"), FilterConfig(threshold=0.95, overwrite=True))
filtered.read, filtered.kept, filtered.near_duplicates

# %% [markdown]
# ## Images
#
# Killed at any moment, the same call goes on where it stopped and ends with the same bytes.

# %%
config = RenderConfig(seed=0, workers=core_count(), overwrite=True)
rendered = render_prompts(Path("kept.csv"), Path("DATASET"), PocketEngine(size=128), config)
rendered.images, round(rendered.seconds)

# %% [markdown]
# ## A look at what came out
#
# `describe.html` has lengths, words, nearest neighbours and a contact sheet. The parquet parts also open with
# `datasets.load_dataset("parquet", data_files="DATASET/*.parquet")`, pictures and all.

# %%
dataset = read_dataset(Path("DATASET"))
description = describe_dataset(dataset)
write_page(Path("DATASET/describe.html"), description)
print("\n".join(description.lines()))

# %%
display(*(read_file(image) for image in dataset.images[:4]))
dataset.prompts.texts[:4]

# %% [markdown]
# ## With GPT-2 and Stable Diffusion 2 on Kaggle
#
# Attach the data sets `unprompt-gpt2` and `unprompt-stable-diffusion-2` (`datasets_meta/` lists their files),
# choose a GPU, and replace two calls:
#
# ```python
# import unprompt
#
# starts = ("A picture of", "A painting of")
# unprompt.prompts("prompts.csv", count=10_000, engine="gpt2", starts=starts)
# unprompt.render("kept.csv", "DATASET", engine="sd2", preset="competition", workers=2)
# ```
#
# With two GPUs, `workers=2` gives each its own. What a session does not finish goes on in the next one, from
# the same folder.
