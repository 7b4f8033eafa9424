"""The web app: pages of widgets around functions of the package. Started by `start.py`.

May import every room but the other faces.
"""
