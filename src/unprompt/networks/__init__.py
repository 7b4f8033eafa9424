"""Networks that others trained, from local files: MiniLM, ImageNet classifier, CLIP, captioners, backbones.

Also what all of them need: where checkpoints are, the device, state dicts, preprocessing, and the pipeline
that takes image files through a network. It knows nothing of ensembles or systems. May import storage and
text.
"""
