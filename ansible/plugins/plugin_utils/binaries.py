# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that can be brought to a host: which machine each is for, and its digest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass

from ansible.errors import AnsibleActionFail

#: What the installed program is called, and the beginning of those for other machines.
PROGRAM = "supervisor-sync"
FOR_LINUX = re.compile(r"supervisor-sync-linux-([A-Za-z0-9_]+)")

#: Where a package has those for other machines.
PACKAGED = "/usr/lib/supervisor-sync"

#: The machine field of an ELF header, as `uname -m` calls it.
MACHINES = {0x3E: "x86_64", 0xB7: "aarch64", 0x28: "armv7l", 0x03: "i686", 0xF3: "riscv64"}


@dataclass(frozen=True)
class Binary:
    """A program for one kind of machine, `SYSTEM-MACHINE` as `uname` says them there."""

    platform: str
    path: str

    def read(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except OSError as error:
            raise AnsibleActionFail(f"cannot read the program for a host: {error}") from error

    def digest(self) -> str:
        return hashlib.sha256(self.read()).hexdigest()


def find(binary: str | None, folder: str | None, path: str | None = None) -> dict[str, Binary]:
    """What there is, by platform. `binary` and `folder` are what the task names, `path` a PATH.

    The first of a platform counts: what is named, the installed one, what lies beside it, what the
    package has.
    """
    own = binary or shutil.which(PROGRAM, path=path)
    if binary is not None and not os.path.isfile(binary):
        raise AnsibleActionFail(f"binary: there is no file {binary}")
    beside = os.path.dirname(os.path.realpath(own)) if own else None
    found: dict[str, Binary] = {}
    candidates = [(platform_of(own), own)] if own else []
    for one in (folder, beside, PACKAGED):
        candidates += _in_folder(one) if one else []
    for platform, file in candidates:
        if platform is not None:
            found.setdefault(platform, Binary(platform, file))
    return found


def offer(binaries: dict[str, Binary]) -> str:
    """The digests of all, as the script on the host takes them."""
    pairs = [f"{platform}={binary.digest()}" for platform, binary in binaries.items()]
    return ",".join(pairs) or "none=0"


def platform_of(path: str) -> str | None:
    """What a file is built for; none of one that is no Linux program, as on a Mac."""
    try:
        with open(path, "rb") as file:
            header = file.read(20)
    except OSError:
        return None
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    machine = MACHINES.get(int.from_bytes(header[18:20], "big" if header[5] == 2 else "little"))
    return f"Linux-{machine}" if machine else None


def _in_folder(folder: str) -> list[tuple[str | None, str]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    matches = [(FOR_LINUX.fullmatch(name), name) for name in names]
    return [(f"Linux-{match[1]}", os.path.join(folder, name)) for match, name in matches if match]
