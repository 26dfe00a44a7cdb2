"""The one place that holds the version: CMake, pyproject.toml and the package read it from here."""

__version__ = "0.1.0"
