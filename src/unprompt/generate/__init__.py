"""The data set factory: prompts from a language model, the grammar or files; the filter; rendering.

May import data sets, the pocket world, diffusion and what stands before them.
"""
