"""unprompt: from an image made by Stable Diffusion back to its prompt, as text and as an embedding."""

__version__ = "0.1.0"
