"""Services: an address for each, from which connections are passed on to ready endpoints, and a
hosts file with their names. Stands in for kube-proxy and the cluster's DNS.

    service.py FOLDER HOSTS

As with kube-proxy, an endpoint is chosen for each connection, one that refuses it is the caller's
trouble, and connections that run go on whatever becomes of their endpoint's readiness.
"""

import asyncio
import random
import sys
import threading
from pathlib import Path

from kube import Kube
from network import ip

CHUNK = 64 << 10


class Services:
    """What is known of Services and their endpoints."""

    def __init__(self, hosts):
        self.hosts = Path(hosts)
        self.services, self.slices = {}, {}
        # The loop itself holds no task, and one that nobody holds may be collected while it runs.
        self.running = set()

    def endpoints(self, key, port_name):
        """Where connections to a port of a Service may go: ready endpoints or, if there is none,
        those that are on their way out but still serve."""
        ready, leaving = [], []
        for item in self.slices.values():
            if slice_of(item) != key:
                continue
            for port in item.get("ports") or []:
                if (port.get("name") or "") != port_name:
                    continue
                for endpoint in item.get("endpoints") or []:
                    conditions = endpoint.get("conditions", {})
                    place = (endpoint["addresses"][0], port["port"])
                    if conditions.get("ready", True):
                        ready.append(place)
                    elif conditions.get("serving") and conditions.get("terminating"):
                        leaving.append(place)
        return ready or leaving

    def write_hosts(self):
        """In place: pods have this file, not its name."""
        lines = ["127.0.0.1 localhost"]
        for service in self.services.values():
            name = f"{service['metadata']['name']}.{service['metadata']['namespace']}"
            address = service["spec"]["clusterIP"]
            lines.append(f"{address} {name}.svc {name}.svc.cluster.local {name}")
        self.hosts.write_text("\n".join(lines) + "\n")


def slice_of(item):
    """The Service that an EndpointSlice belongs to."""
    name = item["metadata"].get("labels", {}).get("kubernetes.io/service-name")
    return item["metadata"]["namespace"], name


async def pump(reader, writer):
    """Passes bytes on until their end, and then the end."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def forward(services, key, port_name, reader, writer):
    """One connection."""
    task = asyncio.current_task()
    services.running.add(task)
    task.add_done_callback(services.running.discard)
    places = services.endpoints(key, port_name)
    try:
        if not places:
            raise ConnectionRefusedError
        there, to = await asyncio.open_connection(*random.choice(places))
    except OSError as error:
        print(f"{key}: {error or 'no endpoint'} ({places})", flush=True)
        writer.transport.abort()
        return
    pumps = [asyncio.ensure_future(pump(reader, to)), asyncio.ensure_future(pump(there, writer))]
    try:
        await asyncio.gather(*pumps)
        writer.close()
        to.close()
    except OSError:
        # A side that broke is seen as broken on the other.
        for unfinished in pumps:
            unfinished.cancel()
        writer.transport.abort()
        to.transport.abort()


class Listeners:
    """The ports that are open, by Service."""

    def __init__(self, services):
        self.services, self.open = services, {}

    async def add(self, item):
        """Opens the ports of a new Service."""
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        address = item["spec"].get("clusterIP")
        if key in self.services.services or address in (None, "", "None"):
            return
        ip(f"addr add {address}/32 dev lo")
        self.services.services[key] = item
        self.open[key] = [
            await asyncio.start_server(
                lambda reader, writer, name=port.get("name", ""): forward(
                    self.services, key, name, reader, writer
                ),
                address, port["port"], backlog=1024,
            )
            for port in item["spec"].get("ports", [])
        ]
        self.services.write_hosts()

    async def remove(self, item):
        """Closes the ports of a Service that is gone."""
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        for server in self.open.pop(key, []):
            server.close()
        if self.services.services.pop(key, None):
            ip(f"addr del {item['spec']['clusterIP']}/32 dev lo")
        self.services.write_hosts()


def follow(kube, path, loop, on_change):
    """Follows a list in a thread of its own; `on_change` runs in the loop."""
    def run():
        for change, item in kube.follow(path):
            if change != "LISTED":
                asyncio.run_coroutine_threadsafe(on_change(change, item), loop).result()
    threading.Thread(target=run, daemon=True).start()


async def main():
    """Follows Services and EndpointSlices for good."""
    folder, hosts = sys.argv[1:]
    kube, loop = Kube.from_folder(folder), asyncio.get_running_loop()
    services = Services(hosts)
    listeners = Listeners(services)

    async def service_changed(change, item):
        await (listeners.remove(item) if change == "DELETED" else listeners.add(item))

    async def slice_changed(change, item):
        if change == "DELETED":
            services.slices.pop(item["metadata"]["uid"], None)
        else:
            services.slices[item["metadata"]["uid"]] = item

    follow(kube, "/api/v1/services", loop, service_changed)
    follow(kube, "/apis/discovery.k8s.io/v1/endpointslices", loop, slice_changed)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
