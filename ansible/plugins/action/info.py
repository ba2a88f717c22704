# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import keys, results, wishes
from ansible_collections.supervisor_sync.core.plugins.plugin_utils.far_end import Answer
from ansible_collections.supervisor_sync.core.plugins.plugin_utils.task import PROGRAM, Task

#: The exit statuses of a look: all is as wanted, something is not.
LOOKED = (0, 3)

#: supervisord's states by their numbers.
STATES = {
    0: "STOPPED",
    10: "STARTING",
    20: "RUNNING",
    30: "BACKOFF",
    40: "STOPPING",
    100: "EXITED",
    200: "FATAL",
    1000: "UNKNOWN",
}

SPECIFICATION = {
    **{name: {**spec, "required": False} for name, spec in {**keys.SITE, **keys.PROGRAMS, **keys.WHOLE}.items()},
    "watch": {"type": "int", "default": 0},
    "deep": {"type": "bool", "default": False},
    **PROGRAM,
}


class ActionModule(Task):
    """What was applied on the host and runs there, beside what is wanted, if that is said."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(SPECIFICATION)
        result["changed"] = False
        if arguments["supervisors"] is None and not (arguments["configs"] or arguments["config_texts"]):
            return {**result, **self._on_record(arguments)}
        if arguments["domain"] is None:
            raise AnsibleActionFail("domain: say of which site these programs are")
        return {**result, **self._beside_wish(arguments)}

    def _beside_wish(self, arguments: dict[str, Any]) -> dict[str, Any]:
        words = ["status", "--for", str(arguments["watch"]), *(["--deep"] if arguments["deep"] else [])]
        request = wishes.inventory([wishes.site(arguments, self.folder())])
        answer = self.ask(arguments, words, request)
        replies = [site for document in answer.of_kind("status") for site in document["sites"]]
        errors = [reply["error"]["message"] for reply in replies if "error" in reply]
        if answer.status not in LOOKED or errors:
            return _failed(answer, errors)
        return {"sites": [reply["status"] for reply in replies], "as_wanted": answer.status == 0}

    def _on_record(self, arguments: dict[str, Any]) -> dict[str, Any]:
        words = ["metrics", "--for", str(arguments["watch"])]
        for name, flag in (("conf_dir", "--conf-dir"), ("supervisord", "--supervisord"), ("state_dir", "--state-dir")):
            path = (arguments["paths"] or {}).get(name)
            words += [flag, path] if path else []
        answer = self.ask(arguments, words, {})
        if answer.status != 0:
            return _failed(answer, [])
        found = on_record(answer)
        if arguments["domain"] is not None:
            found["applied"] = {name: one for name, one in found["applied"].items() if name == arguments["domain"]}
        errors = [document["error"]["message"] for document in answer.of_kind("error")]
        return {**found, **({"warnings": errors} if errors else {})}


def on_record(answer: Answer) -> dict[str, Any]:
    """The metrics of a host by site and program, and its processes."""
    families = [family for document in answer.of_kind("metrics") for family in document["families"]]
    values = {
        family["name"]: [(sample["labels"], sample["value"]) for sample in family["samples"]] for family in families
    }

    def of(name: str) -> list[tuple[dict[str, str], int]]:
        return values.get(f"supervisor_sync_{name}", [])

    applied: dict[str, Any] = {}

    def site(labels: dict[str, str]) -> dict[str, Any]:
        return applied.setdefault(labels["site"], {"revision": None, "programs": {}})

    for labels, revision in of("revision"):
        site(labels)["revision"] = revision
    for name in ("wanted_processes", "healthy_processes", "restarts_seen"):
        for labels, value in of(name):
            site(labels)["programs"].setdefault(labels["program"], {"drift": 0})[name] = value
    for labels, value in of("drift"):
        program = site(labels)["programs"].setdefault(labels["program"], {"drift": 0})
        program["drift"] += value
    processes = [
        {"group": labels["group"], "name": labels["name"], "state": STATES.get(state, str(state))}
        for labels, state in values.get("node_supervisord_state", [])
    ]
    is_up = any(value == 1 for _labels, value in of("supervisord_up"))
    return {"applied": applied, "processes": processes, "supervisord_up": is_up}


def _failed(answer: Answer, errors: list[str]) -> dict[str, Any]:
    return {"failed": True, "msg": "\n".join(errors) or results.failure_of(answer), "exit_status": answer.status}
