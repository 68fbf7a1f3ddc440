"""A key-value server over HTTP that is as small as one can be: the first node keeps everything, on disk.

    minimal.py NUMBER FOLDER HOST:PORT,HOST:PORT,...

Other nodes pass requests on to it. There is no election: while the first node is away, nothing is answered.
"""

import http.client
import http.server
import json
import os
import sys
import threading

WITHIN = 2  # seconds for the first node to answer another


class Store:
    """Values, and a file of all changes that is on disk before a change is answered."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "changes")
        self.lock, self.values, whole = threading.Lock(), {}, 0
        if os.path.exists(path):
            with open(path, "rb") as changes:
                for line in changes:
                    if not line.endswith(b"\n"):
                        break  # cut off by a crash, and never answered
                    self.values.update(json.loads(line))
                    whole += len(line)
        self.changes = open(path, "ab")
        self.changes.truncate(whole)

    def set(self, key, value):
        self.changes.write(json.dumps({key: value}).encode() + b"\n")
        self.changes.flush()
        os.fsync(self.changes.fileno())
        self.values[key] = value

    def handle(self, method, key, body):
        with self.lock:
            held = self.values.get(key)
            if method == "GET":
                return {"value": held}
            if method == "PUT":
                self.set(key, body)
                return {"done": True}
            asked = json.loads(body)
            if held == asked["old"]:
                self.set(key, asked["new"])
            return {"swapped": held == asked["old"], "value": held}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None  # on the first node
    first = None

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.store:
            content = self.store.handle(self.command, self.path.removeprefix("/keys/"), body.decode())
            return self.answer(200, json.dumps(content).encode())
        try:
            connection = http.client.HTTPConnection(self.first, timeout=WITHIN)
            connection.request(self.command, self.path, body)
            reply = connection.getresponse()
            self.answer(reply.status, reply.read())
        except OSError as error:
            self.answer(503, json.dumps({"error": repr(error)}).encode())

    do_GET = do_PUT = do_POST = handle_any

    def answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def main():
    number, folder, nodes = int(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
    Handler.first = nodes[0]
    if number == 1:
        Handler.store = Store(folder)
    host, port = nodes[number - 1].rsplit(":", 1)
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
