"""Probes of a container, asked as a kubelet asks them."""

import http.client
import socket
import time


class Unsupported(Exception):
    """Something that the process node does not do; better said than silently left out."""


def port_number(port, container):
    """A port by its number or by its name in the container."""
    if isinstance(port, int):
        return port
    for declared in container.get("ports", []):
        if declared.get("name") == port:
            return declared["containerPort"]
    raise Unsupported(f"container {container['name']} has no port {port}")


def ask(probe, container, address):
    """Whether one question is answered well."""
    limit = probe.get("timeoutSeconds", 1)
    if "httpGet" in probe:
        wanted = probe["httpGet"]
        if wanted.get("scheme", "HTTP") != "HTTP":
            raise Unsupported("probes by https")
        port = port_number(wanted["port"], container)
        connection = http.client.HTTPConnection(address, port, timeout=limit)
        try:
            connection.request("GET", wanted.get("path", "/"), headers={"user-agent": "kube-probe"})
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
    if "tcpSocket" in probe:
        port = port_number(probe["tcpSocket"]["port"], container)
        try:
            socket.create_connection((address, port), limit).close()
            return True
        except OSError:
            return False
    raise Unsupported(f"probes such as {probe}")


class Probing:
    """One probe of a running container: when to ask, and what the answers come to."""

    def __init__(self, probe, initially):
        self.probe, self.good = probe, initially
        self.streak = 0
        self.due = time.monotonic() + probe.get("initialDelaySeconds", 0)

    def step(self, container, address):
        """Asks if it is time to."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + self.probe.get("periodSeconds", 10)
        answer = ask(self.probe, container, address)
        if answer == self.good:
            self.streak = 0
            return
        self.streak += 1
        needed = "successThreshold" if answer else "failureThreshold"
        if self.streak >= self.probe.get(needed, 1 if answer else 3):
            self.good, self.streak = answer, 0
