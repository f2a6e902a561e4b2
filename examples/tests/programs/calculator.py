"""A client of the example `calculator` by the bytes that `netpoll::rpc` documents."""
import json, socket, struct, sys

host, port = sys.argv[1].rsplit(":", 1)
stream = socket.create_connection((host, int(port)))

def call(number, method, *arguments, millis=5000):
    """Sends a call; version 1, no flags, a deadline, no metadata."""
    body = struct.pack(">BBIIH", 1, 0, number, millis, len(method)) + method.encode() + b"\0"
    body += json.dumps(arguments).encode()
    stream.sendall(struct.pack(">I", len(body)) + body)

def answer():
    """Receives an answer: its number, status, message and payload."""
    size, = struct.unpack(">I", stream.recv(4, socket.MSG_WAITALL))
    body = stream.recv(size, socket.MSG_WAITALL)
    _, _, number, status, n = struct.unpack(">BBIBH", body[:9])
    return number, status, body[9:9 + n].decode(), body[9 + n:].decode()

call(1, "add", 2, 40)
call(2, "add", 2**63 - 1, 1)
call(3, "add", "x")
call(4, "divide", 1, 0)
for _ in range(4):
    print(*answer(), sep="|")
