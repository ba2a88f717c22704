# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import deployer, keys, wishes
from ansible_collections.supervisor_sync.core.plugins.plugin_utils.task import CHANGE, PROGRAM, Task, apply_words

#: What a site has, which is of no use beside an inventory that says it.
CONTENT = {**keys.PROGRAMS, **keys.WHOLE}

SPECIFICATION = {
    **{name: {**spec, "required": False} for name, spec in {**keys.SITE, **CONTENT}.items()},
    "from_inventory": {"type": "str"},
    "server": {"type": "str"},
    "prune": {"type": "bool", "default": False},
    **CHANGE,
    **PROGRAM,
}


class ActionModule(Task):
    """A whole site, or all that an inventory has for the host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            SPECIFICATION, required_one_of=[("domain", "from_inventory")]
        )
        if arguments["from_inventory"] is None:
            request = self._of_arguments(arguments)
            return self.change(arguments, apply_words(arguments), request, result)
        server = arguments["server"] or (task_vars or {}).get("inventory_hostname", "")
        inventory = self._of_inventory(arguments, server)
        has_sites = any("supervisors" in site or "config_texts" in site for site in inventory["sites"])
        if not has_sites and not arguments["prune"]:
            return {**result, "changed": False, "outcome": "unchanged", "plan": []}
        words = apply_words(arguments)
        words += ["--site", arguments["domain"]] if arguments["domain"] else []
        words += ["--prune"] if arguments["prune"] else []
        return self.change(arguments, words, inventory, result)

    def _of_arguments(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["supervisors"] is None and not (arguments["configs"] or arguments["config_texts"]):
            raise AnsibleActionFail("a site needs `supervisors`, of which an empty list removes all its programs")
        if arguments["prune"]:
            raise AnsibleActionFail("prune needs from_inventory: it removes what that does not have any more")
        return wishes.inventory([wishes.site(arguments, self.folder())])

    def _of_inventory(self, arguments: dict[str, Any], server: str) -> dict[str, Any]:
        said = [name for name in CONTENT if arguments[name] is not None]
        if said:
            raise AnsibleActionFail(f"from_inventory says what a site has: remove {', '.join(said)}")
        inventory = deployer.read(self.find(arguments["from_inventory"]))
        names = [one["name"] for one in inventory.servers()]
        if server not in names:
            raise AnsibleActionFail(
                f"{inventory.path} has no server `{server}` (it has: {', '.join(names) or 'none'}): name one as `server`"
            )
        # What the task says, or the module defaults of a play, counts where the inventory says nothing.
        settings = {name: arguments[name] for name in wishes.OF_ALL_SITES}
        of_host = {**wishes.as_typed(settings), **inventory.of_host(server)}
        if arguments["prune"] and of_host["name"] == wishes.NAME:
            raise AnsibleActionFail(f"prune: give {inventory.path} a `name`, by which the host knows what it applied")
        return of_host
