"""A directory that `keep_on_failure` has kept: whose it is, what it says, and whether it is still whole."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

from ..data.tsr import TSRError, tsr_info
from ..errors import InputError
from ..platform.files import read_small
from ..platform.system import is_mine, user_id
from ..protocol import messages
from ..protocol.json_object import MAX_MESSAGE_BYTES, parse_object

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Kept:
    """A failure as it was kept.

    Attributes:
        record: what failure.json says; every member that a replay uses is there and of its type.
        request: as it was sent; None when there was none.
        ready: whether the worker had come as far as to say hello.
        doubt: what may have been damaged since, or have been so when it was found; empty for nothing.

    Raises:
        InputError: it may not be trusted, is no such directory, or has been damaged since.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.exists():
            raise InputError(f"there is no {directory}: {_EXPECTED}")
        self._directory = directory.resolve()  # a link may be the user's own: it is what it names that counts
        if not self._directory.is_dir():
            raise InputError(f"it is no directory: {_EXPECTED}")
        self.record = self._read_record()
        self.request = self._read_request()
        self.ready = (self._directory / "hello.json").exists()
        if not self.ready and self.record["session"].get("worker_wake_up"):
            raise InputError("it is damaged: hello.json is missing, and the worker had written one")
        self.doubt = ""
        self._check_tensors()

    def lay_out(self, directory: Path) -> None:
        """Puts copies of request and tensors into another directory, so that what is kept stays as it is."""
        for path in self._tensors():
            shutil.copyfile(path, directory / path.name, follow_symlinks=False)
        if self.request is not None:
            (directory / "request.json").write_bytes(self.request)

    def _read_record(self) -> dict[str, Any]:
        path = self._directory / "failure.json"
        if not os.path.lexists(path):
            raise InputError(f"there is no {path}: {_EXPECTED}")
        _check_owner(self._directory)
        data = read_small(str(path), MAX_MESSAGE_BYTES) or b""
        _check_owner(path)
        record = parse_object(data, str(path))
        try:
            if _is_record(record):
                return record
        except (TypeError, KeyError, AttributeError):
            pass
        raise InputError(f"{path} is not the record of a failure")

    def _read_request(self) -> bytes | None:
        if self.record["request"] is None:
            return None
        path = self._directory / "request.json"
        data = read_small(str(path), MAX_MESSAGE_BYTES)
        if data is None:
            raise InputError("it is damaged: request.json is missing, and failure.json tells of a request")
        parse_object(data, str(path))
        return data

    def _check_tensors(self) -> None:
        """All are there, and whole; only what was found and not sent may have been malformed from the first."""
        for tag in self.record["tensors"]:
            if not os.path.lexists(self._directory / f"{tag}.tsr"):
                raise InputError(
                    f"{tag}.tsr is missing, and failure.json names it: it was removed, or was no file from the first"
                )
        for path in self._tensors():
            if not stat.S_ISREG(path.lstat().st_mode):
                what = "a symbolic link" if path.is_symlink() else "something else"
                raise InputError(f"{path}: expected a regular file, found {what}; put the tensor's file there")
            try:
                tsr_info(path)
            except TSRError as error:
                if self.record["tensors"].get(path.stem) == "as sent":
                    raise InputError(f"it is damaged: {error}") from None
                self.doubt = str(error)

    def _tensors(self) -> list[Path]:
        return sorted(self._directory.glob("*.tsr"))


_EXPECTED = "expected a directory that SessionOptions::keep_on_failure has kept"


def _check_owner(path: Path) -> None:
    """A replay runs what the record names, so nobody else may have written it."""
    status = path.lstat()
    if (status.st_uid == 0 or is_mine(status)) and not status.st_mode & _OTHERS_WRITE:
        return
    raise InputError(
        f"refused: {path} belongs to user {status.st_uid} and has mode {stat.S_IMODE(status.st_mode):04o}. A replay "
        f"runs the interpreter and the script that failure.json names: expected that it and its directory belong to "
        f"user {user_id()} or root, and that nobody else may write to them. Look at 'worker' in failure.json; if "
        "that may run with your rights, make a copy with 'cp -r', which is yours, take the others' rights from it "
        "with 'chmod -R go-w', and replay the copy"
    )


def _is_record(record: dict[str, Any]) -> bool:
    """Whether its members are of the types that they should have; may raise for a missing one."""
    worker, error, request, tensors = (record[name] for name in ("worker", "error", "request", "tensors"))
    command = worker["command"]
    if command == []:
        raise InputError("no worker was ever started, so there is none to run again: see the error in failure.json")
    texts = [*command, *worker["environment"], worker["working_directory"]]
    texts += [record["kind"], error["code"], error["type"], *tensors.values()]
    numbers = [
        worker.get("arguments", 0),
        worker.get("signal", 0),
        worker.get("exit_code", 0),
        0 if request is None else request["waited_ms"],
    ]
    for tag in tensors:
        messages.check_tag(tag)
    return (
        isinstance(command, list)
        and len(command) > 2
        and worker.get("arguments", 0) < len(command) - 1
        and all(isinstance(text, str) and "\0" not in text for text in texts)
        and all(isinstance(number, int) for number in numbers)
        and isinstance(record["session"], dict)
        and messages.is_tag(record["session_id"])
    )
