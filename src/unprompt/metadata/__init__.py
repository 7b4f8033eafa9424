"""What programs that paint wrote into their pictures' files: the prompt, and how it was painted.

Files are read in `carriers`, each format of such texts has a module, `reading` tries them in order. Nothing
that stands in a file is believed: sizes, depths and counts are bounded, and what is damaged is passed over.
May import storage, text and what is below them.
"""
