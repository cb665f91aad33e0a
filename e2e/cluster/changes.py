"""What is done to a gateway in a day, or in a year, while it is used. No call may fail of it."""

import json
import os
import signal
import time

from cluster import until
from kube import KubeError
from ring import LEAVER_KEY, NAMESPACE, RELEASE, admin, ask, expect, hold

DEPLOYMENT = f"deployment/{RELEASE}"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/pilothouse-default-leader"
BUDGET = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{RELEASE}"
SLICES = (
    f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
    f"?labelSelector=kubernetes.io/service-name={RELEASE}"
)
# A Lease that is not renewed for 15 s is another's, who asks every 3.75 s at most; the rest is for a
# busy machine.
LEASE_SECONDS = 15 + 4 + 6
# The rotated or revoked key of a Secret: a watch away.
SOON = 5
NEW = "key-after-rotation"
# Some calls of every kind, and a watch or two that is tried again.
OUTAGE_SECONDS = 8


def rollout_restart(ring):
    """kubectl rollout restart"""
    ring.load.during("rollout restart", lambda: _restart(ring))


def helm_upgrade(ring):
    """helm upgrade that replaces the pods"""
    def upgrade():
        ring.helm("upgrade", "--reuse-values", "--set", "podAnnotations.example\\.com/note=x")
        ring.await_settled()
    ring.load.during("helm upgrade", upgrade)


def pod_deleted(ring):
    """A pod is deleted; meanwhile its disruption budget keeps the other from being evicted"""
    kube = ring.cluster.kube

    def delete():
        gone, other = (pod["metadata"]["name"] for pod in ring.pods())
        ring.cluster.kubectl("-n", NAMESPACE, "delete", "pod", gone, "--wait=false")
        until("the budget is used up", lambda: not kube.get(BUDGET)["status"]["disruptionsAllowed"])
        expect(_evicted(kube, other) == 429, f"{other} should not be evicted now")
        ring.await_settled()
    ring.load.during("a pod deleted", delete)


def leader_killed(ring):
    """The leader is killed by SIGKILL: calls that it has may fail, and nothing after that"""
    kube, kubectl = ring.cluster.kube, ring.cluster.kubectl
    load = ring.load
    pod, _ = until("a pod holds the Lease", lambda: _leader(ring))
    address = pod["status"]["podIP"]
    process = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("process://")

    killed_at = time.time()

    def kill():
        os.kill(int(process), signal.SIGKILL)
        until("its endpoint is not ready", lambda: address not in _ready_addresses(kube))

    failures = load.tolerating("the leader's process killed", kill)
    running = sum(failure["began"] <= killed_at for failure in failures)
    print(f"   {running} failed calls ran when it was killed, {len(failures) - running} came to it"
          " before its endpoint was gone")

    def go_on():
        _route(kubectl, "after-the-leader")
        _, took = until(
            "another writes status",
            lambda: _conditions(kube, "after-the-leader").get("Programmed") == "True",
            LEASE_SECONDS,
        )
        print(f"   status goes on after {took:.1f} s")
        ring.await_settled()

    load.during("what follows", go_on)
    kubectl("-n", "ai", "delete", "modelroute", "after-the-leader")


def api_server_away(ring):
    """The API server goes away and comes back"""
    control_plane, kubectl = ring.cluster.control_plane, ring.cluster.kubectl
    addresses = [pod["status"]["podIP"] for pod in ring.pods()]

    def away():
        control_plane.kill_api_server()
        hold(OUTAGE_SECONDS)
        for address in addresses:
            expect(ask(address, "chat") == 200, f"{address} does not serve without the API server")
            said = admin(address, "/readyz").strip()
            expect(said.startswith("ok, but"), f"{address} does not say what it lacks: {said}")
            print(f"   /readyz of {address}: {said!r}")

    ring.load.during("the API server away", away)

    def back():
        control_plane.start_api_server()
        _route(kubectl, "after-the-outage")
        took = ring.await_everywhere(
            "a route of after the outage is served", lambda at: ask(at, "after-the-outage") == 200
        )
        print(f"   a route that was applied after it came back is served after {took:.1f} s")
        kubectl("-n", "ai", "wait", "--for=condition=Programmed", "modelroute/after-the-outage")
        ring.await_settled()
        _, took = until("endpoints are followed again", lambda: _endpoints_followed(ring))
        print(f"   the cluster's own controller of endpoints has caught up after {took:.1f} s more")

    ring.load.during("the API server back", back)
    kubectl("-n", "ai", "delete", "modelroute", "after-the-outage")


