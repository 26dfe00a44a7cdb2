"""A place that is full, or limited: a clear error on the side that needs room, and the session goes on after it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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


@CARRIERS
def test_full_in_the_middle_of_a_stream_is_the_stream_s_error(inside: Inside, wake_up: str) -> None:
    inside("full.py", "stream", wake_up, make=SMALL_TMPFS)


@CARRIERS
def test_quota_is_named(inside: Inside, tmp_path: Path, wake_up: str) -> None:
    """Of Btrfs, which needs nothing of the kernel's own quotas, and holds for root as well."""
    if shutil.which("btrfs") is None or "btrfs" not in Path("/proc/filesystems").read_text():
        pytest.skip("there are no tools for Btrfs (btrfs-progs), or the kernel has none")
    image = tmp_path / "disk"
    image.touch()
    os.truncate(image, 120 << 20)
    subprocess.run(["mkfs.btrfs", "-q", "-M", image], check=True)
    inside(
        "full.py",
        "quota",
        wake_up,
        make=f"""mount -o loop {image} $P
            btrfs -q subvolume create $P/s
            btrfs -q quota enable $P
            btrfs -q qgroup limit 8M $P/s""",
    )


@pytest.mark.skipif(not faulty_system.available(), reason="a seccomp filter for another machine")
def test_quota_that_is_noticed_on_reserving_is_named(inside: Inside) -> None:
    inside("full.py", "quota_on_reserving", make="true")


@CARRIERS
def test_limit_on_the_size_of_files_is_no_fatal_signal(inside: Inside, wake_up: str) -> None:
    inside("full.py", "size_limit", wake_up, make="true")
