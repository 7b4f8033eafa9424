"""How things lie on disk: files written whole, resumable folders, images, parquet parts, submissions.

Here are the one reader of images, the settings files, and where installed packages keep data. It knows the
records and no model. May import errors and records.
"""
