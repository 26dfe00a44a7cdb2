"""A place that is full, or limited: a clear error on the side that needs room, and the session goes on after it."""

from __future__ import annotations

import faulty_system
import pytest
from places import Inside

CARRIERS = pytest.mark.parametrize("wake_up", ["futex", "inotify"])
SMALL_TMPFS = "mount -t tmpfs -o size=4m x $P"


@CARRIERS
def test_full_tmpfs_is_an_error_and_the_session_goes_on(inside: Inside, wake_up: str) -> None:
    inside("full.py", "full", wake_up, make=SMALL_TMPFS)


@CARRIERS
def test_full_disk_is_an_error_and_the_session_goes_on(inside: Inside, disk: str, wake_up: str) -> None:
    inside("full.py", "full", wake_up, make=f"mount -o loop {disk} $P")


def test_buffers_kept_for_use_again_make_room_for_larger_ones(inside: Inside) -> None:
    inside("full.py", "growing", make=SMALL_TMPFS)


def test_session_starts_once_there_is_room(inside: Inside) -> None:
    inside("full.py", "full_at_start", make=SMALL_TMPFS)


@CARRIERS
def test_no_inode_left_is_told_from_no_byte_left(inside: Inside, wake_up: str) -> None:
    inside("full.py", "inodes", wake_up, make="mount -t tmpfs -o size=100m,nr_inodes=40 x $P")


@pytest.mark.skipif(not faulty_system.available(), reason="a seccomp filter for another machine")
def test_quota_is_named(inside: Inside) -> None:
    inside("full.py", "quota", make="true")


@CARRIERS
def test_limit_on_the_size_of_files_is_no_fatal_signal(inside: Inside, wake_up: str) -> None:
    inside("full.py", "size_limit", wake_up, make="true")
