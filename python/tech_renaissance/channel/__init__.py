"""A session directory, from the worker's side: messages, tensors and what rings when there is something new."""
