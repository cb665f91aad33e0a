"""etcd, kube-apiserver and kube-controller-manager as processes."""

import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from network import NODE_ADDRESS, SERVICE_RANGE

# The network namespace is this cluster's alone, so ports need not be looked for.
API_PORT = 6443
ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
# It is ready in 4 s; machines of CI do other things too.
READY_SECONDS = 120

# No scheduler and no kubelet: the process node is both. No node-lifecycle-controller either, which
# would miss a kubelet's heartbeats.
CONTROLLERS = [
    "deployment-controller",
    "replicaset-controller",
    "daemonset-controller",
    "endpointslice-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "disruption-controller",
    "horizontal-pod-autoscaler-controller",
]


class ControlPlane:
    """One control plane with its data in `folder` and its logs in `logs`."""

    def __init__(self, assets, folder, logs):
        self.assets, self.folder, self.logs = Path(assets), Path(folder), Path(logs)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificates = self.folder / "certs"
        self.kubeconfig = self.folder / "kubeconfig"
        self.token = secrets.token_hex(16)
        self.server = f"https://{NODE_ADDRESS}:{API_PORT}"
        self.api_server = None
        self.processes = []

    def start(self):
        """Starts everything and returns when the API server is ready."""
        self._write_credentials()
        self._start_etcd()
        self.start_api_server()
        self._write_access()
        self._start("kube-controller-manager", [
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.folder}/sa.key",
            f"--root-ca-file={self.certificates}/apiserver.crt",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--controllers={','.join(CONTROLLERS)}",
        ])

    def start_api_server(self):
        """Starts the API server, on the data that it had before, and waits until it is ready."""
        self.api_server = self._start("kube-apiserver", [
            f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
            f"--bind-address={NODE_ADDRESS}",
            f"--advertise-address={NODE_ADDRESS}",
            f"--secure-port={API_PORT}",
            f"--cert-dir={self.certificates}",
            f"--service-account-key-file={self.folder}/sa.key",
            f"--service-account-signing-key-file={self.folder}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--token-auth-file={self.folder}/tokens.csv",
            "--authorization-mode=RBAC",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            # Writing an audit or event is none of the tests' business; ending at once is.
            "--shutdown-delay-duration=0s",
        ])
        self._await_ready()

    def kill_api_server(self):
        """Takes the API server away as a crash would; etcd keeps its data."""
        self.api_server.send_signal(signal.SIGKILL)
        self.api_server.wait()

    def _start_etcd(self):
        here = "http://127.0.0.1"
        self._start("etcd", [
            f"--data-dir={self.folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={here}:{ETCD_PORT}",
            f"--advertise-client-urls={here}:{ETCD_PORT}",
            f"--listen-peer-urls={here}:{ETCD_PEER_PORT}",
            f"--initial-advertise-peer-urls={here}:{ETCD_PEER_PORT}",
            f"--initial-cluster=default={here}:{ETCD_PEER_PORT}",
        ])

    def _start(self, name, flags):
        with open(self.logs / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [self.assets / name, *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.processes.append((name, process))
        return process

    def _write_credentials(self):
        os.umask(0o077)
        key = ["openssl", "genrsa", "-out", self.folder / "sa.key", "2048"]
        subprocess.run(key, check=True, stderr=subprocess.DEVNULL)
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        os.umask(0o022)

    def _write_access(self):
        ca = str(self.certificates / "apiserver.crt")
        access = {"server": self.server, "token": self.token, "ca": ca}
        (self.folder / "access.json").write_text(json.dumps(access))
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "ring",
            "clusters": [{
                "name": "ring",
                "cluster": {"server": self.server, "certificate-authority": ca},
            }],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "ring", "context": {"cluster": "ring", "user": "admin"}}],
        }))

    def _await_ready(self):
        # The certificate is made by the API server itself, after it was started.
        trusting = ssl._create_unverified_context()
        asked = urllib.request.Request(
            f"{self.server}/readyz", headers={"authorization": f"Bearer {self.token}"}
        )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.api_server.poll() is not None:
                raise RuntimeError("kube-apiserver ended: see its log")
            try:
                with urllib.request.urlopen(asked, timeout=5, context=trusting):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"kube-apiserver is not ready after {READY_SECONDS} s")
