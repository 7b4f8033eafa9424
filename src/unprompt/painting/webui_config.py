"""Where a web UI is, and how long it may take. Light: options of the command line are these."""

URL = "http://127.0.0.1:7860"  # where the web UI listens unless told otherwise
ANSWER_SECONDS = 300.0  # a picture can take minutes
