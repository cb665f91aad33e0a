"""Volumes of a pod as folders, swapped whole when what they hold changes, as a kubelet does it."""

import base64
import os
import time
from pathlib import Path

from kube import KubeError

# As long as the admission plugin asks for.
TOKEN_SECONDS = 3607
DEFAULT_MODE = 0o644


class MissingObject(Exception):
    """A Secret or ConfigMap that the pod needs is not there (yet)."""


def field(pod, path):
    """What a `fieldRef` gives: a field of the pod."""
    if path.startswith(("metadata.labels['", "metadata.annotations['")):
        kind, key = path.removesuffix("']").split("['")
        return pod["metadata"].get(kind.removeprefix("metadata."), {}).get(key, "")
    value = pod
    for name in path.split("."):
        value = value.get(name, "")
    return value


class Objects:
    """What pods of one namespace may be given of other objects."""

    def __init__(self, kube, namespace):
        self.kube, self.namespace = kube, namespace

    def secret(self, name, optional=False):
        """The bytes of a Secret by their keys."""
        data = self._data("secrets", name, optional)
        return {key: base64.b64decode(value) for key, value in data.get("data", {}).items()}

    def config_map(self, name, optional=False):
        """The bytes of a ConfigMap by their keys."""
        data = self._data("configmaps", name, optional)
        found = {key: value.encode() for key, value in data.get("data", {}).items()}
        binary = data.get("binaryData", {})
        return found | {key: base64.b64decode(value) for key, value in binary.items()}

    def token(self, pod, account, audience):
        """A token of a service account, bound to the pod."""
        reference = {
            "kind": "Pod",
            "apiVersion": "v1",
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
        }
        spec = {"boundObjectRef": reference, "expirationSeconds": TOKEN_SECONDS}
        if audience:
            spec["audiences"] = [audience]
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        return self.kube.post(path, {"spec": spec})["status"]["token"].encode()

    def _data(self, kind, name, optional):
        try:
            return self.kube.get(f"/api/v1/namespaces/{self.namespace}/{kind}/{name}")
        except KubeError as error:
            if error.status != 404:
                raise
            if optional:
                return {}
            raise MissingObject(f"{kind}/{name} is not there") from error


class Volume:
    """One volume of a pod, in a folder."""

    def __init__(self, spec, folder, pod, objects):
        self.spec, self.folder, self.pod, self.objects = spec, Path(folder), pod, objects
        self.group = pod["spec"].get("securityContext", {}).get("fsGroup", 0)
        self.held = None
        self.tokens = {}
        self.folder.mkdir(parents=True)
        if "emptyDir" in spec:
            os.chown(self.folder, -1, self.group)
            self.folder.chmod(0o2777)

    def refresh(self):
        """Writes what the volume should hold, if that is not what it holds."""
        files = self._files()
        if files == self.held:
            return
        fresh = self.folder / f"..{time.time_ns()}"
        fresh.mkdir()
        for path, (data, mode) in files.items():
            place = fresh / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            os.chown(place, -1, self.group)
            place.chmod(mode)
        pointer = self.folder / "..fresh"
        pointer.symlink_to(fresh.name)
        pointer.replace(self.folder / "..data")
        for name in {path.split("/")[0] for path in files}:
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        self.held = files

    def _files(self):
        spec = self.spec
        if "secret" in spec:
            source = spec["secret"]
            return self._of_object(source, self.objects.secret, source["secretName"])
        if "configMap" in spec:
            source = spec["configMap"]
            return self._of_object(source, self.objects.config_map, source["name"])
        if "downwardAPI" in spec:
            return self._of_pod(spec["downwardAPI"])
        if "projected" in spec:
            return self._projected(spec["projected"])
        if "emptyDir" in spec:
            return {}
        raise MissingObject(f"the process node has no volumes such as {spec}")

    def _projected(self, projected):
        mode = {"defaultMode": projected.get("defaultMode", DEFAULT_MODE)}
        files = {}
        for source in projected["sources"]:
            (kind, given), = source.items()
            if kind == "serviceAccountToken":
                files[given["path"]] = (self._token(given), 0o640 if self.group else 0o644)
            elif kind == "secret":
                files |= self._of_object(mode | given, self.objects.secret, given["name"])
            elif kind == "configMap":
                files |= self._of_object(mode | given, self.objects.config_map, given["name"])
            elif kind == "downwardAPI":
                files |= self._of_pod(mode | given)
            else:
                raise MissingObject(f"the process node projects no {kind}")
        return files

    def _of_object(self, source, read, name):
        data = read(name, source.get("optional", False))
        mode = source.get("defaultMode", DEFAULT_MODE)
        if "items" not in source:
            return {key: (value, mode) for key, value in data.items()}
        files = {}
        for item in source["items"]:
            if item["key"] not in data:
                raise MissingObject(f"{name} has no key {item['key']}")
            files[item["path"]] = (data[item["key"]], item.get("mode", mode))
        return files

    def _of_pod(self, source):
        mode = source.get("defaultMode", DEFAULT_MODE)
        return {
            item["path"]: (field(self.pod, item["fieldRef"]["fieldPath"]).encode(), mode)
            for item in source["items"]
        }

    def _token(self, wanted):
        # No pod here lives long enough to need a second one.
        audience = wanted.get("audience")
        if audience not in self.tokens:
            account = self.pod["spec"].get("serviceAccountName", "default")
            self.tokens[audience] = self.objects.token(self.pod, account, audience)
        return self.tokens[audience]
