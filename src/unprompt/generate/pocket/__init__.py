"""A small world of drawings in which every stage runs for real: prompts, the scenes they name, pictures."""
