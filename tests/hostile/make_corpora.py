"""Writes the corpora of the fuzzers and README.md, which says of each file what it is there for.

    python tests/hostile/make_corpora.py

Each input is made here, from what the format says, so that a new one is a line in this file. One that once broke a
reader has `broke:` in its note and stays for good.
"""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

HERE = Path(__file__).parent
_V1 = struct.Struct("<4s9iq16x")
_V2 = struct.Struct("<4s5i16xqq8x")


def v1(dims: tuple[int, int, int, int] = (1, 1, 2, 3), *, dtype: int = 1, rank: int = 2, count: int = 6) -> bytes:
    """Header of a version 1 file."""
    return _V1.pack(b"TSR!", 1, 64, 0, dtype, rank, *dims, count)


def v2(dims: tuple[int, ...], dtype: int, itemsize: int, *, count: int | None = None, size: int | None = None) -> bytes:
    """Header of a version 2 file."""
    product = 1
    for dim in dims:
        product *= dim
    count = product if count is None else count
    header = 64 + (8 * len(dims) + 63) // 64 * 64
    size = (count * itemsize) % 2**63 if size is None else size
    fixed = _V2.pack(b"TSR!", 2, header, 0, dtype, len(dims), count, size)
    return fixed + struct.pack(f"<{len(dims)}q", *dims).ljust(header - 64, b"\0")


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    """With other bytes in one place."""
    return data[:offset] + value + data[offset + len(value) :]


PLAIN = v1() + bytes(24)
DOUBLES = v2((2, 3), 6, 8) + bytes(48)
TSR = {
    "plain_v1": (PLAIN, "FP32 (2, 3)"),
    "scalar_v1": (v1((1, 1, 1, 1), rank=0, count=1) + bytes(4), "rank 0, one element"),
    "empty_v1": (v1((1, 1, 0, 3), count=0), "a dim of 0, no data"),
    "plain_v2": (DOUBLES, "FP64 (2, 3)"),
    "rank_16": (v2((1,) * 16, 9, 8) + bytes(8), "the most dims"),
    "bool": (v2((3,), 10, 1) + b"\0\1\1", "BOOL"),
    "bool_2": (v2((3,), 10, 1) + b"\0\2\1", "a BOOL byte of 2"),
    "complex": (v2((1,), 15, 16) + bytes(16), "COMPLEX128"),
    "fp8": (v2((4,), 17, 1) + bytes(4), "FP8"),
    "nothing": (b"", "no byte at all"),
    "short_header": (PLAIN[:40], "ends in the header"),
    "short_header_v2": (DOUBLES[:100], "ends in the dims"),
    "short_data": (PLAIN[:-1], "one byte is missing"),
    "long_data": (PLAIN + b"x", "one byte too many"),
    "magic": (patched(PLAIN, 0, b"TSR?"), "another magic"),
    "version_3": (patched(PLAIN, 4, b"\3"), "a version to come"),
    "header_size": (patched(DOUBLES, 8, b"\x40"), "a header size that does not fit the rank"),
    "reserved": (patched(PLAIN, 12, b"\1"), "a reserved field that is not 0"),
    "rank_17": (patched(DOUBLES, 20, b"\x11"), "one dim too many"),
    "rank_negative": (patched(PLAIN, 20, b"\xff\xff\xff\xff"), "a negative rank"),
    "dim_negative": (v2((-2, -3), 6, 8, count=6) + bytes(48), "two negative dims, whose product fits"),
    "leading_dim": (patched(PLAIN, 24, b"\2"), "a dim of version 1 that should be 1"),
    "count_lies": (patched(PLAIN, 40, b"\7"), "a count that is not the product"),
    "count_huge": (v1((1, 1, 2**31 - 1, 2**31 - 1), count=(2**31 - 1) ** 2), "2^62 elements announced, none there"),
    "overflow": (v2((2**32, 2**32), 6, 8, count=0, size=0), "dims whose product is 2^64, that is 0"),
    "overflow_bytes": (v2((2**60, 8), 15, 16, count=2**63 - 1, size=0), "bytes beyond 2^63"),
    "overflow_empty": (v2((2**62, 4, 0), 6, 8, count=0, size=0), "no element, but strides that overflow"),
    "data_bytes_lie": (patched(DOUBLES, 48, b"\x31"), "data bytes that do not fit the count"),
    "padding": (patched(DOUBLES, 127, b"\1"), "padding that is not 0"),
    "almost_2_63": (v2((2**60 - 1,), 6, 8), "a size that just fits, with nothing behind it"),
}

