"""A small world of drawings in which every stage runs for real: its grammar, scenes, pictures, sample scenes.

May import storage, data sets and the painters' contract.
"""
