"""Who does the work of a list of jobs: this process, several of this machine, or actors on many machines.

What is to be done is one recipe (`work.Work`), which each of them opens and gives jobs to; what comes of a
job does not depend on who did it. Whoever asks for the work is the only one who writes. May import storage
and networks.
"""
