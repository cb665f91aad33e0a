"""A client of the API server: plain requests, and lists that are followed."""

import http.client
import json
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

# A request of ours takes milliseconds; an API server that is being restarted may take seconds.
PATIENCE = 10
# How long a watch may say nothing. The API server ends one after half an hour at the latest.
WATCH_SECONDS = 3600
# Between two tries of a list that could not be had, as while the API server is away.
RETRY_SECONDS = 0.2


class KubeError(Exception):
    """The API server refused, or could not be asked (status 0)."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Kube:
    """What one user may do at one API server."""

    def __init__(self, server, token, ca):
        parts = urlsplit(server)
        self.host, self.port = parts.hostname, parts.port
        self.token = token
        self.tls = ssl.create_default_context(cafile=ca)

    @classmethod
    def from_folder(cls, folder):
        """The administrator of the cluster whose control plane keeps its files in `folder`."""
        access = json.loads((Path(folder) / "access.json").read_text())
        return cls(access["server"], access["token"], access["ca"])

    def get(self, path):
        """The object at `path`."""
        return self._ask("GET", path)

    def post(self, path, body):
        """Creates an object."""
        return self._ask("POST", path, body)

    def merge(self, path, body):
        """Changes an object by a merge patch."""
        return self._ask("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path, body=None):
        """Deletes an object."""
        return self._ask("DELETE", path, body)

    def items(self, path):
        """The objects of a list."""
        return self.get(path)["items"]

    def follow(self, path):
        """Yields (type, object) for every change of a list, from the first list on and for good,
        however often the API server goes away. Between lists it is ADDED, MODIFIED or DELETED, and
        LISTED without an object after each list."""
        known = {}
        while True:
            try:
                listed = self.get(path)
                fresh = {item["metadata"]["uid"]: item for item in listed["items"]}
                for gone in known.keys() - fresh.keys():
                    yield "DELETED", known[gone]
                for uid, item in fresh.items():
                    yield ("MODIFIED" if uid in known else "ADDED"), item
                known = fresh
                yield "LISTED", None
                for change, item in self._watch(path, listed["metadata"]["resourceVersion"]):
                    if change == "DELETED":
                        known.pop(item["metadata"]["uid"], None)
                    else:
                        known[item["metadata"]["uid"]] = item
                    yield change, item
            except (KubeError, OSError, http.client.HTTPException, ValueError):
                pass
            time.sleep(RETRY_SECONDS)

    def _watch(self, path, version):
        mark = "&" if "?" in path else "?"
        connection = self._connect(WATCH_SECONDS)
        try:
            connection.request(
                "GET", f"{path}{mark}watch=1&resourceVersion={version}", headers=self._headers()
            )
            for line in connection.getresponse():
                event = json.loads(line)
                if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                    return  # The version is too old: list again.
                yield event["type"], event["object"]
        finally:
            connection.close()

    def _ask(self, method, path, body=None, media_type="application/json"):
        connection = self._connect(PATIENCE)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, self._headers(media_type))
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise KubeError(0, f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if response.status >= 300:
            raise KubeError(response.status, f"{method} {path}: {answer.decode(errors='replace')}")
        return json.loads(answer)

    def _connect(self, timeout):
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.tls)

    def _headers(self, media_type="application/json"):
        return {"authorization": f"Bearer {self.token}", "content-type": media_type}
