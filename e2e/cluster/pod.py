"""The life of one pod on the process node."""

import signal
import threading
import time
from pathlib import Path

from kube import KubeError
from network import NODE_ADDRESS
from probe import Unsupported
from process import Container, now
from volumes import MissingObject, Objects, Volume

# How often a pod is looked after. A kubelet hears of a process's end at once.
STEP_SECONDS = 0.1
# How often its Secrets and ConfigMaps are read again. A kubelet takes up to a minute.
REFRESH_SECONDS = 2


class Pod(threading.Thread):
    """One pod, from its binding until it is gone."""

    def __init__(self, pod, kube, network, images, folder, logs, hosts):
        super().__init__(daemon=True)
        self.object, self.spec = pod, pod["spec"]
        self.name, self.uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        self.namespace = pod["metadata"]["namespace"]
        self.kube, self.pod_network, self.images = kube, network, images
        self.folder, self.logs, self.hosts = Path(folder) / self.uid, Path(logs), Path(hosts)
        self.objects = Objects(kube, self.namespace)
        self.network = self.address = None
        self.volumes, self.first, self.containers = {}, [], []
        self.leaving = False
        self.grace = None
        self.woken = threading.Event()
        self.reported = None
        self.changed = {}

    @property
    def path(self):
        """Where the API server has it."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def log(self, container):
        """Where a container's output goes."""
        return self.logs / f"{self.namespace}.{self.name}.{container}.log"

    def scratch(self, container):
        """An empty folder for a container."""
        folder = self.folder / "containers" / container
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def seen(self):
        """The pod with what only the node knows of it, for `fieldRef`."""
        status = {"podIP": self.address, "hostIP": NODE_ADDRESS}
        return self.object | {"status": status}

    def stop(self, grace):
        """Asks the pod to end within so many seconds."""
        self.grace = grace
        self.woken.set()

    def run(self):
        """Starts it, looks after it, and ends it when it was asked to."""
        try:
            self._set_up()
            refreshed = time.monotonic()
            while self.grace is None:
                self._step()
                if time.monotonic() - refreshed > REFRESH_SECONDS:
                    self._refresh()
                    refreshed = time.monotonic()
                self._report()
                self.woken.wait(STEP_SECONDS)
            self._leave()
        except Unsupported as error:
            print(f"{self.namespace}/{self.name}: the process node has no {error}", flush=True)
        finally:
            self._take_down()

    def _set_up(self):
        self.network, self.address = self.pod_network.attach()
        for spec in self.spec.get("volumes", []):
            folder = self.folder / "volumes" / spec["name"]
            self.volumes[spec["name"]] = Volume(spec, folder, self.object, self.objects)
        while self.grace is None and not self._refresh():
            self.woken.wait(STEP_SECONDS)
        first = self.spec.get("initContainers", [])
        self.first = [Container(spec, self, initial=True) for spec in first]
        self.containers = [Container(spec, self) for spec in self.spec["containers"]]

    def _step(self):
        """Looks after every container whose turn has come."""
        for container in self.first:
            container.step(leaving=False)
            if not container.passed:
                return
        for container in self.containers:
            container.step(leaving=False)

    def _refresh(self):
        try:
            for volume in self.volumes.values():
                volume.refresh()
            return True
        except (MissingObject, KubeError) as error:
            if not self.containers:
                print(f"{self.namespace}/{self.name}: {error}", flush=True)
            return False

    def _leave(self):
        self.leaving = True
        deadline = time.monotonic() + self.grace
        self._end(self.containers, deadline)
        # What was there before the application outlives it.
        for container in reversed(self.first):
            self._end([container], deadline)

    def _end(self, containers, deadline):
        for container in containers:
            container.pre_stop()
            container.signal(signal.SIGTERM)
        while any(container.running for container in containers):
            if time.monotonic() > deadline or self.grace == 0:
                for container in containers:
                    container.signal(signal.SIGKILL)
            for container in [*self.first, *self.containers]:
                container.step(leaving=True)
            self._report()
            time.sleep(STEP_SECONDS)

    def _take_down(self):
        if self.network is not None:
            self.pod_network.detach(self.network)
        while True:
            try:
                self._report()
                gone = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
                self.kube.delete(self.path, gone)
                return
            except KubeError as error:
                # Gone already, or another pod of this name is there.
                if error.status in (404, 409):
                    return
                time.sleep(1)

    def _report(self):
        """Writes the pod's status if it has changed."""
        status = self._status()
        if status == self.reported:
            return
        try:
            change = {"metadata": {"uid": self.uid}, "status": status}
            self.kube.merge(self.path + "/status", change)
            self.reported = status
        except KubeError as error:
            if error.status in (404, 409):
                self.reported = status

    def _status(self):
        statuses = [container.status() for container in self.containers]
        serving = [*self.containers, *(c for c in self.first if c.lasting)]
        ready = bool(statuses) and all(container.ready for container in serving)
        initialized = all(container.passed for container in self.first)
        conditions = {"Initialized": initialized, "ContainersReady": ready, "Ready": ready}
        status = {
            "phase": self._phase(),
            "hostIP": NODE_ADDRESS,
            "startTime": self.changed.setdefault("start", now()),
            "initContainerStatuses": [container.status() for container in self.first],
            "containerStatuses": statuses,
            "conditions": [{
                "type": "PodScheduled",
                "status": "True",
                "lastTransitionTime": self.changed["start"],
            }] + [self._condition(kind, holds) for kind, holds in conditions.items()],
        }
        if self.address:
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        return status

    def _phase(self):
        ended = [c.state["terminated"] for c in self.containers if c.finished]
        if ended and len(ended) == len(self.containers):
            failed = any(state["exitCode"] for state in ended)
            return "Failed" if failed else "Succeeded"
        started = any(container.restarts >= 0 for container in self.containers)
        return "Running" if started else "Pending"

    def _condition(self, kind, holds):
        before = self.changed.get(kind)
        if before is None or before[0] != holds:
            self.changed[kind] = before = (holds, now())
        status = "True" if holds else "False"
        return {"type": kind, "status": status, "lastTransitionTime": before[1]}
