"""Prompts -> images: two engines (Stable Diffusion, the pocket world), resumable and in parallel."""
