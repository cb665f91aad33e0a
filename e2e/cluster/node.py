"""The process node: takes the place of a scheduler and a kubelet, and runs pods as processes.

    node.py FOLDER LOGS HOSTS BINARY

FOLDER has the control plane's `access.json`; each pod's output goes to a file in LOGS; HOSTS is
what pods see as /etc/hosts; BINARY is what the image `pilothouse` runs.
"""

import sys
from pathlib import Path

import image
import kubelet
from kube import Kube, KubeError
from network import NODE_ADDRESS, PodNetwork
from pod import Pod

NAME = "process-node"
# What the API server gives a pod without a grace period of its own.
DEFAULT_GRACE = 30


def register(kube):
    """Makes the Node."""
    kube.post("/api/v1/nodes", {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}},
    })
    kube.merge(f"/api/v1/nodes/{NAME}/status", {"status": {
        "conditions": [{"type": "Ready", "status": "True", "reason": "ProcessNode"}],
        "addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.PORT}},
        "capacity": {"cpu": "8", "memory": "16Gi", "pods": "100"},
        "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "100"},
    }})


def bind(kube, pod):
    """Places a pod on the only node there is."""
    meta = pod["metadata"]
    try:
        kube.post(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding", {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": NAME},
        })
    except KubeError as error:
        # Deleted or bound meanwhile, or the API server is away and the next list shows it again.
        print(f"{meta['namespace']}/{meta['name']}: {error}", flush=True)


def main():
    """Follows pods for good."""
    folder, logs, hosts, binary = map(Path, sys.argv[1:])
    kube = Kube.from_folder(folder)
    images = image.assemble(folder / "images", binary)
    network = PodNetwork()
    kubelet.serve(logs, folder / "certs")
    register(kube)
    pods = {}
    for change, item in kube.follow("/api/v1/pods"):
        if change == "LISTED":
            continue
        uid = item["metadata"]["uid"]
        pod = pods.get(uid)
        if change == "DELETED":
            if pod:
                pod.stop(0)
                del pods[uid]
        elif "nodeName" not in item["spec"]:
            if "deletionTimestamp" not in item["metadata"]:
                bind(kube, item)
        elif pod is None:
            pods[uid] = pod = Pod(item, kube, network, images, folder / "pods", logs, hosts)
            pod.start()
        elif "deletionTimestamp" in item["metadata"]:
            pod.stop(item["metadata"].get("deletionGracePeriodSeconds", DEFAULT_GRACE))


if __name__ == "__main__":
    main()
