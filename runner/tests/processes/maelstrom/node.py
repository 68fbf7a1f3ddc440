"""A lin-kv node of Maelstrom's protocol without elections: n1 leads for ever, and everybody else forwards to it.

n1 puts every request into its log, reads as well, answers it once a majority has it, and sends on what is missing for as
long as it is missing. It keeps nothing. With --stale other nodes answer reads from their own copy, which is the bug.
With --rude it prints what is no message.
"""

import json
import os
import select
import sys
import time

IS_STALE = "--stale" in sys.argv
IS_RUDE = "--rude" in sys.argv
RESEND_S = 0.05
SILENCE_S = 0.5

me, nodes = None, []
log = []  # Of n1: [request, who waits for its answer].
applied, copy = 0, {}  # What is answered, or, elsewhere, known to be committed.
known = {}  # Of n1: how much of the log each node has.
entries = []  # Elsewhere: the log as far as it was told.
heard = 0.0


def send(dest, body):
    line = json.dumps({"src": me, "dest": dest, "body": body}) + "\n"
    os.write(1, line.encode())


def apply(request):
    key = str(request["key"])
    if request["type"] == "read":
        if key not in copy:
            return {"type": "error", "code": 20, "text": "no such key"}
        return {"type": "read_ok", "value": copy[key]}
    if request["type"] == "cas":
        if key not in copy:
            return {"type": "error", "code": 20, "text": "no such key"}
        if copy[key] != request["from"]:
            return {"type": "error", "code": 22, "text": "it holds %s" % copy[key]}
        copy[key] = request["to"]
        return {"type": "cas_ok"}
    copy[key] = request["value"]
    return {"type": "write_ok"}


def replicate():
    for node in nodes:
        if node != me:
            start = known.get(node, 0)
            some = [entry[0] for entry in log[start : start + 200]]
            send(node, {"type": "append", "start": start, "entries": some, "commit": applied})


def commit():
    global applied
    have = sorted([len(log)] + [known.get(node, 0) for node in nodes if node != me], reverse=True)
    while applied < have[len(nodes) // 2]:
        request, (client, asked) = log[applied]
        applied += 1
        send(client, dict(apply(request), in_reply_to=asked))


def follow(body):
    """What n1 tells the others."""
    global applied, heard
    heard = time.monotonic()
    if body["start"] <= len(entries):
        entries[body["start"] :] = body["entries"]
    while applied < min(body["commit"], len(entries)):
        apply(entries[applied])
        applied += 1
    send("n1", {"type": "append_ok", "have": len(entries)})


def request(source, body):
    if me == "n1":
        log.append([body, (source, body["msg_id"])])
        replicate()
        commit()
    elif IS_STALE and body["type"] == "read":
        send(source, dict(apply(body), in_reply_to=body["msg_id"]))
    elif time.monotonic() - heard > SILENCE_S:
        text = "nothing was heard of n1"
        send(source, {"type": "error", "code": 11, "text": text, "in_reply_to": body["msg_id"]})
    else:
        # n1 answers the client itself.
        line = json.dumps({"src": source, "dest": "n1", "body": body}) + "\n"
        os.write(1, line.encode())


def handle(message):
    global me, nodes
    source, body = message["src"], message["body"]
    kind = body["type"]
    if kind == "init":
        me, nodes = body["node_id"], body["node_ids"]
        print("starting", me, file=sys.stderr, flush=True)
        if IS_RUDE:
            os.write(1, b"hello from a node\n" + b'{"dest":"lin-kv","body":{}}\n')
        send(source, {"type": "init_ok", "in_reply_to": body["msg_id"]})
    elif kind in ("read", "write", "cas"):
        request(source, body)
    elif kind == "append":
        follow(body)
    elif kind == "append_ok":
        known[source] = max(known.get(source, 0), body["have"])
        commit()


rest, resent = b"", 0.0
while True:
    if select.select([0], [], [], RESEND_S)[0]:
        more = os.read(0, 1 << 16)
        if not more:
            sys.exit(0)
        lines = (rest + more).split(b"\n")
        rest = lines.pop()
        for line in lines:
            handle(json.loads(line))
    if me == "n1" and time.monotonic() - resent > RESEND_S:
        resent = time.monotonic()
        replicate()
