"""What the web app and the HTTP API share: one thread for models, uploads, painters, runs for visitors.

May import bundles, runs and what stands before them; neither face.
"""
