"""`PythonSession` and what belongs to it, over the compiled module."""
