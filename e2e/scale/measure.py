"""Measures one gateway among many routes. `run` starts this in a cluster's shell."""

import concurrent.futures
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "cluster"))
from kube import Kube, KubeError  # noqa: E402

NAMESPACE = "scale"
API = f"/apis/pilothouse.dev/v1alpha1/namespaces/{NAMESPACE}/modelroutes"
DATA, ADMIN = 18080, 19090
# Objects are made by so many at a time: the API server takes some hundred a second then.
WRITERS = 8
# Enough changes for a median and a maximum that mean something, few enough to take seconds.
CHANGES = 40
# Seconds without a change or a request: several times the period of the gateway's Lease.
REST = 30
# Statuses that a gateway writes in a second, at most.
WRITES = 10
# A gateway that is not ready after so many seconds, or does not do what it is waited for, is broken.
PATIENCE = 120


def kube():
    """The administrator."""
    config = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    return Kube(cluster["server"], user["token"], cluster["certificate-authority"])


def route(name):
    """A route of plausible size: two targets, timeouts and a breaker of its own."""
    target = {"provider": "openai-compatible", "model": "served", "timeouts": {"firstToken": "5s"}}
    return {
        "apiVersion": "pilothouse.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "targets": [
                target | {"name": "first", "baseURL": "http://127.0.0.1:18181/v1"},
                target | {"name": "second", "baseURL": "http://127.0.0.1:18182/v1", "priority": 1},
            ],
            "circuitBreaker": {"failureThreshold": 3},
        },
    }


class Gateway:
    """A process that serves what the cluster has."""

    def __init__(self, program):
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [
                program, "serve", f"--listen=127.0.0.1:{DATA}", f"--admin-listen=127.0.0.1:{ADMIN}",
                "--anonymous", f"--anonymous-namespace={NAMESPACE}", "--no-access-log",
                "--allow-upstream-cidr=127.0.0.0/8", "--drain-delay=0s",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        self.ready_after = self._await_ready()
        self.connection = http.client.HTTPConnection("127.0.0.1", DATA, timeout=10)

    def _await_ready(self):
        while time.monotonic() - self.started < PATIENCE:
            if self.process.poll() is not None:
                raise SystemExit(f"the gateway ended with {self.process.returncode}")
            try:
                probe = http.client.HTTPConnection("127.0.0.1", ADMIN, timeout=1)
                probe.request("GET", "/readyz")
                if probe.getresponse().status == 200:
                    return time.monotonic() - self.started
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit(f"the gateway is not ready after {PATIENCE} s")

    def knows(self, model):
        """Whether callers may ask for a model."""
        self.connection.request("GET", f"/v1/models/{model}")
        answer = self.connection.getresponse()
        answer.read()
        return answer.status == 200

    def until(self, model, known):
        """Waits until callers see a model, or see it no longer; how long that took in ms."""
        started = time.monotonic()
        while self.knows(model) != known:
            if time.monotonic() - started > PATIENCE:
                raise SystemExit(f"`{model}` is still {'unknown' if known else 'served'}")
            time.sleep(0.001)
        return (time.monotonic() - started) * 1000

    def memory(self, which):
        """`VmRSS`, what is resident, or `VmHWM`, the most that ever was; in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(which))
        return int(line.split()[1]) / 1024

    def processor(self):
        """Processor time so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def fill(api, have, want):
    """Makes routes until there are so many."""
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(lambda at: api.post(API, route(f"r{at:05}")), range(have, want)))


def await_statuses(api, number):
    """Waits until the status of every route says that it is served."""
    deadline = time.monotonic() + PATIENCE + number / WRITES
    while time.monotonic() < deadline:
        # What the API server holds in memory: reading it costs the gateway's store nothing.
        routes = api.get(f"{API}?resourceVersion=0")["items"]
        if sum(map(is_programmed, routes)) == number:
            return
        time.sleep(1)
    raise SystemExit(f"the status of some of {number} routes is still not written")


def is_programmed(route):
    """Whether the status says so of the route as it is."""
    return any(
        condition["type"] == "Programmed" and condition["status"] == "True"
        for condition in route.get("status", {}).get("conditions", ())
    )


def at_rest(gateway):
    """Share of a processor, in percent, while nothing changes and nobody calls."""
    before = gateway.processor()
    time.sleep(REST)
    return (gateway.processor() - before) * 100 / REST


def changes(api, gateway):
    """From the answer of the API server to what callers see: routes that come and that go."""
    came, went = [], []
    for at in range(CHANGES):
        name = f"new{at}"
        api.post(API, route(name))
        came.append(gateway.until(name, True))
    for at in range(CHANGES):
        api.delete(f"{API}/new{at}")
        went.append(gateway.until(f"new{at}", False))
    return came, went


def spread(times):
    """Median and maximum."""
    return f"{statistics.median(times):.0f} ({max(times):.0f})"


def prepare(api):
    """Definitions and namespaces."""
    subprocess.run(["kubectl", "apply", "--server-side", "-f", "crds/"], check=True, stdout=subprocess.DEVNULL)
    for name in ("pilothouse", NAMESPACE):
        api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return api.get(API)
        except KubeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def measure(program, api, number):
    """One row."""
    with Gateway(program):
        await_statuses(api, number)
    # Anew, with nothing left to write, as after an upgrade.
    with Gateway(program) as gateway:
        rest, resident = at_rest(gateway), gateway.memory("VmRSS")
        before = gateway.processor()
        came, went = changes(api, gateway)
        each = (gateway.processor() - before) * 1000 / (2 * CHANGES)
        return (
            f"| {number:,} | {gateway.ready_after:.2f} s | {spread(came)} ms | {spread(went)} ms "
            f"| {each:.0f} ms | {resident:.0f} MiB ({gateway.memory('VmHWM'):.0f}) | {rest:.2f} % |"
        )


def main():
    """A row for each number of routes."""
    program, numbers = sys.argv[1], sorted(map(int, sys.argv[2:]))
    api = kube()
    prepare(api)
    print("| routes | ready after | a new route serves after, median (longest) | a deleted one is gone after "
          "| processor time a change | memory at rest (most) | processor at rest |")
    print("|---|---|---|---|---|---|---|", flush=True)
    have = 0
    for number in numbers:
        fill(api, have, number)
        have = number
        print(measure(program, api, number), flush=True)


if __name__ == "__main__":
    main()
