"""The worker's side of the mailbox without a worker: what it refuses, its messages, and the names of tensor files."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tech_renaissance import protocol
from tech_renaissance.channel import mailbox as mailbox_module
from tech_renaissance.channel.mailbox import FILE_BYTES, LibraryMailbox, MailboxError, MailboxFile, PureMailbox
from tech_renaissance.channel.names import Names
from tech_renaissance.protocol.json_object import parse_object

if TYPE_CHECKING:
    from tech_renaissance.channel.mailbox import Messages

EPOCH = 3
TO_WORKER, TO_HOST, SLOTS, HOST_LEASES, OWN_LEASES = 64, 128, 256, 131328, 135424
NAMES, SENT_NS = 16, 24  # in a line


def make(directory: Path, revision: int = 1) -> MailboxFile:
    """A mailbox as a host makes it."""
    content = bytearray(FILE_BYTES)
    struct.pack_into("<IIQI", content, 0, mailbox_module._MAGIC, mailbox_module._VERSION, EPOCH, revision)
    (directory / "mailbox").write_bytes(content)
    return MailboxFile(str(directory), EPOCH)


@pytest.fixture
def mailbox(workspace: Path) -> MailboxFile:
    """That of the first channel."""
    return make(workspace)


def send(mailbox: MailboxFile, number: int, message: bytes) -> None:
    """What a host does, but for the ring."""
    mailbox.memory[SLOTS : SLOTS + len(message)] = message
    struct.pack_into("<II", mailbox.memory, TO_WORKER + 4, number, len(message))


def answer_in(mailbox: MailboxFile) -> bytes:
    """The message for the host."""
    (length,) = struct.unpack_from("<I", mailbox.memory, TO_HOST + 8)
    start = SLOTS + mailbox_module.SLOT_BYTES
    return bytes(mailbox.memory[start : start + length])


@pytest.mark.parametrize("offset", [0, 4, 8], ids=["magic", "version", "epoch"])
def test_a_mailbox_of_another_kind_is_refused(mailbox: MailboxFile, offset: int) -> None:
    mailbox.memory[offset] ^= 1
    with pytest.raises(MailboxError, match="expected magic, version and epoch"):
        MailboxFile(os.path.dirname(mailbox.path), EPOCH)


def test_both_kinds_of_worker_read_and_write_the_same(mailbox: MailboxFile) -> None:
    requests = [
        b'{"command":"matmul","parameters":"a,b","id":7,"timestamp":1699123456789,"deadline_ms":60000}',
        b'{"command":"hello","parameters":"","id":0,"timestamp":1}',
        b'{"command":"x","parameters":"a","id":1,"timestamp":1,"deadline_ms":6,"buffers":"a 7 .host-1"}',
        b'{"command":"x","parameters":"a","id":1,"timestamp":1,"buffers":"a 7 .host-1","traceparent":"00-ab"}',
        b'{"command":"x","parameters":"a","id":1,"timestamp":1,"buffers":"","arguments":{}}',
        b'{"command":"x","parameters":"a \\"b\\"","id":18446744073709551615,"timestamp":1}',
        '{"command":"x","parameters":"ä","id":1,"timestamp":1}'.encode(),
        b'{"cmd":"x","params":"a"}',
        b'{"command":"x","parameters":"","id":1,"timestamp":1,"traceparent":"00-ab","arguments":{"a":[{"b":"\xc3\xa4"}]}}',
        b'{"command":"x","parameters":"","id":1,"timestamp":1,"arguments":{"a":1},"traceparent":"00-ab"}',
    ]
    for number, data in enumerate(requests, 1):
        read = []
        for messages in (PureMailbox(mailbox), LibraryMailbox(mailbox.path, EPOCH)):
            send(mailbox, number, data)
            found = messages.next(0)
            request = protocol.Request(*found) if type(found) is tuple else protocol.read_request(found)
            assert isinstance(request.arguments, dict)  # or what the library gives is not read yet
            read.append([getattr(request, name) for name in request.__slots__])
        assert read[0] == read[1]

    for result in ("ok", 'a \u00e4 " \\ \n', "\udc80"):
        written = []
        for messages in (PureMailbox(mailbox), LibraryMailbox(mailbox.path, EPOCH)):
            response = protocol.Response("x", result, 2**64 - 1, tensors=["result_0", "b"])
            response.buffers = "b 7 .worker-1-1"
            if not messages.answer(response.id, response.command, response.result, response.tensors, response.buffers):
                assert not result.isascii()
                messages.send(protocol.encode_response(response))
            told = parse_object(answer_in(mailbox), "response")
            del told["timestamp"]
            written.append(told)
        assert written[0] == written[1]


@pytest.fixture(params=["library", "pure"])
def messages(request: pytest.FixtureRequest, mailbox: MailboxFile) -> Messages:
    """Each of the two kinds over that mailbox."""
    if request.param == "pure":
        return PureMailbox(mailbox)
    return LibraryMailbox(mailbox.path, EPOCH)


def test_leases_lie_where_the_protocol_says(mailbox: MailboxFile, messages: Messages) -> None:
    for leases, table in ((messages.host_leases, HOST_LEASES), (messages.own_leases, OWN_LEASES)):
        assert (leases.find(7), leases.find(0), leases.inode(255)) == (-1, 0, 0)
        for slot, inode, count in ((0, 7, 1), (255, 2**64 - 1, 2**32 - 1)):
            leases.set_inode(slot, inode)
            leases.set_count(slot, count)
            assert (leases.find(inode), leases.inode(slot), leases.count(slot)) == (slot, inode, count)
            assert struct.unpack_from("<QII", mailbox.memory, table + 16 * slot) == (inode, count, 0)
        with pytest.raises(IndexError):
            leases.set_count(256, 1)


def test_a_name_is_looked_up_again_when_either_side_has_changed_one(
    mailbox: MailboxFile, messages: Messages, workspace: Path
) -> None:
    names = Names(messages)
    a, b = str(workspace / "a"), str(workspace / "b")
    for path in (a, b):
        Path(path).touch()
    inode_a, inode_b = os.stat(a).st_ino, os.stat(b).st_ino
    assert names.identify(a) == (inode_a, 1)
    os.rename(b, a)  # as no side would, without a word
    assert names.names(a, inode_a)
    struct.pack_into("<I", mailbox.memory, TO_WORKER + NAMES, 0xFFFFFFFF)
    assert names.names(a, inode_b)
    names.link(a, b)
    assert names.identify(a) == (inode_b, 2)
    names.unlink(a)
    assert not names.names(a, inode_b)
    with pytest.raises(FileNotFoundError):
        names.identify(a)
    names.rename(b, a)
    assert names.identify(a) == (inode_b, 1)
    assert struct.unpack_from("<I", mailbox.memory, TO_HOST + NAMES) == (3,)


def test_a_file_that_loses_a_name_has_one_less(messages: Messages, workspace: Path) -> None:
    names = Names(messages)
    tag, aside, after = (str(workspace / name) for name in ("tag", "aside", "after"))
    for path in (tag, after):
        Path(path).touch()
    assert names.identify(tag)[1] == 1
    names.link(tag, aside)
    assert names.identify(aside)[1] == 2
    names.rename(after, tag)
    assert names.identify(aside)[1] == 1


def test_what_changes_places_is_looked_up_where_the_host_may_have_been_before(
    messages: Messages, workspace: Path
) -> None:
    names = Names(messages)
    a, b, other = (str(workspace / name) for name in ("a", "b", "other"))
    for path in (a, b, other):
        Path(path).touch()
    inodes = {path: os.stat(path).st_ino for path in (a, b, other)}
    assert names.names(a, inodes[a])
    assert names.names(b, inodes[b])
    os.rename(other, b)  # as a host that has not counted it yet
    if names.exchange(a, b):
        assert names.names(b, inodes[a])
        assert names.names(a, inodes[other])


def test_a_name_that_was_not_there_is_looked_up_again(messages: Messages, workspace: Path) -> None:
    names = Names(messages)
    with pytest.raises(FileNotFoundError):
        names.identify(str(workspace / "a"))
    (workspace / "a").touch()
    assert names.identify(str(workspace / "a"))[1] == 1


def test_what_was_added_lies_where_the_protocol_says(mailbox: MailboxFile, messages: Messages) -> None:
    assert (messages.revision, messages.ready_since()) == (1, 0)
    struct.pack_into("<Q", mailbox.memory, TO_WORKER + SENT_NS, 2**63)
    assert messages.ready_since() == 0
    send(mailbox, 1, b"{}")
    assert messages.ready_since() == 2**63
    assert messages.next(0) == b"{}"
    assert messages.ready_since() == 0


def test_an_older_host_says_nothing_of_what_was_added(workspace: Path) -> None:
    messages = PureMailbox(make(workspace, revision=0))
    send(MailboxFile(str(workspace), EPOCH), 1, b"{}")
    assert (messages.revision, messages.ready_since()) == (0, 1)


def test_a_further_channel_has_the_bell_of_the_first(mailbox: MailboxFile, messages: Messages, workspace: Path) -> None:
    (workspace / "further").mkdir()
    further = make(workspace / "further")
    if isinstance(messages, PureMailbox):
        second: Messages = PureMailbox(further, messages)
    else:
        second = type(messages)(os.fsencode(further.path), EPOCH, messages)
    struct.pack_into("<I", mailbox.memory, TO_WORKER, 5)
    assert second.bell() == messages.bell() == 5
    second.wait(4, 60_000)  # rung since, so there is nothing to wait for
    second.ring_self()
    assert second.bell() == messages.bell() == 6
    send(further, 1, b"{}")
    assert second.next(60_000) == b"{}"
    assert struct.unpack_from("<I", further.memory, TO_WORKER) == (0,)
