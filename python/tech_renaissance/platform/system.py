"""What not every system has. Windows is told by what it lacks, so that a test can take that away elsewhere as well."""

from __future__ import annotations

import os

#: Without descriptors that a program it starts does not get, links that are not followed, and names that can be given
#: to another file while somebody has the old one open.
IS_WINDOWS = not hasattr(os, "O_CLOEXEC")

#: Of os.open; what a system lacks asks for nothing. Windows takes files for text unless it is told otherwise.
CLOEXEC: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
#: For what a peer may have put there.
CAREFUL: int = CLOEXEC | NOFOLLOW | NONBLOCK


def user_id() -> int | None:
    """Of this process; None where users have no numbers."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def is_mine(status: os.stat_result) -> bool:
    """A file is this user's; where users have no numbers, the rights on its directory have to do."""
    mine = user_id()
    return mine is None or status.st_uid == mine
