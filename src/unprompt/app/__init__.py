"""The web app: pages of widgets around functions of the package. Started by `start.py`."""
