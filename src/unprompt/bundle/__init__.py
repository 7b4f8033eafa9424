"""Bundles: named ensembles in TOML files, which kinds of members there are, and a bundle that stays loaded.

May import members and what stands before them.
"""
