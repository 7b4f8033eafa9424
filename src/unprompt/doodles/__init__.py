"""Doodles: strokes of a pen, what they show, and pictures that follow them."""
