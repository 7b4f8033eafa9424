"""How networks learn here: the loop, its schedule and state, curves; training CLIPs and captioners on it.

May import networks and data sets, and nothing that knows which system a network is for.
"""
