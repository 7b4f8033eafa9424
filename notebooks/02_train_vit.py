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
# # Training a backbone to predict prompt embeddings
#
# A network that has learnt to see, and a head that turns what it sees into the 384 numbers of the prompt's
# embedding. As it stands this notebook trains EfficientNet-Lite0, whose weights come with a Python package,
# on some 1,500 scenes of the *pocket world*, and takes a few minutes without a GPU. So few images lift
# it only a little beyond the best constant guess; what counts here is that every step runs. The last sections
# say what to change for ViT-B/16 and images by Stable Diffusion on Kaggle; the steps stay the same.

# %%
# %pip install --quiet --find-links /kaggle/input/unprompt-wheels "unprompt[generate,train]"

# %%
from pathlib import Path

import polars as pl
from IPython.display import Image

from unprompt.generate.config import FilterConfig, RenderConfig
from unprompt.runs.config import PredictConfig
from unprompt.regression.config import TrainConfig
from unprompt.networks.devices import core_count
from unprompt.storage.files import read_embeddings
from unprompt.datasets.dataset import read_dataset
from unprompt.generate.filter import filter_prompts
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.generate.prompts import extend_prompts
from unprompt.pocket.engine import PocketEngine
from unprompt.generate.render.run import render_prompts
from unprompt.runs.predict import predict
from unprompt.regression.gallery import choose_shown, draw_gallery
from unprompt.regression.train import train

# %% [markdown]
# ## Images to learn from
#
# As in `01_generate_dataset.ipynb`. All that this notebook makes goes into a folder of its own, `vit`.

# %%
extend_prompts(Path("vit/prompts.csv"), PocketPrompts(seed=0), count=1520)
filter_prompts(Path("vit/prompts.csv"), Path("vit/kept.csv"), FilterConfig(threshold=0.95, overwrite=True))
config = RenderConfig(seed=0, workers=core_count(), overwrite=True)
rendered = render_prompts(Path("vit/kept.csv"), Path("vit/DATASET"), PocketEngine(size=128), config)
rendered.images, round(rendered.seconds)

# %% [markdown]
# ## Images to be tested on
#
# Another stream of prompts, without all that have a cosine of 0.7 or more with one above: a network that has
# seen "a red fox, oil painting" has an easy time with "red fox in oil". Training divides its own images into
# training and validation by the same rule.

# %%
extend_prompts(Path("vit/more.csv"), PocketPrompts(seed=1), count=120)
apart = FilterConfig(threshold=0.7, against=(Path("vit/kept.csv"),), overwrite=True)
filtered = filter_prompts(Path("vit/more.csv"), Path("vit/held_out.csv"), apart)
render_prompts(Path("vit/held_out.csv"), Path("vit/HELD_OUT"), PocketEngine(size=128), config)
filtered.read, filtered.kept

# %% [markdown]
# ## Training
#
# First the head alone is fitted to the features of the backbone as it is (the *probe*, epoch 0 below). Then
# both learn together, layers farther from the head more slowly. Killed at any moment, the same call goes on
# from its last save. `fold_norms` is for few images and a CPU: batch norms become part of the convolutions.

# %%
settings = TrainConfig(
    backbone="tf_efficientnet_lite0", fold_norms=True, size=96, epochs=3, batch=32, learning_rate=1e-3
)
result = train(Path("vit/DATASET"), Path("vit/RUN"), settings, overwrite=True)
result.train_images, result.validation_images, round(result.seconds)

# %% [markdown]
# `validation` is the mean cosine on images that were not trained on, by the moving average of the weights;
# `constant` is what the one vector that is best for the training prompts scores on them. The epoch with the
# highest validation score is kept. So few images are soon learnt by heart, which shows in a training score
# that runs away from it.

# %%
metrics = pl.read_csv("vit/RUN/metrics.csv")
metrics.select("epoch", "loss", "train", "validation", "constant", "images_per_second")

# %%
Image("vit/RUN/curves.png")

# %% [markdown]
# Validation images from the best to the worst, each with the training prompt that lies nearest to what the
# network says.

# %%
Image("vit/RUN/gallery.png")

# %% [markdown]
# ## Prediction
#
# `vit/RUN/bundle.toml` is a bundle with the trained network as its only member.

# %%
predicted = predict(
    Path("vit/HELD_OUT"),
    Path("vit/PREDICTED"),
    PredictConfig(bundle="vit/RUN/bundle.toml", overwrite=True),
    truth=Path("vit/held_out.csv"),
)
predicted.score.numbers()

# %%
learnt, unseen = read_dataset(Path("vit/DATASET")), read_dataset(Path("vit/HELD_OUT"))
guesses = read_embeddings(Path("vit/PREDICTED/members/regression.npz"))
shown = choose_shown(
    unseen.images,
    unseen.prompts,
    guesses,
    unseen.embeddings,
    learnt.prompts.texts,
    learnt.embeddings.vectors,
    count=8,
)
draw_gallery(Path("vit/held_out.png"), shown, "Images apart from all training prompts, best to worst")
Image("vit/held_out.png")

