"""A cluster: its control plane, its process node and its Services, and the tools to use it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import network
from control_plane import ControlPlane
from kube import Kube, KubeError

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
CHART = REPOSITORY / "charts/pilothouse"
# Nothing that is awaited here takes a tenth of it on an idle machine.
PATIENCE = 120


class Failed(Exception):
    """Something does not hold."""


def until(what, holds, limit=PATIENCE, every=0.1):
    """Waits until `holds` gives something true, which is returned, and says how long it took."""
    started = time.monotonic()
    while True:
        try:
            found = holds()
        except KubeError as error:
            found = None
            what = f"{what.split(' (')[0]} ({error})"
        if found:
            return found, time.monotonic() - started
        if time.monotonic() - started > limit:
            raise Failed(f"not within {limit} s: {what}")
        time.sleep(every)


class Cluster:
    """Everything that runs, in the namespaces that `run` made."""

    def __init__(self, assets, helm, sdk, binary, folder):
        self.assets, self.helm_binary = Path(assets), helm
        self.sdk, self.binary = sdk, binary
        self.folder, self.logs = Path(folder) / "data", Path(folder) / "logs"
        self.control_plane = ControlPlane(assets, self.folder, self.logs)
        self.hosts = self.folder / "hosts"
        self.kube = None

    def start(self):
        """Starts the control plane, the node and the Services."""
        self._own_files()
        network.prepare()
        self.control_plane.start()
        self.kube = Kube.from_folder(self.folder)
        self._start("node", [self.folder, self.logs, self.hosts, self.binary])
        self._start("service", [self.folder, self.hosts])
        until("the node is there", lambda: self.kube.items("/api/v1/nodes"))
        until("the API server has its name", lambda: "kubernetes.default" in self.hosts.read_text())

    def kubectl(self, *arguments, stdin=None, fails=False):
        """What kubectl says."""
        return self._tool([self.assets / "kubectl", *arguments], stdin, fails)

    def helm(self, *arguments, fails=False):
        """What helm says."""
        return self._tool([self.helm_binary, *arguments], None, fails)

    def environment(self):
        """For programs that use the cluster: kubectl and helm on the path, and whom they ask."""
        tools = self.folder / "tools"
        if not tools.exists():
            tools.mkdir()
            (tools / "kubectl").symlink_to(self.assets / "kubectl")
            (tools / "helm").symlink_to(self.helm_binary)
            (tools / "pilothouse").symlink_to(self.binary)
        return os.environ | {
            "KUBECONFIG": str(self.control_plane.kubeconfig),
            "PATH": f"{tools}:{os.environ['PATH']}",
            # helm keeps caches there; none of the user's is read or written.
            "HELM_CACHE_HOME": str(self.folder / "helm"),
            "HELM_CONFIG_HOME": str(self.folder / "helm"),
            "HELM_DATA_HOME": str(self.folder / "helm"),
            "no_proxy": "*",
        }

    def pods(self, namespace, selector):
        """Pods that match, those that are on their way out included."""
        return self.kube.items(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")

    def show_logs(self):
        """The end of every log but the control plane's, for whoever reads of a failure."""
        for log in sorted(self.logs.iterdir()):
            if log.name.startswith(("etcd", "kube-")):
                continue
            lines = log.read_text(errors="replace").splitlines()
            # What went well is the most and tells the least.
            lines = [line for line in lines if '"status":200' not in line and line[:6] != '  curl']
            print(f"\n--- {log.name}: the last of {len(lines)} lines")
            print("\n".join(line[:400] for line in lines[-8:]))

    def _tool(self, command, stdin, fails):
        result = subprocess.run(
            command, input=stdin, text=True, capture_output=True, cwd=REPOSITORY,
            env=self.environment(), check=False,
        )
        if fails != (result.returncode != 0):
            said = (result.stdout + result.stderr).strip()
            shown = " ".join(map(str, [Path(command[0]).name, *command[1:]]))
            raise Failed(f"`{shown}` ended with {result.returncode}: {said}")
        return result.stderr if fails else result.stdout

    def _start(self, name, arguments):
        with open(self.logs / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, HERE / f"{name}.py", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def _own_files(self):
        """Files of the machine that programs here must see as the cluster's."""
        self.hosts.write_text("127.0.0.1 localhost\n")
        for command in (
            # `ip netns` keeps names below /run.
            ["mount", "-t", "tmpfs", "run", "/run"],
            ["mount", "--bind", self.hosts, "/etc/hosts"],
        ):
            subprocess.run(command, check=True)
