"""Image -> embedding by a fine-tuned backbone: the `regression` member."""
