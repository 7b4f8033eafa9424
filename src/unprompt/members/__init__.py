"""The members of ensembles that come with the package, a file a kind.

Each has the member's class, what it looks through, and a `KIND`: what its table in a bundle may say, and
how one is made of it. `bank.py` is what `retrieval` looks things up in. May import the systems whose
networks members are, and what stands before them.
"""

NAMES = ("zeroshot", "phrases", "regression", "interrogator", "retrieval")  # each file's KIND
