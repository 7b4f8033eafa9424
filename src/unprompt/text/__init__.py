"""English in small, and what makes a written text a prompt: articles, cleaning, lengths in CLIP's tokens.

Pure functions on text. May import storage and what stands before it.
"""
