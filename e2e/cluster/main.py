"""Starts a cluster and takes it through the steps. `run` starts this, in namespaces of its own."""

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback

from cluster import REPOSITORY, Cluster, Failed
from ring import Ring
from steps import STEPS, chosen


def arguments():
    """What `run` says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    for name in ("assets", "helm", "sdk", "binary", "folder"):
        parser.add_argument(f"--{name}")
    parser.add_argument("steps", nargs="*")
    return parser.parse_args()


def shell(cluster):
    """A shell in the cluster, from the repository's folder."""
    environment = cluster.environment() | {"PS1": "(cluster) $ "}
    ended = subprocess.run(["bash", "--norc"], env=environment, cwd=REPOSITORY, check=False)
    return ended.returncode


def main():
    """Everything, or what was asked for."""
    wanted = arguments()
    if wanted.list:
        for step in STEPS:
            print(f"{step.__name__:24} {step.__doc__.splitlines()[0]}")
        return 0
    # The first process of a PID namespace gets only signals that it handles.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cluster = Cluster(wanted.assets, wanted.helm, wanted.sdk, wanted.binary, wanted.folder)
    steps = [] if wanted.steps == ["shell"] else chosen(wanted.steps)
    began = time.monotonic()
    try:
        cluster.start()
        print(f"the cluster is ready after {time.monotonic() - began:.1f} s", flush=True)
        if not steps:
            return shell(cluster)
        ring = Ring(cluster, long=bool(os.environ.get("LONG")))
        for step in steps:
            started = time.monotonic()
            print(f"\n== {step.__doc__.splitlines()[0]}", flush=True)
            step(ring)
            print(f"== {step.__name__}: {time.monotonic() - started:.1f} s", flush=True)
        print(f"\nThe cluster ring holds; {time.monotonic() - began:.0f} s.")
        return 0
    except (Exception, KeyboardInterrupt) as error:  # Whatever it is, the logs say why.
        if not isinstance(error, (Failed, KeyboardInterrupt)):
            traceback.print_exc()
        cluster.show_logs()
        print(f"\nFAILED: {error or 'interrupted'}", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
