"""Installing, declaring routes, and calling them."""

import subprocess

from cluster import until
from ring import NAMESPACE, RELEASE, SETTINGS, expect, show
from snapshot import everything


def install(ring):
    """helm install --wait, into a namespace that admits only restricted pods; helm test"""
    ring.before = everything(ring.cluster.kube)
    kubectl = ring.cluster.kubectl
    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    show(ring.helm("install", *SETTINGS))
    ring.await_settled()
    tested = ring.cluster.helm("test", RELEASE, "--namespace", NAMESPACE)
    expect("Succeeded" in tested, tested)
    print("   helm test: Succeeded")


def declare(ring):
    """kubectl apply: providers, routes, consumers; one route that cannot work"""
    kubectl = ring.cluster.kubectl
    ring.apply("providers.yaml")
    for name in ("quick", "slow", "strict"):
        kubectl("-n", "providers", "rollout", "status", f"deployment/{name}")
    ring.apply("routes.yaml")
    ring.apply("broken.yaml")
    routes = ["chat", "claude", "slow", "slow-claude", "strict"]
    wait = ["wait", "-n", "ai", "--timeout=60s"]
    kubectl(*wait, "--for=condition=Programmed", *(f"modelroute/{name}" for name in routes))
    kubectl(*wait, "--for=condition=ResolvedRefs=False", "modelroute/broken")
    kubectl("wait", "-n", "team", "--for=condition=Accepted", "consumer/callers", "consumer/leaver")
    show(kubectl("get", "modelroutes,credentialstores,consumers", "-A"))
    show(kubectl("-n", "ai", "describe", "modelroute", "broken"))
    kubectl("-n", "ai", "delete", "modelroute", "broken")


def sdk_calls(ring):
    """Official SDKs call the Service by its name"""
    load = ring.load
    kinds = ["chat", "chat stream", "chat, new connection", "message", "message stream"]
    until("each kind of call is answered", lambda: all(load.answered[kind] for kind in kinds))
    versions = "import openai, anthropic; print(openai.__version__, anthropic.__version__)"
    said = subprocess.run(
        [ring.cluster.sdk, "-c", versions], capture_output=True, text=True, check=True
    )
    print(f"   openai and anthropic of versions {said.stdout.strip()}, which repeat nothing here")
