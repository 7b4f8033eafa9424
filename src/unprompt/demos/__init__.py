"""Small programs on the same modules as the pipeline, one file each: what the app's pages call.

May import bundles, runs, serving and what stands before them.
"""
