"""Colouring pages: any picture becomes line art, and line art a clean page to print and colour.

The way of a picture: an extractor gives its ink (how much each pixel is line), `clean` makes ink black and
white without specks, `strokes` traces the middle of its lines into curves, and `paper` puts the drawing on a
sheet. May import networks, data sets, learning, the pocket world and what stands before them.
"""
