"""The worker: its life, its calls, and the class that servers derive from."""
