"""What a new user does: the commands of the guides, word by word, in an empty cluster."""

import re
import subprocess

from cluster import REPOSITORY, Failed, until
from ring import NAMESPACE, RELEASE, show

# Longer than any block here takes, the longest being a rollout.
BLOCK_SECONDS = 180
# What a machine with a container engine, a registry and a built binary has in these places.
INSTEAD = {
    "YOUR-REGISTRY": "registry.example",
    "target/release/pilothouse": "pilothouse",
}
# No process here speaks the kubelet's protocol for it: the Service is called by its name.
PORT_FORWARD = re.compile(r"^kubectl .* port-forward .*$", re.MULTILINE)
FORWARDED = "http://127.0.0.1:8080"
# Needs a container engine.
LEFT_OUT = ("make image", "docker ")


def blocks(path, section):
    """The commands of a section of a guide, block by block."""
    level = section.split(" ")[0]
    inside, fence, block = False, None, []
    for line in (REPOSITORY / path).read_text().splitlines():
        if line.startswith("```"):
            if inside and fence == "console" and not block[0].startswith(LEFT_OUT):
                yield "\n".join(block)
            fence, block = (None, []) if fence is not None else (line[3:], [])
        elif fence is not None:
            block.append(line.removeprefix("$ "))
        elif line == section:
            inside = True
        elif line.startswith("#") and len(line.split(" ")[0]) <= len(level):
            inside = False


def run(ring, commands, environment=None):
    """Runs commands as one shell would; what they said."""
    for written, here in INSTEAD.items():
        commands = commands.replace(written, here)
    if PORT_FORWARD.search(commands):
        commands = PORT_FORWARD.sub("true", commands)
        commands = commands.replace(FORWARDED, f"http://{RELEASE}.{NAMESPACE}.svc")
    # What a block leaves running ends with it, as with the user's terminal.
    ending = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", ending + commands],
        env=ring.cluster.environment() | (environment or {}), cwd=REPOSITORY, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=BLOCK_SECONDS, check=False,
    )
    if result.returncode != 0:
        raise Failed(f"a guide's commands failed:\n{commands}\n{result.stdout}")
    return result.stdout


def quick_start(ring):
    """README's quick start on Kubernetes, word by word"""
    install, *rest = blocks("README.md", "## On Kubernetes")
    if "helm install" not in install:
        raise Failed("README.md's first block on Kubernetes is not the installation any more")
    # One shell for all: the gateway runs in it from the first block to the last.
    said = run(ring, "\n".join(rest))
    show(said[-1200:])
    if "This answer comes from a simulated provider" not in said:
        raise Failed(f"the quick start's last command was not answered:\n{said}")
    _clear(ring)


def install_guide(ring):
    """deploy/guides/install.md from helm to uninstalling, word by word"""
    guide = "deploy/guides/install.md"
    for commands in blocks(guide, "## Helm"):
        show(run(ring, commands))
    # Nothing leads out of here, so the provider is not reached; all before it is.
    provider = {"OPENAI_API_KEY": "not-a-key-of-openai"}
    said = ""
    for section in ("## The first route", "## Does it work?"):
        for commands in blocks(guide, section):
            said = run(ring, commands, provider)
            show(said)
    if "openai" not in said or "error" not in said:
        raise Failed(f"the provider should have been asked, in vain:\n{said}")
    for commands in blocks(guide, "## Uninstalling"):
        show(run(ring, commands))


def _clear(ring):
    names = [f"{kind}.pilothouse.dev" for kind in ("modelroutes", "credentialstores", "consumers")]
    ring.cluster.kubectl("delete", "crd", *names)
    ring.cluster.kubectl("delete", "namespace", NAMESPACE)
    until("the namespace is gone", lambda: not [
        item for item in ring.cluster.kube.items("/api/v1/namespaces")
        if item["metadata"]["name"] == NAMESPACE
    ])
