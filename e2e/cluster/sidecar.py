"""The gateway beside one application, as deploy/sidecar/ has it."""

import json

from cluster import until
from ring import expect

# Each manifest, what it needs besides, and the model that the application is to find.
MANIFESTS = {
    "files.yaml": ("provider-keys", ["groq", "together"]),
    "namespace.yaml": ("openai", ["key"]),
}


def sidecars(ring):
    """Native sidecars of deploy/sidecar/ are ready before their application"""
    kubectl = ring.cluster.kubectl
    for manifest, (secret, keys) in MANIFESTS.items():
        namespace = f"sidecar-{manifest.removesuffix('.yaml')}"
        here = ["-n", namespace]
        kubectl("create", "namespace", namespace)
        kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        values = [f"--from-literal={key}=no-key-of-a-provider" for key in keys]
        kubectl(*here, "create", "secret", "generic", secret, *values)
        kubectl(*here, "apply", "-f", f"deploy/sidecar/{manifest}")
        kubectl(*here, "rollout", "status", "deployment/app", "--timeout=60s")
        # Its first words are what the gateway answered it.
        words = ["logs", "deployment/app", "-c", "app"]
        said, _ = until(f"{manifest}: the application speaks", lambda: kubectl(*here, *words))
        models = [model["id"] for model in json.loads(said)["data"]]
        expect(models == ["assistant"], f"{manifest}: the application found {models}")
        pod = ring.cluster.pods(namespace, "app=app")[0]
        restarts = [s["restartCount"] for s in pod["status"]["containerStatuses"]]
        expect(restarts == [0], f"{manifest}: the application was started {restarts} times more")
        print(f"   {manifest}: the application found its model when it started")
        kubectl("delete", "namespace", namespace, "--wait=false")
