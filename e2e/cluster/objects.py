"""Options of the chart at a live API server, and taking all of it away."""

import os

from cluster import until
from ring import BASE, NAMESPACE, RELEASE, SETTINGS, ask, expect, show
from snapshot import everything

OPTIONS = [
    "autoscaling.enabled=true",
    "dashboards.enabled=true",
    "networkPolicy.enabled=true",
    "networkPolicy.restrictEgress=true",
    "ingress.enabled=true",
    "ingress.hosts={models.example.com}",
    "topologySpreadConstraints=null",
]
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{RELEASE}"
# With the Gateway API's definitions only.
HTTP_ROUTE = ["httpRoute.enabled=true", "httpRoute.parentRefs[0].name=public"]
KINDS = ["horizontalpodautoscalers", "poddisruptionbudgets", "networkpolicies", "ingresses"]

# What helm's keep policy leaves, and what nobody but the gateways made.
KEPT = {
    ("customresourcedefinitions", "", f"{kind}.pilothouse.dev")
    for kind in ("modelroutes", "credentialstores", "consumers")
}
LEASES = ("leases", NAMESPACE)
# What the cluster itself puts into every namespace, and the namespaces of the ring's own.
OWN = {"ai", "team", "providers", "sidecar-files", "sidecar-namespace"}
EVERYWHERE = {("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")}
PILOTHOUSE_KINDS = ("modelroutes", "credentialstores", "consumers")


def options(ring):
    """HPA, PDB, NetworkPolicy, Ingress and HTTPRoute are accepted; the HPA takes over"""
    kube, wanted, kinds = ring.cluster.kube, list(OPTIONS), list(KINDS)
    definitions = os.environ.get("GATEWAY_API_CRDS")
    if definitions:
        ring.cluster.kubectl("apply", "--server-side", "-f", definitions)
        wanted += HTTP_ROUTE
        kinds.append("httproutes")
    else:
        print("   SKIPPED: HTTPRoute, since there are no definitions of the Gateway API")

    def upgrade():
        settings = [word for option in wanted for word in ("--set", option)]
        ring.helm("upgrade", "--reuse-values", *settings)
        # Without a number in the chart there is one replica, until the HPA's next look at it.
        until("the HPA raises the replicas", lambda: kube.get(DEPLOYMENT)["spec"]["replicas"] == 2)
        ring.await_settled()

    ring.load.during("helm upgrade with every option", upgrade)
    show(ring.cluster.kubectl("-n", NAMESPACE, "get", ",".join(kinds)))
    answered = ring.end_load()
    print("   answered in all: " + ", ".join(f"{kind} {n}" for kind, n in sorted(answered.items())))


def uninstall(ring):
    """helm uninstall leaves what the keep policy says; installing again goes on; nothing is left"""
    ring.end_load()
    kubectl, kube = ring.cluster.kubectl, ring.cluster.kube
    show(_uninstall(ring))
    left = _left(ring)
    objects = {item for item in left if item[0] in PILOTHOUSE_KINDS}
    expect(objects, "the routes should be kept")
    unexpected = {item for item in left - objects - KEPT if item[:2] != LEASES}
    expect(not unexpected, f"helm uninstall left {sorted(unexpected)}")
    expect(left >= KEPT, f"the definitions should be kept, not only {sorted(left)}")

    ring.helm("install", *SETTINGS)
    ring.await_settled()
    _, took = until("a kept route is served", lambda: ask(_host(), "chat", port=80) == 200)
    print(f"   installed again, a route of before is served after {took:.1f} s")

    _uninstall(ring)
    kubectl("delete", "crd", *sorted(name for _, _, name in KEPT))
    kubectl("delete", "namespace", NAMESPACE)
    left = {item for item in _left(ring) if item[1] != NAMESPACE}
    expect(not left, f"after the definitions were deleted too there still is {sorted(left)}")
    expect(not any(item[1] == NAMESPACE for item in everything(kube)), "the namespace is not empty")


def _host():
    return BASE.removeprefix("http://")


def _uninstall(ring):
    said = ring.cluster.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
    until("its pods are gone", lambda: not ring.cluster.pods(NAMESPACE, "app.kubernetes.io/name"))
    return said


def _left(ring):
    """What there is now and was not before the chart came, but for what was put there otherwise."""
    added = everything(ring.cluster.kube) - ring.before
    return {
        item
        for item in added
        if (item[1] not in OWN or item[0] in PILOTHOUSE_KINDS)
        and (item[0], item[2]) not in EVERYWHERE
        and not (item[0] == "namespaces" and item[2] in OWN | {NAMESPACE})
        and not item[2].endswith("gateway.networking.k8s.io")
    }