ERROR = {"code": "E9999", "type": "ValueError", "message": "bad", "traceback": "Traceback"}
OK = {"id": 7, "command": "c", "result": "ok", "message": "", "tensors": ["result_0"], "timestamp": 1}


def text(message: object) -> bytes:
    """As the worker writes it."""
    return json.dumps(message, separators=(",", ":")).encode()


RESPONSE = {
    "plain": (text(OK), "an answer with a tensor"),
    "part": (text(OK | {"more": True}), "a part of a stream"),
    "buffers": (text(OK | {"buffers": "result_0 18446744073709551615 .worker-7-1"}), "a name that is behind"),
    "buffers_short": (text(OK | {"buffers": "a 7"}), "no name for a buffer"),
    "buffers_tag": (text(OK | {"buffers": "a 7 b.tsr"}), "the name of another tag"),
    "buffers_path": (text(OK | {"buffers": "a 7 ../b"}), "a name elsewhere"),
    "buffers_zero": (text(OK | {"buffers": "a 0 .b"}), "no inode"),
    "buffers_twice": (text(OK | {"buffers": "a 7 .b a 8 .c"}), "a tag twice"),
    "buffers_number": (text(OK | {"buffers": 7}), "a number for buffers"),
    "names": (text(OK | {"tensors": ["a", "b"], "names": "a loss b layer.0"}), "tensors with names"),
    "names_short": (text(OK | {"names": "a loss b"}), "no name for a tag"),
    "names_path": (text(OK | {"names": "a ../b"}), "a name that no tag has"),
    "names_twice": (text(OK | {"names": "a loss b loss"}), "a name twice"),
    "names_tag_twice": (text(OK | {"names": "a loss a logits"}), "two names for a tag"),
    "names_blank": (text(OK | {"names": "a loss "}), "a blank behind the names"),
    "names_list": (text(OK | {"names": ["loss"]}), "a list for names"),
    "values": (text(OK | {"values": {"n": 5, "x": [0.5, {"y": None}], "": True}}), "results that are no tensors"),
    "values_empty": (text(OK | {"values": {}}), "none of them"),
    "values_list": (text(OK | {"values": [5]}), "a list for values"),
    "values_text": (text(OK)[:-1] + b',"values":{"a":"\xc3\xa9 \\u00e9 \\n"}}', "texts that are not plain"),
    "values_byte": (text(OK)[:-1] + b',"values":{"\\udcff":"\\udc80"}}', "bytes that are no UTF-8, escaped"),
    "values_huge": (text(OK)[:-1] + b',"values":{"a":18446744073709551616,"b":-0}}', "a whole number beyond 64 bits"),
    "values_nan": (text(OK)[:-1] + b',"values":{"a":NaN}}', "NaN, which is no JSON"),
    "values_deep": (text(OK)[:-1] + b',"values":{"a":' + b"[" * 62 + b"]" * 62 + b"}}", "64 deep"),
    "values_deeper": (text(OK)[:-1] + b',"values":{"a":' + b"[" * 63 + b"]" * 63 + b"}}", "65 deep"),
    "values_many": (text(OK | {"values": {"a": [[]] * 99}}), "more brackets than a plain message has"),
    "values_before": (text(OK | {"values": {"a": 1}, "more": True}), "values that are not the last"),
    "values_open": (text(OK)[:-1] + b',"values":{"a":1}', "values that never end"),
    "failure": (text({"id": 7, "command": "c", "result": "error", "message": "bad", "error": ERROR}), "an exception"),
    "older": (b'{"cmd":"c","params":"result_0, b"}', "the older spelling, with tags"),
    "older_failure": (text({"cmd": "c", "params": "a", "error": ERROR}), "the older spelling of a failure"),
    "unknown_members": (b'{"x":[{"y":[1,null,true,1e3]}],"command":"c","result":"ok","id":1}', "members to pass over"),
    "nothing": (b"", "no byte at all"),
    "blanks": (b' \t\r\n{"id" : 1 , "command" : "c"}\n', "blanks around everything"),
    "half": (b'{"id":7,"command":"c","resu', "cut short"),
    "list": (b'[{"id":7}]', "a list"),
    "outside": (b'{"command":"c","tensors":["../../etc/passwd"]}', "a tag that leaves the directory"),
    "hidden": (b'{"command":"c","tensors":[".host-0"]}', "a hidden name as a tag"),
    "tag_long": (b'{"command":"c","tensors":["' + b"a" * 129 + b'"]}', "a tag of 129 characters"),
    "tag_nul": (b'{"command":"c","tensors":["a\\u0000b"]}', "a NUL in a tag"),
    "tag_number": (b'{"command":"c","tensors":[5]}', "a number for a tag"),
    "tensors_nested": (b'{"command":"c","tensors":[["a"]]}', "a list for a tag"),
    "tensors_text": (b'{"command":"c","tensors":"a"}', "text for a list"),
    "id_negative": (b'{"id":-1,"command":"c"}', "a negative id"),
    "id_minus_zero": (
        b'{"id":-0,"command":"c"}',
        "broke: 0 with a sign, which one language took and the other did not",
    ),
    "id_2_64": (b'{"id":18446744073709551616,"command":"c"}', "an id of 2^64"),
    "id_float": (b'{"id":7.0,"command":"c"}', "an id with a point"),
    "id_text": (b'{"id":"7","command":"c"}', "an id as text"),
    "id_bool": (b'{"id":true,"command":"c"}', "an id that is true"),
    "error_text": (b'{"command":"c","error":"bad"}', "text for an error"),
    "error_code_number": (b'{"command":"c","error":{"code":9999}}', "a number for a code"),
    "deep": (b'{"x":' + b"[" * 65 + b"]" * 65 + b"}", "broke: 66 deep, which only one language refused"),
    "deep_text": (b'{"command":"' + b"[" * 100 + b'"}', "brackets in a text, which are not deep"),
    "deep_open": (b'{"x":' + b"[" * 3000, "3000 deep and never closed"),
    "not_utf8": (b'{"command":"\xff\xfe"}', "bytes that are no UTF-8"),
    "surrogate": (b'{"command":"\\ud800"}', "broke: half a character, which only one language refused"),
    "surrogates": (b'{"command":"\\ud83d\\ude00"}', "a character in two halves"),
    "bom": (b'\xef\xbb\xbf{"command":"c"}', "broke: a byte order mark, which only one language refused"),
    "nul_behind": (b'{"command":"c"}\0{', "broke: a NUL, which one language took for the end"),
    "behind": (b'{"command":"c"} x', "something behind the object"),
    "nan": (b'{"command":"c","x":NaN}', "broke: NaN, which is no JSON and only one language refused"),
    "infinity": (b'{"command":"c","x":-Infinity}', "broke: the same with -Infinity"),
    "number_huge": (b'{"command":"c","x":1e999}', "broke: a number beyond a double, which only one language refused"),
    "digits": (b'{"command":"c","x":' + b"9" * 5000 + b"}", "a number of 5000 digits"),
    "cmd_number": (b'{"command":"c","cmd":5}', "broke: a wrong kind in the spelling that is not used"),
    "command_null": (b'{"command":null,"cmd":"x"}', "broke: null for a command, which decides on the spelling"),
    "older_tensors": (b'{"cmd":"c","params":"a","tensors":["../a"]}', "broke: a bad tag in the older spelling"),
    "older_blanks": (b'{"cmd":"c","params":"a\\u00a0,b"}', "broke: a blank that only Unicode calls one"),
    "more_number": (b'{"command":"c","more":1}', "a number for a boolean"),
}

