"""How networks learn here: the loop, its schedule and state, curves; and CLIP and captioner training on it.

May import networks and data sets, and nothing that knows which system a network is for.
"""
