"""The network of the cluster: a bridge, and for each pod a network namespace of its own on it.

All of it lives in the network namespace that `run` made, from which nothing leads outside; it goes
with the last process that is in it.
"""

import itertools
import subprocess
from pathlib import Path

# The node, and the API server on it. Any private range would do: nobody else is here.
NODE_ADDRESS = "10.77.0.1"
POD_RANGE = "10.77.0.0/16"
SERVICE_RANGE = "10.96.0.0/24"
# The first of the range is always the API server's.
API_SERVICE = "10.96.0.1"
# Where `ip netns` keeps names; `run` puts a file system of its own there.
NAMESPACES = Path("/run/netns")


def ip(*commands):
    """Runs commands of `ip`, all or an error."""
    batch = "\n".join(commands)
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)


def prepare():
    """Makes the bridge."""
    ip(
        "link set lo up",
        # By itself a bridge takes the lowest address of its ports, so it would change as pods come and
        # go, and what they know of the way to the node with it.
        "link add pods address 02:00:00:00:00:01 type bridge",
        f"addr add {NODE_ADDRESS}/16 dev pods",
        "link set pods up",
    )


class PodNetwork:
    """Addresses and namespaces of pods."""

    def __init__(self):
        # Addresses are not used twice, so that nothing that lingers reaches the wrong pod.
        self._numbers = itertools.count(10)

    def attach(self):
        """A new network namespace, by its path, with its address."""
        number = next(self._numbers)
        name, address = f"pod{number}", f"10.77.{number // 250}.{number % 250 + 1}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        ip(
            f"link add {name} type veth peer name eth0 netns {name}",
            f"link set {name} master pods up",
        )
        inside = [
            "link set lo up",
            f"addr add {address}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {NODE_ADDRESS}",
        ]
        subprocess.run(
            ["ip", "-netns", name, "-batch", "-"], input="\n".join(inside), text=True, check=True
        )
        return NAMESPACES / name, address

    def detach(self, namespace):
        """Takes a namespace away, and with it the pod's end of the bridge."""
        subprocess.run(["ip", "netns", "delete", namespace.name], check=False)
