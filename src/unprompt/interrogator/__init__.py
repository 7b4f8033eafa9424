"""Image -> caption -> phrases -> prompt: clip-interrogator's modes, tables of phrases, the command's work.

May import networks, data sets and what stands before them.
"""
