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
# # From images back to prompts: the offline submission
#
# Finds the competition's images (or, outside Kaggle, draws sample scenes), runs a bundle over them and leaves
# `submission.csv` in the working folder. No internet is used. All of the work is in the package `unprompt`;
# on Kaggle its wheels come from the attached data set `unprompt-wheels`. docs/KAGGLE.md says step by step how
# to submit.

# %%
# %pip install --quiet --no-index --find-links /kaggle/input/unprompt-wheels "unprompt[lite,interrogate]"

# %%
from itertools import chain
from pathlib import Path
from shutil import copyfile

from IPython.display import display

from unprompt.runs.kaggle import choose_bundle, find_inputs, first_guesses, kernel_config
from unprompt.runs.predict import predict

# %% [markdown]
# ## The images

# %%
inputs = find_inputs(scratch=Path("sample"))
inputs

# %% [markdown]
# ## The bundle
#
# Left empty, it is `kaggle` where all of its checkpoints are attached, else `lite`, and `why` says what is
# missing. Named here, it has to be complete: then a missing checkpoint stops the notebook.

# %% tags=["parameters"]
bundle = ""

# %%
choice = choose_bundle(bundle)
print(f"bundle {choice.bundle}: {choice.why}")

# %% [markdown]
# ## The run
#
# With a deadline the submission is complete in time: images that do not fit in get the cheapest member, and
# then the prior. A run that is finished is done anew, one that was interrupted goes on where it stopped.

# %%
config = kernel_config(choice, deadline=8.5 * 3600)
result = predict(inputs.images, Path("RUN"), config, truth=inputs.truth, sample=inputs.sample)
result.images, result.levels, len(result.problems)

# %% [markdown]
# ## The submission, where the competition looks for it

# %%
copyfile(result.folder / "submission.csv", "submission.csv")

# %% [markdown]
# ## A look at what came out

# %%
result.score and result.score.numbers()

# %%
display(*chain.from_iterable(first_guesses(inputs.images, result.prompts)))
