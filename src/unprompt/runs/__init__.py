"""The main job: a folder of images into a RUN folder, in time, and what else is asked around it.

Predicting in chunks that survive a kill, deadlines, outputs and the report; what a Kaggle kernel finds; how
long a run will take here. May import bundles and what stands before them.
"""
