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
# Finds the competition's images (or draws sample scenes where it is not attached), runs a bundle over them
# and leaves `submission.csv` in the working folder. No internet is used. All of the work is in the package
# `unprompt`; on Kaggle its wheels come from the attached data set `unprompt-wheels`.

# %%
# %pip install --quiet --no-index --find-links /kaggle/input/unprompt-wheels "unprompt[lite,generate]"

# %%
from pathlib import Path

from IPython.display import Image, display

from unprompt.files import read_prompts
from unprompt.kaggle import find_inputs
from unprompt.config import PredictConfig
from unprompt.predict import predict

# %% [markdown]
# ## The images

# %%
inputs = find_inputs(scratch=Path("sample"))
inputs

# %% [markdown]
# ## The run
#
# Killed or timed out, the same call goes on where it stopped. With a deadline the submission is complete in
# time: images that do not fit in get the cheapest member, and then the prior.

# %%
config = PredictConfig(bundle="lite", deadline=8.5 * 3600, overwrite=True)
result = predict(inputs.images, Path("RUN"), config, truth=inputs.truth, sample=inputs.sample)
result.images, result.levels, len(result.problems)

# %% [markdown]
# ## The submission, where the competition looks for it

# %%
Path("submission.csv").write_bytes((result.folder / "submission.csv").read_bytes())

# %% [markdown]
# ## A look at what came out

# %%
result.score and result.score.numbers()

# %%
shown = result.prompts.ids[:3]
display(*(Image(str(next(inputs.images.glob(f"{image_id}.*"))), width=256) for image_id in shown))
read_prompts(result.folder / "prompts.csv").at(shown).texts
