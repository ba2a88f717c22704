# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: deployer_yml
short_description: The servers of a supervisor-sync inventory as hosts
version_added: 0.2.0
author:
  - The authors of supervisor-sync (!UNKNOWN)
description:
  - Reads V(deployer.yml) (or a file whose name ends in V(.deployer.yml)), the inventory of supervisor-sync and of DeployerPHP.
  - Each server is a host, with how it is reached. Each of its tags is a group, V(tag_NAME), and so is each site, V(site_DOMAIN).
  - What belongs on a host is for M(supervisor_sync.core.site) with O(supervisor_sync.core.site#module:from_inventory).
options:
  plugin:
    description: Not needed, as the file is the inventory of another tool.
    type: str
    choices:
      - supervisor_sync.core.deployer_yml
notes:
  - Enable it with V(enable_plugins = supervisor_sync.core.deployer_yml, host_list, yaml, ini) below V([inventory]) of V(ansible.cfg),
    before C(yaml), which would take the file for one of its own.
  - A server that is reached by a command (C(exec)) becomes a host only where that is V(docker exec) or V(podman exec), for which there
    are connection plugins. Others are named in a warning.
  - Where the file says no user, supervisor-sync logs in as V(root) unless C(ssh_config) says otherwise, and Ansible as whoever it is told.
    So V(ansible_user) is set only where the file has it.
"""

EXAMPLES = r"""
# ansible-inventory --inventory deployer.yml --graph
#
# with this deployer.yml
servers:
  - name: web1
    host: 203.0.113.10
    username: deployer
    tags: [eu]
sites:
  - domain: shop.example.com
    server: web1
    supervisors:
      - {program: queue, script: queue.sh}
"""

import os
import re
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import deployer

#: The containers that Ansible reaches by a connection plugin of their own.
CONTAINERS = {"docker": "community.docker.docker", "podman": "containers.podman.podman"}

#: The flags of `exec` that only say that stdin is passed on.
PASSED_ON = ("-i", "--interactive")


class InventoryModule(BaseInventoryPlugin):
    """The servers of deployer.yml."""

    NAME = "supervisor_sync.core.deployer_yml"

    def verify_file(self, path: str) -> bool:
        names = ("deployer.yml", "deployer.yaml")
        name = os.path.basename(path)
        return super().verify_file(path) and (name in names or name.endswith(tuple(f".{one}" for one in names)))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        content = deployer.read(path)
        for server in content.servers():
            variables = connection_of(server)
            if variables is None:
                self.display.warning(f"{path}: server {server['name']} is left out: its `exec` is no container's")
                continue
            self._add(content, server, variables)

    def _add(self, content: deployer.Deployer, server: dict[str, Any], variables: dict[str, Any]) -> None:
        name = server["name"]
        self.inventory.add_host(name)
        for variable, value in variables.items():
            self.inventory.set_variable(name, variable, value)
        domains = [site["domain"] for site in content.sites_of(name)]
        self.inventory.set_variable(name, "deployer_sites", domains)
        groups = [group_of("tag", str(tag)) for tag in server.get("tags") or []]
        for group in groups + [group_of("site", domain) for domain in domains]:
            self.inventory.add_host(name, self.inventory.add_group(group))


def connection_of(server: dict[str, Any]) -> dict[str, Any] | None:
    """How Ansible reaches a server; none where it cannot."""
    if server.get("exec"):
        return container_of([str(word) for word in server["exec"]])
    if server.get("connection") == "local":
        return {"ansible_connection": "local"}
    if not isinstance(server.get("host"), str):
        raise AnsibleParserError(f"server {server['name']} needs a `host`")
    variables: dict[str, Any] = {"ansible_host": server["host"]}
    key = server.get("privateKeyPath") or server.get("private_key_path")
    for variable, value in (
        ("ansible_port", server.get("port")),
        ("ansible_user", server.get("username")),
        ("ansible_ssh_private_key_file", key),
    ):
        if value is not None:
            variables[variable] = value
    if server.get("privilege") == "sudo":
        variables["ansible_become"] = True
    return variables


def container_of(command: list[str]) -> dict[str, Any] | None:
    """The container of `docker exec -i NAME`; none of any other command."""
    words = [word for word in command if word not in PASSED_ON]
    program = os.path.basename(words[0]) if words else ""
    if len(words) != 3 or words[1] != "exec" or words[2].startswith("-") or program not in CONTAINERS:
        return None
    return {"ansible_connection": CONTAINERS[program], "ansible_host": words[2]}


def group_of(kind: str, name: str) -> str:
    """A name that Ansible takes for a group."""
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{kind}_{name}")
