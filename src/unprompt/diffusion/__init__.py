"""Stable Diffusion from local files: loading it part by part, its memory, and text to image.

May import networks and the painters' contract.
"""
