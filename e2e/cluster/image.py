"""What images hold: programs and the libraries that they are linked to, as the Dockerfile has it.

No image is pulled, built or unpacked. The name of an image decides which folder a container gets as
its root.
"""

import re
import shutil
import subprocess
from pathlib import Path

# The user of the image, as the Dockerfile says.
PILOTHOUSE_USER = 65532


# The application of deploy/sidecar/: as soon as it runs it asks the gateway beside it.
APPLICATION = "wget -q -O - $OPENAI_BASE_URL/models && exec sleep infinity"


class Image:
    """A root file system and how it is started."""

    def __init__(self, root, entrypoint, user):
        self.root, self.entrypoint, self.user = root, entrypoint, user


def assemble(folder, binary):
    """The images that there are, by the last part of their names."""
    folder = Path(folder)
    gateway = _root(folder / "pilothouse", {"/usr/local/bin/pilothouse": binary})
    (gateway / "etc/passwd").write_text("pilothouse:x:65532:65532::/:/sbin/nologin\n")
    images = {
        "pilothouse": Image(gateway, ["/usr/local/bin/pilothouse"], PILOTHOUSE_USER),
    }
    # `helm test` asks by wget, as busybox has it.
    programs = {f"/bin/{name}": shutil.which(name) for name in ("sh", "sleep", "wget")}
    busybox = _root(folder / "busybox", programs)
    images["busybox"] = Image(busybox, [], 0)
    images["my-app"] = Image(busybox, ["sh", "-c", APPLICATION], 0)
    return images


def named(images, image):
    """The image of this name, whatever its registry, tag or digest; none if there is none."""
    name = re.sub(r"[:@].*$", "", image.rsplit("/", 1)[-1])
    return images.get(name)


def _root(root, programs):
    for folder in ("dev", "etc/ssl/certs", "proc", "tmp", "var/run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (root / "etc/group").write_text("pilothouse:x:65532:\n")
    for name in ("hosts", "resolv.conf"):
        (root / "etc" / name).touch()
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        shutil.copy(certificates, root / "etc/ssl/certs")
    for target, source in programs.items():
        _copy(source, root, target)
        linked = subprocess.run(["ldd", source], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(", linked):
            _copy(library, root, library)
    return root


def _copy(source, root, target):
    place = root / str(target).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, place)
