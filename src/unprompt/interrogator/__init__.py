"""Image -> caption -> phrases -> prompt."""
