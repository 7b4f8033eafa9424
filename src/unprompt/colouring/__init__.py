"""Colouring by words: line art and a sentence go in, a coloured picture comes out.

Pairs with captions are read by data sets, and the one learning loop trains what colours: a small painter
of regions, or InstructPix2Pix in diffusers' own classes (`instruct_*`, `train_instruct`). Captions for pairs
that have none are measured, or written by a network (`captions`, `write_captions`). May import networks, data
sets, learning, the pocket world, diffusion, the interrogator, colouring pages and what stands before them.
"""
