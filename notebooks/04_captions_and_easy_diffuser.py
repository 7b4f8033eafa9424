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
# # Captions, prompts and Easy Diffuser
#
# What the web app (`unprompt app`) shows, and Easy Diffuser, cell by cell on the same modules: captions in
# three tones, a recovered prompt and how near other words come to it, two pictures beside each other, a
# positive and a negative prompt, and new pictures from a web UI's API. No internet is used.

# %%
# %pip install -q --find-links /kaggle/input/unprompt-wheels "unprompt[lite,generate,app,serve]"

# %%
import sys
from io import BytesIO
from pathlib import Path
from subprocess import PIPE, Popen

import pandas as pd
from IPython.display import Image, display

from unprompt import easy_diffuser
from unprompt.demos.captions import caption_image, captions_csv
from unprompt.demos.compare import compare, image_side
from unprompt.demos.edits import find_place, measure, positive_modes, recover
from unprompt.easy_diffuser.webui import send
from unprompt.storage.images import find_images, read_file
from unprompt.runs.kaggle import find_inputs
from unprompt.bundle.loaded import LoadedBundle

# %% [markdown]
# ## Pictures and a bundle
#
# The competition's pictures, or sample scenes; for your own, set `images`. The bundle `lite` needs nothing
# but packages, and has a classifier in place of a captioner. `pocket` (after `unprompt pocket`) and `kaggle`
# (with its checkpoints attached) have a captioner and a CLIP.

# %% tags=["parameters"]
images = find_inputs(scratch=Path("sample_pictures")).images
bundle = "lite"

# %%
files = find_images(images)[1:4]
pictures = [read_file(file) for file in files]
loaded = LoadedBundle.load(bundle)
display(*[picture.resize((192, 192)) for picture in pictures])

# %% [markdown]
# ## Captions in three tones
#
# `model` and `captioned` say who speaks: a classifier's labels are no caption.

# %%
captions = [caption_image(loaded, file.path.name, read_file(file)) for file in files]
pd.read_csv(BytesIO(captions_csv(captions)))

# %% [markdown]
# ## A prompt in its phrases

# %%
found = recover(loaded, pictures[0], mode=positive_modes(loaded.modes)[0])
print(found.prompt)
found.by_kind()

# %% [markdown]
# ## Other words for it
#
# Similarities to the embedding that the whole bundle predicts for the picture. Put in your own words.

# %%
place = find_place(loaded, pictures[0])
pd.DataFrame(measure(loaded, [found.prompt, "a green lizard in the rain", "a bowl of soup"], place.embedding))

# %% [markdown]
# ## Two pictures beside each other

# %%
pair = compare(image_side(loaded, pictures[0]), image_side(loaded, pictures[1]))
print(f"similarity of their prompts: {pair.texts:.3f}")
pair.words

# %% [markdown]
# ## Easy Diffuser
#
# The negative prompt is the least related of the tags that a learned threshold calls related to the picture,
# and empty where none is. `unprompt easy-diffuser fit` learns the threshold for a bundle and its tags.

# %%
session = easy_diffuser.start(files[0].path, loaded=loaded)
session.run()
session.print_caption()

# %%
session.input_img(files[2].path)
result = session.run()
session.print_caption()
pd.DataFrame(result.related)

# %% [markdown]
# ## New pictures from a web UI's API
#
# `unprompt serve` talks as the Stable Diffusion web UI does. Here it paints with the pocket world, which
# draws only prompts of its own grammar. With `--sd FOLDER` it paints any prompt with Stable Diffusion: then
# `session.send2ui(url=address)` sends both; without `url`, to the web UI on this machine.

# %%
command = [sys.executable, "-m", "unprompt", "serve", "--port", "0", "--painter", "pocket"]
server = Popen(command, stdout=PIPE, text=True)
address = server.stdout.readline().split()[1]
address

# %%
painted = send("a watercolor of a penguin on a snowy field", result.negative, url=address, out="penguin.png")
display(*[Image(filename=path) for path in painted])

# %%
server.terminate()
server.wait()
