"""A server with one bad habit: minimal.py, which lies beside it, with switches.

    habits.py HABIT NUMBER FOLDER HOST:PORT,HOST:PORT,...
"""

import json
import os
import signal
import socket
import sys
import time

import minimal

HTML = b"<!DOCTYPE html><html><body>Welcome to nginx!</body></html>"


class Store(minimal.Store):
    """Knows what its values were before."""

    def __init__(self, folder):
        self.before, self.last, self.writes = {}, None, 0
        super().__init__(folder)

    def set(self, key, value):
        self.before[key], self.last = self.values.get(key), value
        super().set(key, value)


class Handler(minimal.Handler):
    habit = None

    def handle_any(self):
        if self.store is None:
            return super().handle_any()
        key, is_read = self.path.removeprefix("/keys/"), self.command == "GET"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.habit == "html":
            return self.answer(200, HTML)
        if self.habit == "error-text" and not is_read:
            return self.answer(200, b"Error: no quorum")
        if self.habit == "refuses" and not is_read:
            return self.answer(500, b'{"error":"no quorum"}')
        if self.habit == "forgets" and self.command == "PUT":
            return self.answer(200, b'{"done":true}')
        content = self.store.handle(self.command, key, body)
        if self.habit == "stale" and is_read:
            content["value"] = self.store.before.get(key)
        if self.habit == "other-key" and is_read and content["value"] is not None:
            content["value"] = self.store.last
        text = json.dumps(content).encode()
        if self.habit == "half" and is_read:
            return self.answer(200, text[: len(text) // 2])
        if not is_read and self.habit == "done-unsaid":
            self.store.writes += 1
            if self.store.writes % 8 == 0:
                return self.answer(500, b'{"error":"timed out, and it is done all the same"}')
            if self.store.writes % 8 == 4:
                self.close_connection = True
                return self.connection.shutdown(socket.SHUT_RDWR)
        self.answer(200, text)

    do_GET = do_PUT = do_POST = handle_any


def serve(habit, number, folder, nodes):
    Handler.habit, Handler.first = habit, nodes[0]
    host, port = nodes[number - 1].rsplit(":", 1)
    if habit == "exits":
        print("error: unknown option --data", file=sys.stderr)
        sys.exit(3)
    if habit == "never-ready":
        while True:
            time.sleep(60)
    if habit == "background" and os.fork() > 0:
        os._exit(0)
    if habit == "background":
        os.setsid()
    if habit == "ignores-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if habit in ("wildcard", "same-port"):
        host = "0.0.0.0"
    if habit == "same-port":
        port = nodes[0].rsplit(":", 1)[1]
    if number == 1:
        Handler.store = Store(folder)
    minimal.http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4].split(","))
