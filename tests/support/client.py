"""A client that runs in the cluster, with constant load, and judges every answer.

It is a script of the standard library for the runtime's image, started by `support.load`. Each
thread asks over a connection that it keeps for 20 requests, as pools do, and then opens a new one.
It never tries again: what fails is counted. It begins once the Service, which may be new to its
node, lets it through. SIGTERM ends it before its time.
"""

import http.client
import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import Any

PLAN: dict[str, Any] = json.loads(os.environ.get("PLAN", "{}"))
KEPT_FOR = 20
TOLERANCE = 1e-4


class Tally:
    """What came back, over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self.answers: dict[str, int] = {}
        self.failures: list[str] = []

    def answer(self, who: str) -> None:
        """Count an answer by the version that gave it."""
        with self._lock:
            self.answers[who] = self.answers.get(who, 0) + 1

    def failure(self, what: str) -> None:
        """Note a request that got no right answer."""
        when = time.monotonic() - self._begun
        with self._lock:
            self.failures.append(f"at {when:.3f} s, {what}")


def judge(status: int, body: bytes) -> str:
    """Name the version whose expected values these are."""
    if status != 200:
        raise ValueError(f"status {status}: {body[:200]!r}")
    outputs = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
    values = outputs[PLAN["output"]]
    for version, expected in PLAN["expected"].items():
        pairs = zip(values, expected, strict=True)
        if all(abs(value - wanted) < TOLERANCE for value, wanted in pairs):
            return str(version)
    raise ValueError(f"wrong answer {values}")


def ask(connection: http.client.HTTPConnection, tally: Tally) -> None:
    """Send one request and judge its answer."""
    began = time.monotonic()
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", PLAN["path"], PLAN["body"], headers)
        response = connection.getresponse()
        body = response.read()
        tally.answer(judge(response.status, body))
    except Exception as error:
        connection.close()
        tally.failure(f"after {time.monotonic() - began:.3f} s: {error!r}")


def work(tally: Tally, enough: threading.Event) -> None:
    """Ask at a constant rate until it is enough."""
    count = 0
    connection = http.client.HTTPConnection(PLAN["host"], timeout=15)
    while not enough.is_set():
        if count % KEPT_FOR == 0:
            connection.close()
        ask(connection, tally)
        count += 1
        time.sleep(PLAN["pause"])


def get_through() -> None:
    """Wait until a connection is taken."""
    end = time.monotonic() + PLAN["seconds"]
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection((PLAN["host"], 80), timeout=15):
            return
        time.sleep(0.1)


def main() -> None:
    """Run the plan and print the tally as one line of JSON."""
    get_through()
    tally, enough = Tally(), threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    print("started", flush=True)
    threads = [threading.Thread(target=work, args=(tally, enough)) for _ in range(PLAN["threads"])]
    for thread in threads:
        thread.start()
    signal.sigtimedwait({signal.SIGTERM}, PLAN["seconds"])
    enough.set()
    for thread in threads:
        thread.join()
    told = tally.failures[:5] + tally.failures[5:][-1:]
    report = {"answers": tally.answers, "failed": len(tally.failures), "failures": told}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
