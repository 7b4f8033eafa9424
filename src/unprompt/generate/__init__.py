"""The data set factory: prompts, and images made from them."""
