"""What the HTML pages share: the templates' environment, thumbnails, histograms, how numbers are written.

May import storage and text.
"""