DIMS = ("b 3 h w", "*s n n+1 n-1 2*n n*2", "... _ #n", "999999999999999999*n", "99999999999999999999", "* # + 2*", "")
TYPES = (
    {"kind": "tensor", "dtypes": ["float32", "int8"], "dims": "b 3 h w"},
    {"kind": "enum", "values": [1, "a", None]},
    {"kind": "object", "name": "O", "fields": [{"name": "f", "type": {"kind": "int"}, "required": False}]},
    {"kind": "tuple", "of": [{"kind": "str"}, {"kind": "optional", "of": {"kind": "bool"}}]},
    {"kind": "dict", "of": {"kind": "any"}},
    {"kind": "to come"},
)


def typed(*types: object) -> bytes:
    """A hello with an endpoint that takes these."""
    inputs = [{"name": f"x{place}", "type": kind} for place, kind in enumerate(types)]
    return text({"protocol": 1, "features": ["endpoints"], "endpoints": [{"name": "f", "inputs": inputs}]})


def nested(depth: int) -> object:
    """A list of lists of ..."""
    return {"kind": "list", "of": nested(depth - 1)} if depth else {"kind": "int"}


HELLO = {
    "where": (b'{"start": {"place": "/s.py:1, in f", "stack": "x"}}', "where on_start stands, of where.json"),
    "where_is_no_object": (b'{"start": ["/s.py:1"]}', "the same, of another kind"),
    "where_is_no_text": (b'{"start": {"place": 7, "stack": null}}', "a place that is a number"),
    "plain": (
        text(
            {"protocol": 1, "epoch": 1, "pid": 9, "python": "3.11.7", "carrier": "mailbox", "wake_up": "futex",
             "fallback": "", "packages": {"torch": "2.13.0"}, "commands": []}
        ),
        "a hello",
    ),
    "protocol_2": (b'{"protocol":2}', "a version to come"),
    "protocol_huge": (b'{"protocol":4294967297}', "a version that is 1 modulo 2^32"),
    "protocol_text": (b'{"protocol":"1"}', "a version as text"),
    "epoch_negative": (b'{"protocol":1,"epoch":-1}', "a negative epoch"),
    "carrier_number": (b'{"protocol":1,"carrier":5}', "a number for a carrier"),
    "not_utf8": (b'{"protocol":1,"python":"\xff"}', "bytes that are no UTF-8"),
    "nothing": (b"", "no byte at all"),
    "deep": (b'{"protocol":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}", "5000 deep"),
    "features": (b'{"protocol":1,"features":["cancel","arguments"]}', "what the worker can do"),
    "features_text": (b'{"protocol":1,"features":"cancel"}', "text for a list"),
    "features_number": (b'{"protocol":1,"features":[1]}', "a number for a feature"),
    "endpoints": (b'{"protocol":1,"endpoints":[{"name":"a","inputs":["x"]},{"name":"b"}]}', "endpoints"),
    "endpoints_typed": (typed(*TYPES), "what endpoints take"),
    "endpoints_dims": (typed(*({"kind": "tensor", "dims": dims} for dims in DIMS)), "shapes with symbols"),
    "endpoints_dims_number": (typed({"kind": "tensor", "dims": 5}), "a number for dims"),
    "endpoints_type_text": (typed("int"), "text for a type"),
    "endpoints_of": (typed({"kind": "list", "of": []}), "a list for the type of items"),
    "endpoints_deep": (typed(nested(19)), "types that are deep"),
    "endpoints_deeper": (typed(nested(99)), "types that are deeper than a message may be"),
    "endpoints_object": (b'{"protocol":1,"endpoints":{"name":"a"}}', "an object for a list"),
    "endpoints_text": (b'{"protocol":1,"endpoints":["a"]}', "text for an endpoint"),
    "endpoint_nameless": (b'{"protocol":1,"endpoints":[{"doc":"d"}]}', "an endpoint without a name"),
    "refused": (b'{"protocol":1,"refused":"no room"}', "a channel that is not served"),
}  # fmt: skip

SESSION = {
    "plain": (
        text(
            {"protocol": 1, "session_id": "demo", "host_pid": 4711, "host_start_time": "8231457", "epoch": 1,
             "carriers": ["mailbox", "files"], "wake_up": "auto", "limits": {}, "timestamp": 1}
        ),
        "a session",
    ),
    "pid_huge": (b'{"host_pid":18446744073709551615}', "a pid of 2^64-1, which is -1 when it is cut"),
    "pid_negative": (b'{"host_pid":-1}', "every process, to kill()"),
    "carriers_text": (b'{"carriers":"mailbox"}', "text for a list"),
    "list": (b"[]", "a list"),
    "nothing": (b"", "no byte at all"),
}  # fmt: skip

REQUEST = {
    "plain": (text({"id": 7, "command": "matmul", "parameters": "a b", "deadline_ms": 60000}), "a request"),
    "words": (b"matmul a,b", "as a program writes it"),
    "older": (b'{"cmd":"matmul","params":"a b"}', "the older spelling"),
    "both": (b'{"command":"c","parameters":"p","cmd":"d","params":"q"}', "both spellings"),
    "no_command": (b'{"id":3,"parameters":"p"}', "an id, and nothing to do"),
    "command_empty": (b'{"command":""}', "an empty command"),
    "id_negative": (b'{"id":-1,"command":"c"}', "a negative id"),
    "deadline_text": (b'{"id":1,"command":"c","deadline_ms":"x"}', "text for a deadline"),
    "exit": (b'{"id":1,"command":"__exit__"}', "the command to leave"),
    "traceparent": (b'{"command":"c","traceparent":"00-1-2-03"}', "a member that is passed on"),
    "traceparent_number": (b'{"command":"c","traceparent":5}', "a number for a traceparent"),
    "arguments": (b'{"command":"c","parameters":"a","arguments":{"dim":1,"of":[{"x":null}]}}', "arguments"),
    "arguments_list": (b'{"command":"c","arguments":[1]}', "a list for arguments"),
    "arguments_null": (b'{"command":"c","arguments":null}', "null for arguments"),
    "deep": (b'{"command":"c","x":' + b"[" * 70 + b"]" * 70 + b"}", "71 deep"),
    "quotes": (b'{"command":"c\\"\\\\","parameters":"{[\\"}"}', "quotes and brackets in texts"),
    "number_huge": (b'{"command":"c","n":5e794}', "broke: a number beyond all range, whose error was not ours in C++"),
    "surrogate": (b'{"command":"\\udc00"}', "half a character"),
    "not_utf8": (b"c\xff\xfe", "bytes that are no UTF-8"),
    "nothing": (b"", "no byte at all"),
    "blanks": (b" \t\r\n", "blanks alone"),
}


def plain(command: str = "c", parameters: str = "", number: str = "7", timestamp: str = "1", rest: str = "}") -> bytes:
    """A request as a host writes nearly all of them."""
    return f'{{"command":"{command}","parameters":"{parameters}","id":{number},"timestamp":{timestamp}{rest}'.encode()


PLAIN_REQUEST = {
    "plain": (plain("matmul", "a b"), "a request"),
    "deadline": (plain(rest=',"deadline_ms":60000}'), "with a deadline"),
    "deadline_twice": (plain(rest=',"deadline_ms":1,"deadline_ms":2}'), "with two deadlines"),
    "command_empty": (plain(""), "an empty command"),
    "parameters_quote": (plain("c", '\\"'), "a text that ends in a backslash and a quote"),
    "parameters_utf8": (plain("c", "é"), "a letter beyond ASCII"),
    "parameters_del": (plain("c", "\x7f"), "the last letter of ASCII"),
    "id_19": (plain(number="9" * 19), "the most digits"),
    "id_20": (plain(number="18446744073709551615"), "2^64-1, a digit more"),
    "id_zero": (plain(number="00"), "a number that starts with 0"),
    "id_minus": (plain(number="-0"), "a sign"),
    "timestamp_missing": (plain(timestamp=""), "a number without digits"),
    "buffers": (plain(rest=',"buffers":"a 7 .host-1","traceparent":"t"}'), "with a name that is behind"),
    "buffers_behind": (plain(rest=',"traceparent":"t","buffers":"a 7 .host-1"}'), "buffers behind a traceparent"),
    "names": (plain(rest=',"names":"a obs b act","buffers":"a 7 .host-1"}'), "with names of tensors"),
    "names_behind": (plain(rest=',"buffers":"a 7 .host-1","names":"a obs"}'), "names behind buffers"),
    "names_quote": (plain(rest=',"names":"a \\""}'), "an escape in names"),
    "traceparent": (plain(rest=',"traceparent":"00-ab-cd-01"}'), "with a traceparent"),
    "traceparent_quote": (plain(rest=',"traceparent":"\\""}'), "an escape in a traceparent"),
    "arguments": (plain(rest=',"arguments":{"dim":1,"keepdim":true,"shape":[2, 3.5e1]}}'), "with arguments"),
    "arguments_all": (
        plain(rest=',"deadline_ms":9,"traceparent":"t","arguments":{"a":{"b":["é","\\n"]}}}'),
        "with all",
    ),
    "arguments_before": (plain(rest=',"arguments":{},"traceparent":"t"}'), "arguments that are not the last"),
    "arguments_behind": (plain(rest=',"arguments":{"a":1},"more":{}}'), "a member behind the arguments"),
    "arguments_empty": (plain(rest=',"arguments":{}}'), "arguments that are empty"),
    "arguments_list": (plain(rest=',"arguments":[1]}'), "a list for arguments"),
    "arguments_open": (plain(rest=',"arguments":{"a":[1}}'), "arguments that are no JSON"),
    "arguments_blanks": (plain(rest=',"arguments": {"a":1}}'), "a blank before the arguments"),
    "arguments_blank_inside": (plain(rest=',"arguments":{\r\n\t"a" : 1 }}'), "blanks in the arguments"),
    "arguments_nan": (plain(rest=',"arguments":{"a":NaN}}'), "NaN, which is no JSON"),
    "arguments_nul": (plain(rest=',"arguments":{"a":1}\0}}'), "a NUL in the arguments"),
    "arguments_range": (plain(rest=',"arguments":{"a":1e999}}'), "a number beyond a double"),
    "arguments_surrogate": (plain(rest=',"arguments":{"a":"\\udc00"}}'), "half a character"),
    "arguments_deep": (plain(rest=',"arguments":{"a":' + "[" * 62 + "]" * 62 + "}}"), "64 deep"),
    "arguments_deeper": (plain(rest=',"arguments":{"a":' + "[" * 63 + "]" * 63 + "}}"), "65 deep"),
    "behind": (plain() + b"}", "something behind the object"),
    "blank": (plain() + b"\n", "a line break behind it"),
    "nothing": (b"", "no byte at all"),
}


ARGUMENTS = {
    "nothing": (b"{}", "an object without members"),
    "members": (b'{"dim":1,"keepdim":true,"scale":0.5,"names":["a",null],"of":{"x":{}}}', "every kind of value"),
    "blanks": (b' \r\n{ "a" : 1 }\t', "blanks around everything"),
    "list": (b"[1]", "a list"),
    "text": (b'"a"', "a text"),
    "null": (b"null", "null"),
    "behind": (b'{},"command":"d"', "a member that would be the request's"),
    "out": (b'{}}{"a":{}', "two halves, around the end of the request"),
    "half": (b'{"a":', "cut short"),
    "deep": (b'{"a":' + b"[" * 62 + b"]" * 62 + b"}", "63 deep, and 64 in a request"),
    "deeper": (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", "65 deep in a request"),
    "brackets": (b'{"a":"' + b"[" * 100 + b'"}', "brackets in a text, which are not deep"),
    "nan": (b'{"a":NaN}', "NaN, which is no JSON"),
    "range": (b'{"a":-1e999}', "a number beyond a double"),
    "minus_zero": (b'{"a":-0,"b":-0.0}', "0 with a sign"),
    "control": (b'{"a":"\x01"}', "a letter that JSON wants escaped"),
    "surrogate": (b'{"a":"\\ud800"}', "half a character"),
    "surrogates": (b'{"a":"\\ud83d\\ude00"}', "a character in two halves"),
    "not_utf8": (b'{"a":"\xff"}', "bytes that are no UTF-8"),
    "bom": (b"\xef\xbb\xbf{}", "a byte order mark"),
    "nul": (b"{}\0", "a NUL"),
}


def mailbox(message: bytes, *, magic: int = 0x424D5254, version: int = 2, epoch: int = 1, length: int | None = None,
            sequence: int = 1, received: int = 0) -> bytes:  # fmt: skip
    """16 bytes of header, 16 of each line, and what lies in the slots."""
    line = struct.pack("<4I", 5, sequence, len(message) if length is None else length, received)
    return struct.pack("<IIQ", magic, version, epoch) + line + line + message


MAILBOX = {
    "plain": (mailbox(b'{"id":1}'), "a message"),
    "none": (mailbox(b"", sequence=0), "no message yet"),
    "by_file": (mailbox(b""), "an empty message, which announces a file"),
    "length_over": (mailbox(b"x", length=65537), "one byte more than the slot holds"),
    "length_full": (mailbox(b"x", length=65536), "all of the slot"),
    "length_huge": (mailbox(b"x", length=2**32 - 1), "4 GiB announced"),
    "sequence_last": (mailbox(b"x", sequence=2**32 - 1), "the last number before it wraps"),
    "received_ahead": (mailbox(b"x", received=77), "received, before anything was sent"),
    "magic": (mailbox(b"x", magic=0), "no mailbox"),
    "version": (mailbox(b"x", version=3), "a version to come"),
    "epoch": (mailbox(b"x", epoch=2), "of another worker"),
    "short": (mailbox(b"x")[:20], "cut short"),
}

CALL = {
    "tags": (b"a,b stride=2 padding=(1,1)", "tags and keywords"),
    "list": (b"[a, b] dim=0", "a list of tags"),
    "text": (b'"ij,jk->ik" a b', "text in quotes"),
    "numbers": (b"1 -2 3.5 1e-3 2j inf nan True None", "every literal"),
    "escapes": (b"'\\n\\t\\\\\\''", "every escape"),
    "dtype": (b"a dtype=torch.float64", "a dtype"),
    "deep": (b"(" * 9 + b")" * 9, "brackets 9 deep"),
    "open": (b"((((((((", "brackets that never close"),
    "dunder": (b"a __class__=1", "a keyword that starts with an underscore"),
    "attribute": (b"a.__class__.__mro__", "a walk over attributes, which is a tag at most"),
    "call": (b"__import__('os').system('x')", "Python code"),
    "twice": (b"a dim=1 dim=2", "a keyword that stands there twice"),
    "digits": (b"9" * 40, "a number of 40 digits"),
    "path": (b"../../etc/passwd", "a path"),
    "quote_open": (b'"abc', "a quote that never closes"),
    "unicode": ("ａ é \u2028 ٣".encode(), "letters, blanks and digits of Unicode"),
    "not_utf8": (b"\xff\xfe", "bytes that are no UTF-8"),
}

CORPORA = {
    "tsr": TSR,
    "response": RESPONSE,
    "plain": PLAIN_REQUEST,
    "hello": HELLO,
    "session": SESSION,
    "request": REQUEST,
    "arguments": ARGUMENTS,
    "mailbox": MAILBOX,
    "call": CALL,
}


def main() -> None:
    lines = [
        "# Hostile inputs",
        "",
        "Seeds of the fuzzers and what once broke a reader; `make_corpora.py` writes them and this page. The suite",
        "replays all of them in both languages, and what they become when bytes are changed (`test_corpora.py`).",
        "`make fuzz` starts from them; see [docs/reliability.md](../../docs/reliability.md).",
    ]
    for target, corpus in CORPORA.items():
        folder = HERE / target
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        lines += ["", f"## {target}", "", "| file | |", "|---|---|"]
        for name, (data, note) in sorted(corpus.items()):
            (folder / name).write_bytes(data)
            lines.append(f"| {name} | {note} |")
    (HERE / "README.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
