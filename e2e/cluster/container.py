"""Becomes the process of a container: its own view of files, its pod's network, its user, and then
the program. Reads what to do from standard input, as JSON:

    root, scratch        the image's folder; an empty folder for the file system made of it
    read_only            whether the root may be written to
    mounts               [{source, target, read_only}]
    network, hostname    the pod's network namespace, by its path, and its name
    user, group, groups  numbers
    gain_privileges      whether programs may get more rights than they were started with
    directory, command   where to start what
    environment          all of it
"""

import ctypes
import json
import os
import sys
from pathlib import Path

# Numbers of <sched.h>, <sys/mount.h> and <sys/prctl.h>.
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS = 38
# What a container engine puts into /dev, as far as programs here need it.
DEVICES = ("null", "zero", "full", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    """A function of the C library, with its error as an exception."""
    given = [argument.encode() if isinstance(argument, str) else argument for argument in arguments]
    if getattr(libc, function)(*given) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}{arguments}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0, data=None):
    """mount(2)."""
    call("mount", source, str(target), kind, ctypes.c_ulong(flags), data)


def bind(source, target, read_only):
    """Shows `source` at `target`, which is made if it is not there."""
    if os.path.isdir(source):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(str(source), target, flags=MS_BIND | MS_REC)
    if read_only:
        mount(None, target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def build_root(container):
    """The file system that the program will see."""
    scratch = Path(container["scratch"])
    mount("scratch", scratch, "tmpfs")
    upper, work, root = (scratch / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
    layers = f"lowerdir={container['root']},upperdir={upper},workdir={work}"
    mount("overlay", root, "overlay", data=layers)
    mount("proc", root / "proc", "proc")
    for device in DEVICES:
        bind(f"/dev/{device}", root / "dev" / device, False)
    for wanted in container["mounts"]:
        target = root / wanted["target"].lstrip("/")
        bind(wanted["source"], target, wanted["read_only"])
    if container["read_only"]:
        mount(None, root, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)
    return root


def main():
    """Reads, becomes, runs."""
    container = json.load(sys.stdin)
    call("unshare", CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    with open(container["network"], "rb") as network:
        call("setns", network.fileno(), CLONE_NEWNET)
    name = container["hostname"]
    call("sethostname", name, len(name))
    root = build_root(container)
    os.chroot(root)
    os.chdir(container["directory"])
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.setgroups(container["groups"])
    os.setgid(container["group"])
    os.setuid(container["user"])
    if not container["gain_privileges"]:
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    command = container["command"]
    os.execvpe(command[0], command, container["environment"])


if __name__ == "__main__":
    main()
