"""Recipes: several stages in a row, from nothing to something that can be installed.

`pocket.py` makes the bundle `pocket`; `scenes.py` its data, `comparison.py` the table that grades it. May
import every room but the faces of the program.
"""