# %% [markdown]
# ## ViT-B/16 on Kaggle: what to attach
#
# - A DATASET, of 100,000 images say: what notebook 01 leaves with GPT-2 and Stable Diffusion, or the public
#   set with `train.csv` and `train_images/`.
# - The backbone's weights: `model.safetensors` of `timm/vit_base_patch16_224.augreg2_in21k_ft_in1k`, in a
#   data set of your own. `WEIGHTS` below is that file or its folder, always the same path: it belongs to the
#   run.
#
# Images are decoded once, at 224 pixels, into the user's cache folder: 150 KB each, 15 GB for 100,000. By
# default that is done where it takes at most half the free space there; `XDG_CACHE_HOME` names another disk.
# Else each image is decoded again in each epoch, which is slow from parquet parts in random order.
#
# ## One P100
#
# ```
# !timeout --signal=INT 11h unprompt train /kaggle/input/DATASET --out vit/RUN --weights WEIGHTS \
#     --precision fp16 --batch 128 --accumulate 2 --epochs 5
# ```
#
# A step takes 128 images, in two parts of 64, one after the other in memory; the gradient is that of all 128.
# If memory still runs out, the message says what to change: the run goes on with a larger `--accumulate`, or
# with `--checkpointing`, which computes activations twice instead of keeping them and is off by default. Both
# cost time. A P100 needs a PyTorch that is built for it, with `sm_60` in `torch.cuda.get_arch_list()`; recent
# ones, 2.15 for one, begin with `sm_75`, the T4.
#
# ## Two T4
#
# ```
# !timeout --signal=INT 11h accelerate launch --num_processes 2 --mixed_precision fp16 \
#     -m unprompt train /kaggle/input/DATASET --out vit/RUN --weights WEIGHTS \
#     --precision fp16 --batch 128 --epochs 5
# ```
#
# `--batch` counts the images of both GPUs, 64 each, so it and the learning rate stay what they were, and a
# run that was begun on one card may go on with two. (`train` goes by its own `--precision`, whose default is
# fp16 on both kinds of card; accelerate's option only keeps accelerate quiet about it.)
#
# ## The next session
#
# Sessions end at Kaggle's time limit, and what a stopped one leaves may be gone; so `timeout` stops the run
# before. It can be stopped anywhere: it saves every 10 minutes (`--save-minutes`) and after each epoch, into
# `vit/RUN/.work`. Take the folder along whole, that hidden part too, attach this notebook's output to its
# next version, and give the same command again:
#
# ```
# !tar -cf vit.tar vit/RUN                      # the last cell
# !tar -xf /kaggle/input/THIS_NOTEBOOK/vit.tar  # the first one of the next session
# ```
#
# The result is the same as without the pause, up to the rounding of a GPU's own arithmetic. The settings, the
# data set and the precision have to be the same too; `train` says so where they are not. After the last epoch
# `.work` goes away, and `vit/RUN/best.safetensors` with `vit/RUN/bundle.toml` are what a submission needs.
#
# ## What else there is to choose
#
# - The probe: a linear head is solved for at once, by ridge regression on the frozen backbone's features, so
#   that the first steps of fine-tuning do not spoil what the backbone has learnt. `--probe 0` leaves it out.
# - `--layer-decay 0.8`: each layer farther from the head learns this much slower. 1 treats all alike.
# - `--ema 0.999`: what is scored and kept is a moving average of the weights. 0 keeps the weights themselves.
# - `--head mlp`: d -> 16d, batch norm, ReLU, 384, fitted by `--probe` epochs first; worth a try with 100,000s
#   of images. Its batch norm sees one part of a batch on one GPU at a time, so with it `--accumulate` and the
#   number of GPUs do change the result a little.
# - `--head words`: first how likely each word is to be in the prompt, then what such words mean together. On
#   pocket scenes by far the best head, with the backbone's early stages frozen (docs/RESULTS.md).
# - `--augment crop shift colour`: small changes that leave the prompt true. None by default. `flip` is there
#   too, but a mirrored picture contradicts "on the left" and every word written in it.
# - `--patch`, `--size`: a ViT's weights are resampled to other patches and inputs.
# - `unprompt tune DATASET --out STUDY --config vit/RUN/config.toml --trials 20 --epochs 3` searches for
#   learning rate, batch, layer decay, weight decay, head and, with a ViT, patch and stochastic depth; weights
#   and all else are those of `vit/RUN`. `unprompt train DATASET --out vit/RUN2 --config STUDY/best.toml` then
#   trains with what was best.
