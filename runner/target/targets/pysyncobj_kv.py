"""A key-value server over HTTP whose state PySyncObj replicates.

    pysyncobj_kv.py HOST:HTTP HOST:RAFT PEER,PEER,... FOLDER

GET, PUT and POST of /keys/KEY read, set, and compare and set or append; GET /status says who leads. Every operation,
a read as well, goes through the log. What is not known to be done is answered with 503.
"""

import http.server
import json
import os
import sys

import pysyncobj
from pysyncobj import SyncObj, SyncObjConf, replicated_sync

WITHIN = 2  # seconds for an operation to be committed and applied
LEADER = 2  # what getStatus() calls a leader


class Store(SyncObj):
    def __init__(self, own, peers, folder):
        os.makedirs(folder, exist_ok=True)
        conf = SyncObjConf(
            journalFile=os.path.join(folder, "journal"),
            fullDumpFile=os.path.join(folder, "dump"),
            commandsWaitLeader=False,
            bindAddress=own,
        )
        super().__init__(own, peers, conf)
        self.values = {}

    @replicated_sync(timeout=WITHIN)
    def read(self, key):
        return self.values.get(key)

    @replicated_sync(timeout=WITHIN)
    def write(self, key, value):
        self.values[key] = value

    @replicated_sync(timeout=WITHIN)
    def swap(self, key, old, new):
        held = self.values.get(key)
        if held == old:
            self.values[key] = new
        return [held == old, held]

    @replicated_sync(timeout=WITHIN)
    def append(self, key, more):
        self.values[key] = self.values.get(key, "") + more

    def status(self):
        status = self.getStatus()
        leader = status["leader"]
        return {
            "version": pysyncobj.__version__ if hasattr(pysyncobj, "__version__") else None,
            "term": status["raft_term"],
            "leads": status["state"] == LEADER,
            "leader": None if leader is None else str(leader),
            "commit": status["commit_idx"],
        }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None

    def do_GET(self):
        if self.path == "/status":
            self.answer(200, self.store.status())
        else:
            self.attempt(lambda key: {"value": self.store.read(key)})

    def do_PUT(self):
        body = self.body()
        self.attempt(lambda key: {"done": self.store.write(key, body) is None})

    def do_POST(self):
        asked = json.loads(self.body())

        def change(key):
            if "append" in asked:
                return {"done": self.store.append(key, asked["append"]) is None}
            swapped, held = self.store.swap(key, asked["old"], asked["new"])
            return {"swapped": swapped, "value": held}

        self.attempt(change)

    def attempt(self, operation):
        try:
            self.answer(200, operation(self.path.removeprefix("/keys/")))
        except Exception as error:  # time-outs and lost leaders: nobody knows
            self.answer(503, {"error": repr(error)})

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"])).decode()

    def answer(self, status, content):
        content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def main():
    own, raft, peers, folder = sys.argv[1:]
    Handler.store = Store(raft, [peer for peer in peers.split(",") if peer], folder)
    host, port = own.rsplit(":", 1)
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
