"""A container of a pod as a process."""

import json
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from image import named
from network import API_SERVICE
from probe import Probing, Unsupported
from volumes import MissingObject, field

LAUNCHER = Path(__file__).with_name("container.py")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A kubelet begins with a restart at once, then waits 10 s, 20 s and so on.
FIRST_BACKOFF, LONGEST_BACKOFF = 10, 300


# Each kind of probe, and what holds before its first answer: not ready until it says so, alive until
# it denies it.
PROBES = {"startupProbe": False, "readinessProbe": False, "livenessProbe": True}


def now():
    """The time as the API server writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def expand(text, environment):
    """`$(NAME)` in a command, where the variable is known."""
    return re.sub(r"\$\((\w+)\)", lambda name: environment.get(name[1], name[0]), text)


class Container:
    """One container: its process, what its probes say, and its status."""

    def __init__(self, spec, pod, initial=False):
        self.spec, self.pod, self.initial = spec, pod, initial
        self.process = None
        self.restarts = -1
        self.starts_at = 0
        self.state = {"waiting": {"reason": "ContainerCreating"}}
        self.last_state = {}
        self.probes = {}

    @property
    def running(self):
        """Whether there is a process."""
        return self.process is not None

    @property
    def started(self):
        """Whether it runs and its startup probe, if it has one, has passed."""
        return self.running and self.probes["startupProbe"].good

    @property
    def ready(self):
        """Whether it may be sent requests."""
        return self.started and self.probes["readinessProbe"].good

    @property
    def lasting(self):
        """Whether it goes on running beside what comes after it, as a native sidecar does."""
        return self.spec.get("restartPolicy") == "Always"

    @property
    def passed(self):
        """For an init container: whether what comes after it may start."""
        if self.lasting:
            return self.started
        return self.finished and self.state["terminated"]["exitCode"] == 0

    def status(self):
        """Its entry in `containerStatuses`."""
        process = f"process://{self.process.pid}" if self.running else ""
        return {
            "name": self.spec["name"],
            "image": self.spec["image"],
            "imageID": "",
            "containerID": process,
            "ready": self.ready,
            "started": self.started,
            "restartCount": max(self.restarts, 0),
            "state": self.state,
            "lastState": self.last_state,
        }

    def start(self):
        """Starts the process, if all that it needs is there."""
        try:
            description = self._describe()
        except (MissingObject, Unsupported) as error:
            waiting = {"reason": "CreateContainerConfigError", "message": str(error)}
            self.state = {"waiting": waiting}
            self.starts_at = time.monotonic() + 1
            return
        with open(self.pod.log(self.spec["name"]), "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, LAUNCHER], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        self.process.stdin.write(json.dumps(description).encode())
        self.process.stdin.close()
        self.restarts += 1
        self.state = {"running": {"startedAt": now()}}
        self.probes = {
            kind: Probing(self.spec.get(kind, {}), initially=kind not in self.spec or good)
            for kind, good in PROBES.items()
        }

    def step(self, leaving):
        """Looks after the process: whether it runs, is ready, is alive. While the pod is leaving,
        nothing is started again."""
        if not self.running:
            if not leaving and not self.finished and time.monotonic() >= self.starts_at:
                self.start()
            return
        if self.process.poll() is not None:
            self._ended()
            return
        # Until it has started nothing else is asked.
        asked = ["startupProbe"] if not self.started else ["readinessProbe", "livenessProbe"]
        for kind in asked:
            if kind in self.spec:
                self.probes[kind].step(self.spec, self.pod.address)
        if not leaving and not self.probes["livenessProbe"].good:
            self.signal(signal.SIGTERM)

    @property
    def finished(self):
        """Whether it ended for good."""
        return "terminated" in self.state

    def signal(self, number):
        """Sends a signal, if there is somebody to take it."""
        if self.running:
            self.process.send_signal(number)

    def pre_stop(self):
        """What the container wants done before it is asked to stop."""
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook is None or not self.running:
            return
        if "sleep" in hook:
            time.sleep(hook["sleep"]["seconds"])
        elif "exec" in hook:
            inside = ["nsenter", f"--target={self.process.pid}", "--mount", "--net", "--root"]
            subprocess.run([*inside, *hook["exec"]["command"]], check=False)
        else:
            raise Unsupported(f"hooks such as {hook}")

    def _ended(self):
        code = self.process.returncode
        self.process = None
        terminated = {
            # As a shell counts: 128 and the signal.
            "exitCode": code if code >= 0 else 128 - code,
            "reason": "Completed" if code == 0 else "Error",
            "finishedAt": now(),
        }
        policy = self.spec.get("restartPolicy", self.pod.spec.get("restartPolicy", "Always"))
        if self.initial and policy == "Always" and not self.lasting:
            policy = "OnFailure"
        if self.pod.leaving or policy == "Never" or (policy == "OnFailure" and code == 0):
            self.state = {"terminated": terminated}
            return
        self.last_state = {"terminated": terminated}
        self.state = {"waiting": {"reason": "CrashLoopBackOff" if self.restarts else "Restarting"}}
        backoff = FIRST_BACKOFF * 2 ** (self.restarts - 1) if self.restarts else 0
        self.starts_at = time.monotonic() + min(backoff, LONGEST_BACKOFF)

    def _describe(self):
        image = named(self.pod.images, self.spec["image"])
        if image is None:
            raise MissingObject(f"there is no image {self.spec['image']} here")
        pod, own = self.pod.spec.get("securityContext", {}), self.spec.get("securityContext", {})
        context = pod | own
        user = context.get("runAsUser", image.user)
        if context.get("runAsNonRoot") and user == 0:
            raise MissingObject(f"{self.spec['image']} would run as root, which the pod forbids")
        group = context.get("runAsGroup", user)
        environment = self._environment()
        command = self.spec.get("command", image.entrypoint) + self.spec.get("args", [])
        return {
            "root": str(image.root),
            "scratch": str(self.pod.scratch(self.spec["name"])),
            "read_only": context.get("readOnlyRootFilesystem", False),
            "mounts": self._mounts(),
            "network": str(self.pod.network),
            "hostname": self.pod.name,
            "user": user,
            "group": group,
            "groups": [pod["fsGroup"]] if "fsGroup" in pod else [],
            "gain_privileges": context.get("allowPrivilegeEscalation", True),
            "directory": self.spec.get("workingDir", "/"),
            "command": [expand(word, environment) for word in command],
            "environment": environment,
        }

    def _environment(self):
        environment = {
            "PATH": PATH,
            "HOSTNAME": self.pod.name,
            "KUBERNETES_SERVICE_HOST": API_SERVICE,
            "KUBERNETES_SERVICE_PORT": "443",
        }
        objects = self.pod.objects
        for source in self.spec.get("envFrom", []):
            for kind, read in (("secretRef", objects.secret), ("configMapRef", objects.config_map)):
                if kind in source:
                    data = read(source[kind]["name"], source[kind].get("optional", False))
                    prefix = source.get("prefix", "")
                    environment |= {prefix + key: value.decode() for key, value in data.items()}
        for variable in self.spec.get("env", []):
            value = self._value(variable)
            if value is not None:
                environment[variable["name"]] = value
        return environment

    def _value(self, variable):
        if "valueFrom" not in variable:
            return variable.get("value", "")
        (kind, wanted), = variable["valueFrom"].items()
        if kind == "fieldRef":
            return field(self.pod.seen(), wanted["fieldPath"])
        if kind not in ("secretKeyRef", "configMapKeyRef"):
            raise Unsupported(f"variables from {kind}")
        read = self.pod.objects.secret if kind == "secretKeyRef" else self.pod.objects.config_map
        data = read(wanted["name"], wanted.get("optional", False))
        if wanted["key"] in data:
            return data[wanted["key"]].decode()
        if wanted.get("optional", False):
            return None
        raise MissingObject(f"{wanted['name']} has no key {wanted['key']}")

    def _mounts(self):
        mounts = [{"source": str(self.pod.hosts), "target": "/etc/hosts", "read_only": True}]
        for wanted in self.spec.get("volumeMounts", []):
            if "subPath" in wanted:
                raise Unsupported("mounts with subPath")
            mounts.append({
                "source": str(self.pod.volumes[wanted["name"]].folder),
                "target": wanted["mountPath"],
                "read_only": wanted.get("readOnly", False),
            })
        return mounts
