"""Colouring by words: line art and a sentence go in, a coloured picture comes out.

<<<<<<< HEAD
Pairs with captions are read by data sets, and the one learning loop trains what colours them: a small
painter of regions, or InstructPix2Pix in diffusers' own classes (`instruct_*`). May import networks,
=======
Pairs with captions are read by data sets, and the one learning loop trains what colours: a small painter of
regions, or InstructPix2Pix in diffusers' own classes (`instruct_*`, `train_instruct`). May import networks,
>>>>>>> 36e6d90
data sets, learning, the pocket world, diffusion, colouring pages and what stands before them.
"""
