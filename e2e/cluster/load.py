"""Traffic that goes on while something is done to the cluster, and what became of it."""

import collections
import json
import signal
import subprocess
import threading
import time
from pathlib import Path

from cluster import Failed, until

PROGRAM = Path(__file__).with_name("traffic.py")


class Load:
    """Callers who run while this is entered."""

    def __init__(self, cluster, base, key, words):
        self.log = open(cluster.logs / "traffic.log", "ab")
        self.process = subprocess.Popen(
            [cluster.sdk, PROGRAM, base, key, str(words)], env=cluster.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        self.callers = None
        self.answered, self.failed = collections.Counter(), []
        # How many of the failures somebody has looked at.
        self.judged = 0
        self.slowest = 0
        self.heard = set()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def await_all(self):
        """Waits until every caller has had its first answer, or a long stream's first words."""
        _, took = until("every caller is answered", self._all_heard)
        print(f"   {self.callers} callers run after {took:.1f} s", flush=True)

    def during(self, name, action):
        """Does something under this load, and fails if a call does."""
        failures = self.tolerating(name, action)
        if failures:
            raise Failed(f"{len(failures)} calls failed during {name}: {failures[:5]}")

    def tolerating(self, name, action):
        """Does something under this load; what failed meanwhile."""
        answered = self.answered.total()
        self.slowest = 0
        started = time.monotonic()
        action()
        took = time.monotonic() - started
        failures = self._unjudged()
        print(f"   {name}: {took:.1f} s, {self.answered.total() - answered} calls answered,"
              f" {len(failures)} failed, slowest plain one {self.slowest * 1000:.0f} ms", flush=True)
        return failures

    def end(self):
        """Lets the running calls end, and returns how many were answered, by their kind."""
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=600) != 0:
            raise Failed("the callers broke off: see traffic.log")
        self.reader.join()
        if failures := self._unjudged():
            raise Failed(f"{len(failures)} calls failed when nothing was done: {failures[:5]}")
        return self.answered

    def _unjudged(self):
        """What failed since this was last asked."""
        failures = self.failed[self.judged:]
        self.judged += len(failures)
        return failures

    def _all_heard(self):
        if self.process.poll() is not None:
            raise Failed("the callers broke off: see traffic.log")
        if self.failed:
            raise Failed(f"a call failed before anything was done: {self.failed[:3]}")
        return self.callers is not None and len(self.heard) == self.callers

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "callers":
                self.callers = event["names"]
            elif event["event"] == "answered":
                self.heard.add(event["kind"])
                long = event["kind"].startswith("long")
                if not long:
                    self.slowest = max(self.slowest, event["seconds"])
                # The first words of a stream are no answer yet.
                if not (long and event["seconds"] == 0):
                    self.answered[event["kind"].rsplit(" ", 1)[0]] += 1
            elif event["event"] == "failed":
                self.failed.append(event)
                self.log.write(line.encode())
                self.log.flush()