def secret_rotated(ring):
    """A provider's key changes in its Secret"""
    for pod in ring.pods():
        status = ask(pod["status"]["podIP"], "strict")
        expect(status in (401, 502, 503), f"the old key is refused, yet: {status}")
    ring.load.during("the Secret rotated", lambda: _rotate(ring))


def consumer_revoked(ring):
    """A Consumer is deleted: its calls end, those of others do not"""
    ring.load.during("the Consumer revoked", lambda: _revoke(ring))


def all_at_once(ring):
    """During a rollout a key is rotated and a Consumer revoked"""
    ring.apply("routes.yaml")
    ring.await_everywhere("the Consumer is back", lambda at: ask(at, "chat", LEAVER_KEY) == 200)

    def change():
        ring.cluster.kubectl("-n", NAMESPACE, "rollout", "restart", DEPLOYMENT)
        _rotate(ring)
        _revoke(ring)
        _rolled_out(ring)
        for pod in ring.pods():
            address = pod["status"]["podIP"]
            expect(ask(address, "strict") == 200, f"{address} has the old key")
            expect(ask(address, "chat", LEAVER_KEY) == 401, f"{address} knows the Consumer still")

    ring.load.during("all at once", change)


def _restart(ring):
    ring.cluster.kubectl("-n", NAMESPACE, "rollout", "restart", DEPLOYMENT)
    _rolled_out(ring)


def _rolled_out(ring):
    ring.cluster.kubectl("-n", NAMESPACE, "rollout", "status", DEPLOYMENT, "--timeout=3m")
    ring.await_settled()


def _rotate(ring):
    patch = f'{{"stringData":{{"key":"{NEW}"}}}}'
    ring.cluster.kubectl("-n", "ai", "patch", "secret", "provider", "--type=merge", "-p", patch)
    took = ring.await_everywhere("the new key is used", lambda at: ask(at, "strict") == 200)
    expect(took < SOON, f"the new key is used after {took:.1f} s only")
    print(f"   the new key is used everywhere after {took:.1f} s")


def _revoke(ring):
    ring.cluster.kubectl("-n", "team", "delete", "consumer", "leaver")
    took = ring.await_everywhere(
        "the Consumer's calls end", lambda at: ask(at, "chat", LEAVER_KEY) in (401, 403)
    )
    expect(took < SOON, f"the Consumer is refused after {took:.1f} s only")
    print(f"   its calls end with 401 everywhere after {took:.1f} s")


def _route(kubectl, name):
    target = {
        "name": "quick", "provider": "openai-compatible", "model": "gpt-sim",
        "baseURL": "http://quick.providers.svc/v1", "credentialRef": {"name": "provider"},
    }
    kubectl("apply", "-f", "-", stdin=json.dumps({
        "apiVersion": "pilothouse.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": name, "namespace": "ai"},
        "spec": {"allowedNamespaces": {"from": "All"}, "targets": [target]},
    }))


def _leader(ring):
    """The pod that writes status. Nobody does for some seconds after one has left."""
    holder = ring.cluster.kube.get(LEASE)["spec"].get("holderIdentity", "").split("_")[0]
    return next((pod for pod in ring.pods() if pod["metadata"]["name"] == holder), None)


def _evicted(kube, name):
    """The status of asking for a pod's eviction, as `kubectl drain` does."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    try:
        kube.post(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction", eviction)
        return 201
    except KubeError as error:
        return error.status


def _conditions(kube, name):
    route = kube.get(f"/apis/pilothouse.dev/v1alpha1/namespaces/ai/modelroutes/{name}")
    conditions = route.get("status", {}).get("conditions", [])
    return {condition["type"]: condition["status"] for condition in conditions}


def _endpoints_followed(ring):
    """Whether the cluster's controller of EndpointSlices is up to date. After the API server was away
    it may not be for half a minute, and a pod that leaves meanwhile gets connections beyond any usual
    drain delay, whatever it does. It copies labels of a Service to its slices."""
    label = f"{RELEASE}.ring/caught-up"
    ring.cluster.kubectl("-n", NAMESPACE, "label", "service", RELEASE, f"{label}=yes", "--overwrite")
    return all(label in item["metadata"]["labels"] for item in ring.cluster.kube.items(SLICES))


def _ready_addresses(kube):
    return {
        endpoint["addresses"][0]
        for item in kube.items(SLICES)
        for endpoint in item.get("endpoints") or []
        if endpoint["conditions"].get("ready")
    }
