"""The names that `tech_renaissance.session_options` has for users."""

from .host.session_options import RestartPolicy, SessionOptions, SessionStats

__all__ = ["RestartPolicy", "SessionOptions", "SessionStats"]
