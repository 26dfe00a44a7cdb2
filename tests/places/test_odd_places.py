"""Places and limits that are odd in another way than full: a clear error, or a session that works, if more slowly."""

from __future__ import annotations

import subprocess
from pathlib import Path

import faulty_system
import pytest
from places import Inside

CARRIERS = pytest.mark.parametrize("wake_up", ["futex", "inotify"])
FILTERED = pytest.mark.skipif(not faulty_system.available(), reason="a seccomp filter for another machine")
TMPFS = "mount -t tmpfs -o size=100m x $P"


def test_read_only_file_system_is_an_error_of_start(inside: Inside) -> None:
    inside("odd.py", "read_only", make=TMPFS + " && mount -o remount,ro $P")


@CARRIERS
def test_disk_that_becomes_read_only_is_an_error_of_each_call(inside: Inside, disk: str, wake_up: str) -> None:
    inside("odd.py", "read_only_later", wake_up, make=f"mount -o loop,errors=remount-ro {disk} $P")


@CARRIERS
def test_mount_without_rights_to_run_anything_will_do(inside: Inside, wake_up: str) -> None:
    inside("odd.py", "no_exec", wake_up, make=TMPFS + " && mount -o remount,noexec,nodev,nosuid $P")


@CARRIERS
def test_host_without_descriptors_says_so_and_goes_on(inside: Inside, wake_up: str) -> None:
    inside("odd.py", "host_descriptors", wake_up, make="true")


@CARRIERS
def test_worker_without_descriptors_serves_all_the_same(inside: Inside, wake_up: str) -> None:
    inside("odd.py", "worker_descriptors", wake_up, make="true")


@CARRIERS
def test_address_space_that_is_used_up_is_an_error_of_the_call(inside: Inside, wake_up: str) -> None:
    inside("odd.py", "memory", wake_up, make="true")


@FILTERED
def test_no_thread_or_process_to_be_had_is_a_failed_start(inside: Inside) -> None:
    inside("odd.py", "threads", make="true")


@FILTERED
def test_inotify_that_stays_silent_is_noticed(inside: Inside) -> None:
    inside("odd.py", "silent_inotify", make="true")


def test_limits_of_inotify_are_named(inside: Inside) -> None:
    inside("odd.py", "inotify_limits", make="true", unshare=("-U", "-r"))


def test_paths_of_any_kind_and_length(inside: Inside) -> None:
    inside("odd.py", "paths", make="true")


@pytest.mark.parametrize("wake_up", ["futex", "inotify", "watchdog", "polling"])
def test_names_that_are_not_utf8(inside: Inside, wake_up: str) -> None:
    inside("odd.py", "not_utf8", wake_up, make="true")


def test_names_that_are_not_utf8_without_the_library(inside: Inside) -> None:
    inside("odd.py", "not_utf8", "futex", make="true", environment={"TR_LIBRARY": ""})


@pytest.fixture(scope="module")
def jumping_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes the time of day jump, to be loaded before all others."""
    library = tmp_path_factory.mktemp("clock") / "jumping_clock.so"
    source = Path(__file__).with_name("jumping_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@CARRIERS
def test_clock_that_jumps_changes_nothing(inside: Inside, jumping_clock: Path, wake_up: str) -> None:
    inside("odd.py", "clock", wake_up, make="true", environment={"LD_PRELOAD": str(jumping_clock)})


def test_small_shared_memory_is_left_for_the_temporary_directory(inside: Inside, tmp_path: Path) -> None:
    inside(
        "odd.py",
        "shared_memory",
        f"{tmp_path}/temporary/",
        make=odd_home(tmp_path) + "mount -t tmpfs -o size=64m x /dev/shm",
    )


def test_read_only_shared_memory_is_left_for_the_temporary_directory(inside: Inside, tmp_path: Path) -> None:
    make = odd_home(tmp_path) + "mount -t tmpfs -o size=1g,ro x /dev/shm"
    inside("odd.py", "shared_memory", f"{tmp_path}/temporary/", make=make)


@pytest.mark.parametrize("instead", ["", "touch $P/shm", "ln -s nowhere $P/shm"])
def test_missing_shared_memory_is_left_for_the_temporary_directory(
    inside: Inside, tmp_path: Path, instead: str
) -> None:
    devices = f"""mount -t tmpfs x $P
        for name in null zero random urandom; do touch $P/$name; mount --bind /dev/$name $P/$name; done
        {instead}
        mount --rbind $P /dev"""
    inside("odd.py", "shared_memory", f"{tmp_path}/temporary/", make=odd_home(tmp_path) + devices)


def test_small_shared_memory_that_was_asked_for_is_used_as_far_as_it_goes(inside: Inside) -> None:
    make = "export TR_WORKSPACE=/dev/shm/w\nmount -t tmpfs -o size=64m x /dev/shm"
    inside("odd.py", "shared_memory", "/dev/shm/w/", make=make)


def test_without_proc(inside: Inside) -> None:
    inside("odd.py", "no_exec", "futex", make="mount -t tmpfs x /proc")


def test_host_without_streams_that_is_interrupted_all_the_time(inside: Inside) -> None:
    inside("odd.py", "bare_process", make="unset HOME USER LANG\n" + TMPFS)


def test_environment_too_large_to_start_with_is_named(inside: Inside) -> None:
    inside("odd.py", "large_environment", make="true")


def odd_home(folder: Path) -> str:
    """Shell commands: no HOME, and a temporary directory that nobody has made yet."""
    return f"unset HOME TR_WORKSPACE TEMP TMP\nexport TMPDIR={folder}/temporary/of/mine/\n"
