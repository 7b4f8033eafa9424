"""The HTTP API: the Stable Diffusion web UI's own contract, so that its clients work, and embeddings.

May import every room but the other faces.
"""
