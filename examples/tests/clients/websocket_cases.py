"""Cases of the WebSocket protocol against an echo server, over raw sockets.

They follow the catalogue that implementations of RFC 6455 are judged by: 1 framing, 2 pings and pongs,
3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 sizes and limits, 10 automatic
fragmentation. Cases 12 and 13 (compression) do not apply: the extension is not offered.

    websocket_cases.py HOST PORT [CASE ..]

prints a line for each case that fails, then how many passed, and fails if one failed.
"""

import os
import socket
import struct
import sys
import time

TEXT, BINARY, CLOSE, PING, PONG, CONT = 1, 2, 8, 9, 10, 0
HOST, PORT = sys.argv[1], int(sys.argv[2])


class Ended(Exception):
    """The server has ended the connection."""


class Client:
    """A connection that is upgraded; it says and reads frames."""

    def __init__(self):
        self.socket = socket.create_connection((HOST, PORT), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        self.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.take(1)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
        assert b"sec-websocket-extensions" not in head.lower(), "an extension that was not asked for"

    def take(self, n):
        while len(self.input) < n:
            try:
                came = self.socket.recv(max(65536, n - len(self.input)))
            except ConnectionResetError:
                raise Ended from None
            if not came:
                raise Ended
            self.input += came
        taken, self.input = self.input[:n], self.input[n:]
        return taken

    def say(self, data, piece=None):
        """Sends bytes, in pieces of that size."""
        try:
            for at in range(0, len(data), piece or max(1, len(data))):
                self.socket.sendall(data[at : at + (piece or len(data))])
        except (BrokenPipeError, ConnectionResetError):
            pass  # what was answered before tells

    def frame(self):
        """The next frame: whether it is the last of its message, opcode, payload."""
        first, second = self.take(2)
        assert first & 0x70 == 0, "reserved bits"
        assert second & 0x80 == 0, "a server does not mask"
        n = second
        if n == 126:
            (n,) = struct.unpack(">H", self.take(2))
            assert n > 125, "not the shortest length"
        elif n == 127:
            (n,) = struct.unpack(">Q", self.take(8))
            assert n > 65535, "not the shortest length"
        return bool(first & 0x80), first & 15, self.take(n)

    def message(self):
        """The next message or control frame."""
        last, opcode, payload = self.frame()
        while not last:
            last, following, more = self.frame()
            assert following == CONT, following
            payload += more
        return opcode, payload

    def expect(self, *wanted):
        for each in wanted:
            got = self.message()
            assert got == each, f"{show(got)}, not {show(each)}"

    def closes(self, *codes):
        """The server says why it closes, by one of these codes, and ends the connection."""
        opcode, payload = self.message()
        assert opcode == CLOSE, show((opcode, payload))
        code = struct.unpack(">H", payload[:2])[0] if payload else None
        assert code in codes, f"code {code}, not {codes}"
        payload[2:].decode()
        self.ends()

    def ends(self):
        try:
            more = self.take(1)
        except Ended:
            return
        raise AssertionError(f"{more!r} after the end")

    def bye(self):
        self.say(frame(CLOSE, struct.pack(">H", 1000)))
        self.closes(1000)


def show(message):
    opcode, payload = message
    return f"({opcode}, {len(payload)} bytes {payload[:40]!r})"


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    n = len(payload) if length is None else length
    if n < 126:
        head = struct.pack(">BB", first, n | 0x80 * masked)
    elif n < 65536:
        head = struct.pack(">BBH", first, 126 | 0x80 * masked, n)
    else:
        head = struct.pack(">BBQ", first, 127 | 0x80 * masked, n)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


def fragments(opcode, payload, size):
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    kinds = [opcode] + [CONT] * (len(parts) - 1)
    last = len(parts) - 1
    return b"".join(frame(kind, part, fin=n == last) for n, (kind, part) in enumerate(zip(kinds, parts)))


CASES = {}


def case(number):
    def add(run):
        assert number not in CASES, number
        CASES[number] = run

    return add


def echoes(number, wire, *wanted, piece=None):
    """A case in which what is sent is answered by these messages, and a close then works."""

    @case(number)
    def run():
        client = Client()
        client.say(wire, piece)
        client.expect(*wanted)
        client.bye()


def fails(number, wire, *codes, before=(), piece=None):
    """A case in which the server answers `before`, then closes by one of these codes."""

    @case(number)
    def run():
        client = Client()
        client.say(wire, piece)
        client.expect(*before)
        client.closes(*codes)


# 1: text and binary messages of each length's form.
for chapter, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
    for n, size in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
        echoes(f"1.{chapter}.{n}", frame(opcode, byte * size), (opcode, byte * size))
    sent = frame(opcode, byte * 65536)
    echoes(f"1.{chapter}.8", sent, (opcode, byte * 65536), piece=997)

# 2: pings are answered by their payload, pongs that nobody asked for are not.
echoes("2.1", frame(PING), (PONG, b""))
echoes("2.2", frame(PING, b"hello"), (PONG, b"hello"))
echoes("2.3", frame(PING, b"\0\xff\xfe\xfd"), (PONG, b"\0\xff\xfe\xfd"))
echoes("2.4", frame(PING, b"\xfe" * 125), (PONG, b"\xfe" * 125))
fails("2.5", frame(PING, b"\xfe" * 126), 1002)
echoes("2.6", frame(PING, b"\xfe" * 125), (PONG, b"\xfe" * 125), piece=1)
echoes("2.7", frame(PONG))
echoes("2.8", frame(PONG, b"unasked"))
echoes("2.9", frame(PONG, b"unasked") + frame(PING, b"asked"), (PONG, b"asked"))
pings = [b"ping %d" % n for n in range(10)]
echoes("2.10", b"".join(frame(PING, p) for p in pings), *((PONG, p) for p in pings))
echoes("2.11", b"".join(frame(PING, p) for p in pings), *((PONG, p) for p in pings), piece=1)

# 3: reserved bits, of which none means anything here.
hello, good = (TEXT, b"Hello, world!"), frame(TEXT, b"Hello, world!")
fails("3.1", frame(TEXT, b"x", rsv=1), 1002)
fails("3.2", good + frame(TEXT, b"x", rsv=2) + frame(PING), 1002, before=[hello])
fails("3.3", good + frame(TEXT, b"x", rsv=3) + frame(PING), 1002, before=[hello])
fails("3.4", good + frame(TEXT, b"x", rsv=4) + frame(PING), 1002, before=[hello], piece=1)
fails("3.5", frame(BINARY, b"\xff", rsv=5), 1002)
fails("3.6", frame(PING, b"x", rsv=6), 1002)
fails("3.7", frame(CLOSE, rsv=7), 1002)

# 4: opcodes that nobody knows.
for chapter, opcodes in ((1, (3, 4, 5, 6, 7)), (2, (11, 12, 13, 14, 15))):
    fails(f"4.{chapter}.1", frame(opcodes[0]), 1002)
    fails(f"4.{chapter}.2", frame(opcodes[1], b"reserved"), 1002)
    fails(f"4.{chapter}.3", good + frame(opcodes[2]) + frame(PING), 1002, before=[hello])
    fails(f"4.{chapter}.4", good + frame(opcodes[3], b"x") + frame(PING), 1002, before=[hello])
    fails(f"4.{chapter}.5", good + frame(opcodes[4], b"x") + frame(PING), 1002, before=[hello], piece=1)

# 5: fragments, and control frames between them.
first, second = frame(TEXT, b"fragment1", fin=False), frame(CONT, b"fragment2")
whole = (TEXT, b"fragment1fragment2")
fails("5.1", frame(PING, b"x", fin=False) + frame(CONT, b"y"), 1002)
fails("5.2", frame(PONG, b"x", fin=False) + frame(CONT, b"y"), 1002)
echoes("5.3", first + second, whole)
echoes("5.4", first + second, whole, piece=10)
echoes("5.5", first + second, whole, piece=1)
echoes("5.6", first + frame(PING, b"p") + second, (PONG, b"p"), whole)
echoes("5.7", first + frame(PING, b"p") + second, (PONG, b"p"), whole, piece=10)
echoes("5.8", first + frame(PING, b"p") + second, (PONG, b"p"), whole, piece=1)
fails("5.9", frame(CONT, b"x") + good, 1002)
fails("5.10", frame(CONT, b"x") + good, 1002, piece=10)
fails("5.11", frame(CONT, b"x") + good, 1002, piece=1)
fails("5.12", frame(CONT, b"x", fin=False) + good, 1002)
fails("5.13", frame(CONT, b"x", fin=False) + good, 1002, piece=10)
fails("5.14", frame(CONT, b"x", fin=False) + good, 1002, piece=1)
stray = frame(CONT, b"x", fin=False) + good
fails("5.15", first + second + stray, 1002, before=[whole])
fails("5.16", (frame(CONT, b"1", fin=False) + first + second) * 2, 1002)
fails("5.17", (frame(CONT, b"1") + first + second) * 2, 1002)
fails("5.18", first + frame(TEXT, b"x"), 1002)
parts = [b"fragment%d" % n for n in range(1, 6)]
five = [frame(TEXT, parts[0], fin=False)] + [frame(CONT, p, fin=False) for p in parts[1:4]] + [frame(CONT, parts[4])]
pinged = [*five[:2], frame(PING, b"1"), *five[2:4], frame(PING, b"2"), five[4]]
answers = [(PONG, b"1"), (PONG, b"2"), (TEXT, b"".join(parts))]
echoes("5.19", b"".join(pinged), *answers)
echoes("5.20", b"".join(pinged), *answers, piece=1)

# 6: text is UTF-8, as soon as it is known that it cannot be, and across fragments.
greek = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
bad = greek + b"\xed\xa0\x80" + b"edited"
echoes("6.1.1", frame(TEXT), (TEXT, b""))
echoes("6.1.2", frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), (TEXT, b""))
echoes("6.1.3", frame(TEXT, fin=False) + frame(CONT, b"middle", fin=False) + frame(CONT), (TEXT, b"middle"))
text = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!".encode()
echoes("6.2.1", frame(TEXT, text), (TEXT, text))
echoes("6.2.2", frame(TEXT, text[:7], fin=False) + frame(CONT, text[7:]), (TEXT, text))
echoes("6.2.3", fragments(TEXT, text, 1), (TEXT, text))
echoes("6.2.4", fragments(TEXT, greek, 1), (TEXT, greek))
fails("6.3.1", frame(TEXT, bad), 1007)
fails("6.3.2", fragments(TEXT, bad, 1), 1007)
# The rest never comes: the beginning tells.
fails("6.4.1", frame(TEXT, greek + b"\xf4\x90", fin=False), 1007)
fails("6.4.2", frame(TEXT, greek + b"\xf4", fin=False) + frame(CONT, b"\x90", fin=False), 1007)
fails("6.4.3", frame(TEXT, greek, fin=False) + frame(CONT, b"\xf4\x90\x80\x80", fin=False), 1007)
fails("6.4.4", frame(TEXT, greek, fin=False) + frame(CONT, b"\xf8", fin=False), 1007)
valid = {
    "6.5": [greek[:n] for n in (2, 5, 7, 9, 11)],
    "6.7": [b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    "6.9": [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    "6.11": [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf0\x9f\xbf\xbf"],
    "6.22": [(chr(plane << 16 | low)).encode() for plane in range(17) for low in (0xFFFE, 0xFFFF)],
    "6.23": [b"\xef\xbf\xbd", "\ufeff".encode(), b"\xef\xbf\xbc"],
}
invalid = {
    "6.6": [greek[:n] for n in (1, 3, 4, 6, 8, 10)],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.12": [b"\x80", b"\xbf", b"\x80\xbf", b"\x80\xbf\x80", b"\x80\xbf\x80\xbf", bytes(range(0x80, 0xC0))],
    "6.13": [b" ".join(bytes([b]) for b in range(a, z)) for a, z in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))],
    "6.14": [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"],
    "6.15": [b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80"],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"],
    "6.21": [b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xa0\x80\xed\xbf\xbf", b"\xed\xad\xbf\xed\xb0\x80", b"\xed\xad\xbf\xed\xbf\xbf", b"\xed\xae\x80\xed\xb0\x80", b"\xed\xae\x80\xed\xbf\xbf", b"\xed\xaf\xbf\xed\xb0\x80", b"\xed\xaf\xbf\xed\xbf\xbf"],
}
for chapter, texts in valid.items():
    for n, text in enumerate(texts, 1):
        echoes(f"{chapter}.{n}", frame(TEXT, text), (TEXT, text))
        echoes(f"{chapter}.{n}.parts", fragments(TEXT, text, 1), (TEXT, text))
for chapter, texts in invalid.items():
    for n, text in enumerate(texts, 1):
        fails(f"{chapter}.{n}", frame(TEXT, text), 1007)
        fails(f"{chapter}.{n}.parts", fragments(TEXT, text, 1), 1007)

# 7: closing.
def closing(number, wire, *codes, before=()):
    fails(number, wire, *codes, before=before)


code = lambda n, reason=b"": frame(CLOSE, struct.pack(">H", n) + reason)
closing("7.1.1", good + code(1000), 1000, before=[hello])
closing("7.1.2", code(1000) + code(1000), 1000)
closing("7.1.3", code(1000) + frame(PING), 1000)
closing("7.1.4", code(1000) + good, 1000)
closing("7.1.5", first + code(1000) + second, 1000)


@case("7.1.6")
def _():
    client = Client()
    client.say(frame(TEXT, b"*" * 262144) + good + code(1000) + frame(PING))
    client.expect((TEXT, b"*" * 262144), hello)
    client.closes(1000)


closing("7.3.1", frame(CLOSE), None)
closing("7.3.2", frame(CLOSE, b"a"), 1002)
closing("7.3.3", code(1000), 1000)
closing("7.3.4", code(1000, b"Hello World!"), 1000)
closing("7.3.5", code(1000, b"*" * 123), 1000)
closing("7.3.6", code(1000, b"*" * 124), 1002)
closing("7.5.1", code(1000, bad), 1007)
for n, valid_code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
    closing(f"7.7.{n}", code(valid_code), valid_code)
for n, invalid_code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
    closing(f"7.9.{n}", code(invalid_code), 1002)
for n, odd_code in enumerate((5000, 65535), 1):
    closing(f"7.13.{n}", code(odd_code), 1002, odd_code)

# 9: sizes. Masks and comparisons in Python are slow; the server's part is not.
MIB = 1 << 20
SIZES = (65536, 262144, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
for chapter, opcode in ((1, TEXT), (2, BINARY)):
    for n, size in enumerate(SIZES, 1):
        echoes(f"9.{chapter}.{n}", frame(opcode, b"*" * size), (opcode, b"*" * size))
for chapter, opcode in ((3, TEXT), (4, BINARY)):
    for n, size in enumerate((64, 256, 1024, 4096, 16384, 65536, 262144, MIB, 4 * MIB), 1):
        total = 4 * MIB if size >= 1024 else MIB // 4
        echoes(f"9.{chapter}.{n}", fragments(opcode, b"*" * total, size), (opcode, b"*" * total))
for chapter, opcode in ((5, TEXT), (6, BINARY)):
    for n, piece in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        echoes(f"9.{chapter}.{n}", frame(opcode, b"*" * MIB), (opcode, b"*" * MIB), piece=piece)
for chapter, opcode in ((7, TEXT), (8, BINARY)):
    for n, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):

        @case(f"9.{chapter}.{n}")
        def _(opcode=opcode, size=size):
            client = Client()
            for _ in range(1000):
                client.say(frame(opcode, b"*" * size))
                client.expect((opcode, b"*" * size))
            client.bye()


fails("9.9.1", frame(BINARY, length=16 * MIB + 1), 1009)
fails("9.9.2", frame(TEXT, b"*" * MIB, fin=False) + frame(CONT, length=15 * MIB + 1), 1009)
fails("9.9.3", frame(BINARY, length=(1 << 63) - 1), 1009)

# 10: a message that is sent in one piece of many.
echoes("10.1.1", fragments(TEXT, b"*" * 65536, 1300), (TEXT, b"*" * 65536))


def main():
    wanted = sys.argv[3:]
    failed = passed = 0
    start = time.monotonic()
    for number, run in CASES.items():
        if wanted and not any(number == w or number.startswith(w + ".") for w in wanted):
            continue
        try:
            run()
            passed += 1
        except (AssertionError, Ended, OSError, UnicodeDecodeError) as error:
            failed += 1
            print(f"{number}: {type(error).__name__} {error}")
    print(f"{passed} passed, {failed} failed")
    print(f"{time.monotonic() - start:.1f} s", file=sys.stderr)
    sys.exit(failed > 0)


main()
