"""The name that `tech_renaissance.session` has for users."""

from .host.session import PythonSession

__all__ = ["PythonSession"]
