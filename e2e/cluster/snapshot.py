"""What is in a cluster, to tell what was left behind."""

from kube import KubeError

# Events tell of the past; the others are the API server's and controllers' own account of what is
# compared already, and go a moment after it.
IGNORED = {"events", "endpoints", "endpointslices", "ipaddresses", "apiservices"}


def everything(kube):
    """(resource, namespace, name) of every object that can be listed."""
    groups = ["/api/v1"]
    for group in kube.get("/apis")["groups"]:
        groups.append(f"/apis/{group['preferredVersion']['groupVersion']}")
    found = set()
    for group in groups:
        try:
            resources = kube.get(group)["resources"]
        except KubeError:
            continue  # Just being removed.
        for resource in resources:
            name = resource["name"]
            if "list" not in resource["verbs"] or "/" in name or name in IGNORED:
                continue
            for item in kube.items(f"{group}/{name}"):
                meta = item["metadata"]
                found.add((name, meta.get("namespace", ""), meta["name"]))
    return found
