"""What makes an image from a prompt: the contract of all painters, whatever they paint with.

May import storage.
"""
