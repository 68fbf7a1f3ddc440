"""A program between clients and a server of minimal.py, with one bad habit.

    habits_shim.py HABIT
"""

import json
import sys
import time


def asked(request):
    """What the server says, as an answer of a shim."""
    import http.client  # it takes long, and not every habit comes to this

    connection = http.client.HTTPConnection(request["address"], timeout=5)
    path, op = "/keys/" + request["key"], request["op"]
    if op == "read":
        connection.request("GET", path)
    elif op == "write":
        connection.request("PUT", path, request["value"])
    else:
        connection.request("POST", path, json.dumps({"old": request["old"], "new": request["new"]}))
    said = json.loads(connection.getresponse().read())
    if op == "read":
        return {"value": said["value"]}
    if said.get("swapped") is False:
        return {"error": 22, "text": "another value"}
    return {"ok": True}


def main(habit):
    def say(line, to=sys.stdout):
        print(line if isinstance(line, str) else json.dumps(line), file=to, flush=True)

    count = 0
    for line in sys.stdin:
        request, count = json.loads(line), count + 1
        own = request["id"]
        if habit == "hangs":
            time.sleep(3600)
        while habit == "floods":
            say("INFO still connecting")
        if habit == "dies":
            sys.exit("cannot reach the server")
        answer = {"id": own} | asked(request)
        if habit == "dies-sometimes" and count % 5 == 0 and request["op"] == "write":
            sys.exit("lost the connection")
        if habit == "chats":
            say("INFO connected")
        if habit == "out-of-order":
            say({"id": own + 1000, "value": "of another", "ok": True})
            say({"id": own - 1, "value": "of another", "ok": True})
        say(answer, sys.stderr if habit == "stderr" else sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
