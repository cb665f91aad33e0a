"""What the steps share: the cluster, the release in it, the traffic, and how to ask things."""

import json
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

from cluster import CHART, Failed, until
from load import Load
from network import SERVICE_RANGE

MANIFESTS = Path(__file__).with_name("manifests")
NAMESPACE = RELEASE = "pilothouse"
# The Service's name, as an application would have it in its settings.
BASE = "http://pilothouse.pilothouse.svc"
KEY = "key-of-the-callers-in-team"
LEAVER_KEY = "key-of-somebody-who-leaves"
SELECTOR = "app.kubernetes.io/name=pilothouse"
DATA_PORT, ADMIN_PORT = 8080, 9090
# With half a second between words: 20 s, or three minutes.
SHORT_STREAM, LONG_STREAM = 40, 360
# The release's settings: Services of this cluster may be upstreams, and everybody may use the
# models of `ai` by their plain names.
SETTINGS = [
    "--set", f"gateway.allowUpstreamCIDRs={{{SERVICE_RANGE}}}",
    "--set", "gateway.sharedNamespaces={ai}",
]


class Ring:
    """A cluster under test."""

    def __init__(self, cluster, long):
        self.cluster = cluster
        self.words = LONG_STREAM if long else SHORT_STREAM
        self.before = None
        self._load = None

    @property
    def load(self):
        """Traffic, from the first time it is asked for until `end_load`."""
        if self._load is None:
            self._load = Load(self.cluster, BASE, KEY, self.words)
            self._load.await_all()
        return self._load

    def end_load(self):
        """Lets calls end; what was answered, by kind."""
        load, self._load = self._load, None
        return load.end() if load else {}

    def apply(self, name):
        """Applies a file of `manifests/`."""
        text = (MANIFESTS / name).read_text().replace("${WORDS}", str(self.words))
        return self.cluster.kubectl("apply", "-f", "-", stdin=text)

    def helm(self, command, *arguments):
        """A helm command for the release, with the chart and what is set already."""
        return self.cluster.helm(
            command, RELEASE, str(CHART), "--namespace", NAMESPACE, "--wait", "--timeout=3m",
            *arguments,
        )

    def pods(self):
        """Pods of the release that are not on their way out."""
        pods = self.cluster.pods(NAMESPACE, SELECTOR)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def await_settled(self, count=2):
        """Waits until just so many pods are there, all ready, and those before them are gone."""
        def settled():
            pods = self.cluster.pods(NAMESPACE, SELECTOR)
            return len(pods) == count and all(is_ready(pod) for pod in pods)
        # Streams that run on a pod that has to leave are waited for.
        return until(f"{count} pods are ready, no other is left", settled, 120 + self.words)

    def await_everywhere(self, what, holds):
        """Waits until something holds at each gateway, by its pod's address."""
        return until(what, lambda: all(holds(pod["status"]["podIP"]) for pod in self.pods()))[1]


def is_ready(pod):
    """Whether a pod's condition says so."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def ask(address, model, key=KEY, port=DATA_PORT):
    """The status of one plain call at one gateway; 0 if it cannot be reached."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    url = f"http://{address}:{port}/v1/chat/completions"
    try:
        request = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def admin(address, path):
    """What the admin port of one gateway says."""
    try:
        with urllib.request.urlopen(f"http://{address}:{ADMIN_PORT}{path}", timeout=5) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def metric(address, name):
    """The sum of a metric's samples at one gateway."""
    samples = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", admin(address, "/metrics"), re.MULTILINE)
    return sum(map(float, samples))


def hold(seconds):
    """Lets traffic run for a while: the one thing here that is a matter of time and not of state."""
    time.sleep(seconds)


def show(text):
    """Prints what a user would see, set off from what the ring says."""
    print("\n".join(f"   | {line}".rstrip() for line in text.rstrip().splitlines()), flush=True)


def expect(holds, what):
    """Fails unless something holds."""
    if not holds:
        raise Failed(what)
