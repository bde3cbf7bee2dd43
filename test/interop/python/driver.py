"""What the drivers share. A driver asks with one client of Python; it is told what to ask, and tells what came of it, in lines of JSON. Its environment holds what its users' would: token, region, authorities.

In:  {"id", "client", "how": "say" | "stream", "url", "token", "model", "prompt", "tool"}, then {"id", "on": true | false} for each event heard.
Out: {"id", "sent": {"bytes", "sha256"}}, {"id", "answered": {"status", "headers"}}, {"id", "heard": true} and, at the end, {"id", "said": {"text", "tool"}} or
     {"id", "error": {"error", "message"}}.
"""

import hashlib
import json
import queue
import sys
import threading

TOOL = "get_weather"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "number"}}}

_out = threading.Lock()


class Leave(Exception):
    """Raised where the client is to leave amid a stream."""


class Ask:
    """One question, and the way to tell what becomes of it."""

    def __init__(self, line):
        self.id, self.client, self.how = line["id"], line["client"], line["how"]
        self.url, self.token, self.model, self.prompt, self.tool = line["url"], line.get("token"), line["model"], line["prompt"], line["tool"]
        self.on = queue.Queue()

    def tell(self, **what):
        with _out:
            sys.stdout.write(json.dumps({"id": self.id, **what}) + "\n")
            sys.stdout.flush()

    def sent(self, body):
        body = body.encode() if isinstance(body, str) else bytes(body or b"")
        self.tell(sent={"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})

    def answered(self, status, headers):
        self.tell(answered={"status": status, "headers": {name.lower(): value for name, value in headers.items()}})

    def heard(self):
        """An event was heard; returns when the client may go on."""
        self.tell(heard=True)
        if not self.on.get():
            raise Leave()


def said(text="", tool=None, arguments=None):
    """What the client understood; `arguments` of a tool can be JSON, as streams have them."""
    arguments = json.loads(arguments) if tool is not None and isinstance(arguments, str) else arguments
    return {"text": text, "tool": None if tool is None else {"name": tool, "input": arguments}}


def hooks(ask):
    """Event hooks of httpx, by which a client tells of each attempt."""

    def request(request):
        ask.sent(request.read())

    def response(response):
        ask.answered(response.status_code, response.headers)

    return {"request": [request], "response": [response]}


def listen(client, ask):
    """Has a client of botocore tell of each attempt."""

    def sent(request, **_):
        ask.sent(request.body)

    def answered(response_dict, **_):
        if response_dict is not None:
            ask.answered(response_dict["status_code"], response_dict["headers"])

    client.meta.events.register("before-send.bedrock-runtime", sent)
    client.meta.events.register("response-received.bedrock-runtime", answered)
    return client


def run(answer):
    """Answers until nothing more comes. `answer(ask)` gives what was said, or raises what the client raises."""
    asks = {}

    def work(ask):
        try:
            ask.tell(said=answer(ask))
        except Exception as error:
            ask.tell(error={"error": type(error).__name__, "message": str(error)})
        finally:
            del asks[ask.id]

    for text in sys.stdin:
        line = json.loads(text)
        if "on" in line:
            asks[line["id"]].on.put(line["on"])
        else:
            asks[line["id"]] = ask = Ask(line)
            threading.Thread(target=work, args=(ask,), daemon=True).start()
