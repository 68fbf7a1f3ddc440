"""Between Whitewater and a NATS key-value bucket: requests on stdin, answers on stdout, a JSON object a line.

    nats_shim.py BUCKET REPLICAS            answers requests
    nats_shim.py BUCKET REPLICAS HOST:PORT  makes the bucket, once the servers can

One connection for each node, opened when it is first needed and again after an error. What was not sent is told with
error 11, what may have been with 13: the difference is all that a shim has to be careful about.
"""

import base64
import json
import os
import socket
import sys
import time

WITHIN = 1.5  # seconds for the server to answer
WRONG_LAST_SEQUENCE = 10071
NO_MESSAGE = 10037
MADE_WITHIN = 25  # seconds for the servers to find each other
NOT_SENT, UNKNOWN, ABSENT, MISMATCH = 11, 13, 20, 22


class Failed(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


class Connection:
    """NATS' text protocol, as far as requests with replies need it."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), WITHIN)
        self.file = self.socket.makefile("rb")
        self.inbox, self.count = "_INBOX." + os.urandom(8).hex(), 0
        if not self.file.readline().startswith(b"INFO"):
            raise OSError("this is not NATS")
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True}
        self.send(f"CONNECT {json.dumps(options)}\r\nSUB {self.inbox}.* 1\r\nPING\r\n".encode())
        while True:
            line = self.file.readline()
            if line == b"PONG\r\n":
                return
            if not line or line.startswith(b"-ERR"):
                raise OSError(f"refused: {line!r}")

    def send(self, data):
        self.socket.settimeout(WITHIN)
        self.socket.sendall(data)

    def request(self, subject, content, headers=()):
        """Sends, and returns the headers and the content of the reply."""
        self.count += 1
        reply = f"{self.inbox}.{self.count}"
        if headers:
            head = ("NATS/1.0\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n").encode()
            line = f"HPUB {subject} {reply} {len(head)} {len(head) + len(content)}\r\n".encode()
            self.send(line + head + content + b"\r\n")
        else:
            self.send(f"PUB {subject} {reply} {len(content)}\r\n".encode() + content + b"\r\n")
        while True:
            got = self.message()
            if got and got[0] == reply:
                return got[1], got[2]

    def message(self):
        words = self.file.readline().split()
        if not words:
            raise OSError("the connection was closed")
        if words[0] == b"PING":
            self.send(b"PONG\r\n")
        if words[0] == b"-ERR":
            raise OSError(b" ".join(words).decode())
        if words[0] not in (b"MSG", b"HMSG"):
            return None
        head = int(words[-2]) if words[0] == b"HMSG" else 0
        data = self.file.read(int(words[-1]) + 2)[:-2]
        return words[1].decode(), data[:head], data[head:]


class Bucket:
    def __init__(self, name, replicas):
        self.name, self.replicas, self.connections, self.made = name, replicas, {}, False

    def connection(self, asked):
        if asked["node"] not in self.connections:
            try:
                self.connections[asked["node"]] = Connection(asked["address"])
            except OSError as error:
                raise Failed(NOT_SENT, f"connect: {error}")
        return self.connections[asked["node"]]

    def ask(self, asked, subject, content, headers=()):
        connection = self.connection(asked)
        try:
            head, reply = connection.request(subject, content, headers)
        except OSError as error:
            self.connections.pop(asked["node"]).socket.close()
            raise Failed(UNKNOWN, str(error) or repr(error))
        if head.startswith(b"NATS/1.0 503"):
            raise Failed(NOT_SENT, "nobody listens to this subject: there is no leader")
        return json.loads(reply or b"{}")

    def make(self, asked):
        if self.made:
            return
        stream = {
            "name": f"KV_{self.name}", "subjects": [f"$KV.{self.name}.>"], "max_msgs_per_subject": 1,
            "storage": "file", "num_replicas": self.replicas, "discard": "new", "allow_rollup_hdrs": True,
        }
        reply = self.ask(asked, f"$JS.API.STREAM.CREATE.KV_{self.name}", json.dumps(stream).encode())
        if "error" in reply:
            raise Failed(NOT_SENT, f"no bucket yet: {reply['error']}")
        self.made = True

    def subject(self, key):
        return f"$KV.{self.name}.{key.encode().hex()}"

    def get(self, asked):
        """The value and its sequence; None and 0 where it is absent."""
        last = json.dumps({"last_by_subj": self.subject(asked["key"])}).encode()
        reply = self.ask(asked, f"$JS.API.STREAM.MSG.GET.KV_{self.name}", last)
        error = reply.get("error")
        if error and error.get("err_code") == NO_MESSAGE:
            return None, 0
        if error:
            raise Failed(NOT_SENT, f"read: {error}")
        return base64.b64decode(reply["message"].get("data", "")).decode(), reply["message"]["seq"]

    def put(self, asked, value, headers=()):
        reply = self.ask(asked, self.subject(asked["key"]), value.encode(), headers)
        error = reply.get("error")
        if error and error.get("err_code") == WRONG_LAST_SEQUENCE:
            raise Failed(MISMATCH, "the sequence has moved on")
        if error or "seq" not in reply:
            raise Failed(UNKNOWN, f"write: {reply}")

    def before(self, step, asked):
        """What fails before anything is changed leaves nothing unknown."""
        try:
            return step(asked)
        except Failed as failed:
            raise Failed(NOT_SENT, failed.text)

    def handle(self, asked):
        self.before(self.make, asked)
        if asked["op"] == "read":
            return {"value": self.get(asked)[0]}
        if asked["op"] == "write":
            self.put(asked, asked["value"])
            return {"ok": True}
        held, sequence = self.before(self.get, asked)
        if held is None:
            return {"error": ABSENT, "text": "absent"}
        if held != asked["old"]:
            return {"error": MISMATCH, "text": f"it holds {held}", "value": held}
        self.put(asked, asked["new"], [f"Nats-Expected-Last-Subject-Sequence: {sequence}"])
        return {"ok": True}


def make(bucket, address):
    until = time.monotonic() + MADE_WITHIN
    while True:
        try:
            return bucket.make({"node": "first", "address": address})
        except Failed as failed:
            if time.monotonic() > until:
                sys.exit(f"no bucket: {failed.text}")
            time.sleep(0.2)


def main():
    bucket = Bucket(sys.argv[1], int(sys.argv[2]))
    if len(sys.argv) > 3:
        return make(bucket, sys.argv[3])
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = bucket.handle(asked)
        except Failed as failed:
            answer = {"error": failed.code, "text": failed.text}
        print(json.dumps({"id": asked["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
