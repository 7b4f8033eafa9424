"""Small programs on the same modules as the pipeline, one file each."""
