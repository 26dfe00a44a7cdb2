"""Files, processes, signals and what else the operating system has; the standard library alone."""
