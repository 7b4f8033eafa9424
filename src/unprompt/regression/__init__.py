"""Image -> embedding: a backbone fine-tuned to prompt embeddings, its file, its augmentation, and tuning.

May import learning, data sets, networks and what stands before them.
"""
