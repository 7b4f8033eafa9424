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
# # Colouring pages
#
# Pictures become pages to print and colour: in one line, by several methods side by side, as a booklet.
# In between, a small network learns to draw lines from pairs of a picture and its line art. The pictures
# come with installed packages, the pairs are drawn, and nothing is downloaded. It takes two minutes on two
# cores.

# %%
# %pip install --quiet --find-links /kaggle/input/unprompt-wheels "unprompt[generate,train,pages]"

# %%
from pathlib import Path

import polars as pl
from IPython.display import Image, display

from unprompt import colouring_pages
from unprompt.colouring_pages.compare import compare_methods
from unprompt.colouring_pages.config import PageMachine, PageTraining
from unprompt.colouring_pages.data import make_pairs
from unprompt.colouring_pages.data_config import PairSettings
from unprompt.colouring_pages.extract import open_extractor
from unprompt.colouring_pages.folder import Settings, make_pages
from unprompt.colouring_pages.grade import grade_pairs, table_of
from unprompt.colouring_pages.page_config import CompareConfig, OutputConfig
from unprompt.colouring_pages.paper_config import PaperConfig
from unprompt.colouring_pages.train import train_pages
from unprompt.datasets.pairs import read_pairs
from unprompt.demos.photographs import find_photographs
from unprompt.networks.devices import core_count
from unprompt.pocket.samples import write_scenes
from unprompt.storage.images import read_image

# %% [markdown]
# ## Pictures
#
# Photographs of installed packages and drawn scenes. For your own, set `images` to a list of files.

# %% tags=["parameters"]
write_scenes(Path("sample_scenes"), 2)
images = [*find_photographs()[:2], *sorted(Path("sample_scenes/images").iterdir())]
pairs, epochs = 384, 8

# %% [markdown]
# ## A page in one line
#
# A sheet of A4 at 300 dots an inch. `detail` is low for small children, `line_width` is in millimetres.

# %%
page = colouring_pages.make(images[0], detail="low", line_width=1.2)
display(page.resize((page.width // 6, page.height // 6)))

# %% [markdown]
# ## Pairs to learn from
#
# OpenMoji's drawings without their outlines, on any ground, damaged or made to look like photographs; their
# closed lines are the truth. Scenes of the pocket world are among them. Those to be graded on are of other
# drawings.

# %%
workers = core_count()
make_pairs(Path("PAIRS"), PairSettings(pairs, size=64, workers=workers, overwrite=True))
make_pairs(Path("HELD_OUT_PAIRS"), PairSettings(16, size=64, split="choose", workers=workers, overwrite=True))
learnt_from, held_out = read_pairs(Path("PAIRS")), read_pairs(Path("HELD_OUT_PAIRS"))
len(learnt_from), len(held_out)

# %% [markdown]
# ## A small pix2pix
#
# A generator (a U-Net) draws, a discriminator tells what it drew from the truth, and both learn. Killed at
# any moment, the same call goes on from its last save.

# %%
settings = PageTraining(
    filters=12, levels=4, judge_filters=8, size=64, batch=16, epochs=epochs, learning_rate=2e-3, ema=0.9
)
machine = PageMachine(samples=len(learnt_from) * epochs // settings.batch)  # one sheet, at the end
learnt = train_pages(learnt_from, Path("PAGES_RUN"), settings, machine, held_out, overwrite=True)
round(learnt.seconds)

# %% [markdown]
# `held_out_overlap` is the share of ink that is common to what is drawn and to the truth, on drawings that
# were not learnt from.

# %%
Image("PAGES_RUN/curves.png")

# %% [markdown]
# From left to right: the source, what the generator makes of it, the truth.

# %%
Image(sorted(Path("PAGES_RUN/samples").iterdir())[-1])

# %% [markdown]
# ## Several methods beside each other
#
# So short a training is no rival yet. docs/colouring_pages.md has the commands for a long one.

# %%
config = CompareConfig(
    methods=(*CompareConfig().methods, "pix2pix"), weights=Path("PAGES_RUN/generator.safetensors")
)
extractors = [open_extractor(config.of(method)) for method in config.methods]
compare_methods([read_image(path) for path in images], extractors)

# %% [markdown]
# ## Grades
#
# On the pairs that were held out. `F1` is of lines, `regions` of the areas that they enclose; of both, 1 is
# best. `closed` is the share of the figure that is closed in, `specks` are to be few, `s` is seconds a page.

# %%
graded = {one.method: grade_pairs(held_out, one) for one in extractors}
print("\n".join(table_of(graded)))

# %% [markdown]
# ## A booklet
#
# All pages in one PDF behind a title page, and each as PDF and PNG.

# %%
booklet = Settings(
    output=OutputConfig(("pdf", "png"), booklet="My colouring book"),
    paper=PaperConfig(name_line=True, original="colour"),
)
made = make_pages(images, Path("PAGES"), booklet, overwrite=True)
sizes = [path.stat().st_size for path in made.files]
pl.DataFrame({"file": [path.name for path in made.files], "bytes": sizes})

# %%
display(*[Image(f"PAGES/{path.stem}.png", width=300) for path in images[:3]])
