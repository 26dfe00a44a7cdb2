"""Tensors of a session as files `<tag>.tsr` in its directory."""

from __future__ import annotations

import os

from ..data.tensors import empty_header, export_tensor, import_tensor
from ..data.tsr_header import decode_header, encode_header
from ..errors import NotFoundError
from ..platform.files import AtomicWriter, remove
from ..platform.mapping import read_private
from ..platform.place import place_error
from ..protocol.messages import check_tag, is_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SUFFIX = ".tsr"
_MANY = 256


class TensorStore:
    """Hands tensors out of a session directory and puts them there.

    A tensor handed out is private to its holder: writing to it changes no file, and the file may be replaced or
    removed meanwhile.

    Attributes:
        directory: of the session.
        stored_at: when a tensor was last stored that may take memory, by time.monotonic; 0 for nothing to give back.
    """

    stored_at = 0.0
    loans: Sequence[object] = ()  # tensors of other sessions, which were lent for the request at work

    def __init__(self, directory: str, writer: AtomicWriter) -> None:
        self.directory = directory
        self._writer = writer
        self._paths: dict[str, str] = {}  # by tag; most requests name the same few

    def path(self, tag: str) -> str:
        """Where a tensor lies. Raises InputError for what is no tag."""
        path = self._paths.get(tag)
        if path is None:
            path = f"{self.directory}/{check_tag(tag)}{SUFFIX}"
            if len(self._paths) < _MANY:
                self._paths[tag] = path
        return path

    def has(self, tag: str) -> bool:
        """Something lies under a tag."""
        return os.path.lexists(self.path(tag))

    def load(self, tag: str, framework: str, buffers: str = "") -> Any:
        """The tensor under a tag, of the library "torch" or "numpy".

        Args:
            tag: which.
            framework: of which library.
            buffers: where the request says that tensors lie.

        Raises:
            NotFoundError: there is none.
            TSRError: the file is malformed, or no regular file.
        """
        return self._load(self.path(tag), tag, framework, map_large=True)

    def _load(self, path: str, tag: str, framework: str, *, map_large: bool) -> Any:
        try:
            memory, size = read_private(path, map_large=map_large)
        except FileNotFoundError:
            raise self.missing(tag) from None
        header = decode_header(memoryview(memory), size, path)
        return import_tensor(header, memory, framework, path)

    def store(self, tensor: object, tag: str) -> None:
        """Puts a tensor under a tag; the memory is free for use afterwards.

        Raises:
            InputError: it is no tensor that can be sent.
            RetryError: there is no room (E3002); see place_error for what else the system may refuse.
        """
        path = self.path(tag)
        exported = export_tensor(tensor)
        header = encode_header(exported.dtype, exported.shape)
        try:
            self._writer.write(path, header, exported.data)
        except OSError as error:
            size = len(header) + len(exported.data)
            raise place_error(error, f"writing tensor {tag!r}", self.directory, size) from None

    def empty(self, shape: Sequence[int], dtype: object, framework: str) -> Any:
        """A tensor, not initialised; where memory is shared, one that is sent without a copy."""
        _, header, data_bytes = empty_header(shape, dtype)
        memory = bytearray(len(header) + data_bytes)
        memory[: len(header)] = header
        return import_tensor(decode_header(memory, len(memory), "empty()"), memory, framework, "empty()")

    def settle(self) -> None:
        """Called before an answer, or a part of one, is published: what was stored for it must not change any more."""

    def own_loans(self) -> None:
        """A request is over: what the server has kept of tensors that were lent for it is its own from now on."""

    def places(self, tags: Sequence[str]) -> str:
        """What an answer has to tell of those whose files have yet to get the names of their tags."""
        return ""

    def name_all(self) -> None:
        """Gives them their names."""

    def names_are_due(self) -> bool:
        """They have been without for a while: who looks at the files is to see what is."""
        return False

    def give_back(self) -> None:
        """Gives back memory to spare, and that of large results of earlier answers that nobody holds."""

    def discard(self, tag: str) -> None:
        """Removes a tensor, if it is there."""
        remove(self.path(tag))

    def missing(self, tag: str) -> NotFoundError:
        """The error for a tag that nothing lies under."""
        there = ", ".join(self.tags()) or "none"
        return NotFoundError(f"there is no tensor {tag!r} in this session; tensors there are: {there}")

    def tags(self) -> list[str]:
        """Tags of the tensors there are, sorted; at most 50 of them. None where the channel has been removed."""
        try:
            files = os.listdir(self.directory)
        except OSError:
            return []
        names = (name[: -len(SUFFIX)] for name in files if name.endswith(SUFFIX))
        return sorted(name for name in names if is_tag(name))[:50]
