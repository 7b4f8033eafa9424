"""Data sets of prompts and images: reading, targets, pixels, splits, seeds, near-duplicates, their page.

May import storage, text, metadata, networks and html.
"""
