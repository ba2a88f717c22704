# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""deployer.yml as it is read on the controller: which servers there are, and what belongs on each.

What is wrong with it beyond that is for supervisor-sync to say, which reads all of it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import yaml
from ansible.errors import AnsibleError

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import wishes


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as supervisor-sync reads it: `yes` is text, and what a variable is set to stays as it was typed."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


@dataclass(frozen=True)
class Deployer:
    """An inventory of supervisor-sync."""

    path: str
    content: dict[str, Any]

    @property
    def folder(self) -> str:
        return os.path.dirname(os.path.abspath(self.path))

    def servers(self) -> list[dict[str, Any]]:
        return [one for one in self._list("servers") if isinstance(one.get("name"), str)]

    def sites(self) -> list[dict[str, Any]]:
        return [one for one in self._list("sites") if isinstance(one.get("domain"), str)]

    def sites_of(self, server: str) -> list[dict[str, Any]]:
        return [site for site in self.sites() if server in servers_of(site)]

    def of_host(self, server: str) -> dict[str, Any]:
        """What of it is of one server, as an inventory of that alone."""
        top = {name: self.content[name] for name in ("name", *wishes.OF_ALL_SITES) if self.content.get(name)}
        if top.get("defaults"):
            top["defaults"] = wishes.with_environment(top["defaults"], self.folder)
        sites = [
            wishes.self_contained(
                {key: one for key, one in site.items() if key not in ("server", "servers")}, self.folder
            )
            for site in self.sites_of(server)
        ]
        return wishes.inventory(sites, top)

    def _list(self, key: str) -> list[dict[str, Any]]:
        return [one for one in self.content.get(key) or [] if isinstance(one, dict)]


def servers_of(site: dict[str, Any]) -> list[str]:
    """The names of a site's servers."""
    named = site.get("servers") or site.get("server") or []
    return named if isinstance(named, list) else [named]


def read(path: str) -> Deployer:
    """Reads the file. No message has a part of it: any line can be a secret."""
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.load(file, Loader=Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise AnsibleError(f"{path}{place}: this is not YAML (supervisor-sync check says more)") from None
    if not isinstance(content or {}, dict):
        raise AnsibleError(f"{path} must be a map with `servers` and `sites`")
    return Deployer(path, content or {})
