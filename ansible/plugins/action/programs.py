# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import keys, wishes
from ansible_collections.supervisor_sync.core.plugins.plugin_utils.task import CHANGE, PROGRAM, Task, apply_words

STATES = ("present", "absent", "restarted", "started", "stopped")

#: What stands for a program of which only the name is given, where nothing of it is written anywhere.
NAMED_ONLY = "true"

SPECIFICATION = {
    **keys.SITE,
    "supervisors": {**keys.PROGRAMS["supervisors"], "required": True},
    "groups": keys.WHOLE["groups"],
    "state": {"type": "str", "default": "present", "choices": list(STATES)},
    "rolling": {"type": "int"},
    **CHANGE,
    **PROGRAM,
}


class ActionModule(Task):
    """Programs of a site, whose other programs stay as they are."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(SPECIFICATION)
        site = wishes.site(arguments, self.folder())
        state = arguments["state"]
        if not site["supervisors"]:
            return {**result, "changed": False, "outcome": "unchanged", "plan": []}
        return self.change(arguments, words(state, arguments, site), request(state, site), result)


def request(state: str, site: dict[str, Any]) -> dict[str, Any]:
    """The site with these programs, or without them."""
    if state == "absent":
        return wishes.inventory([{**site, "supervisors": [], "groups": []}])
    if state == "present":
        return wishes.inventory([site])
    programs = [_named(program) for program in site["supervisors"]]
    return wishes.inventory([{**site, "supervisors": programs}])


def words(state: str, arguments: dict[str, Any], site: dict[str, Any]) -> list[str]:
    """What supervisor-sync is run with."""
    programs = site["supervisors"]
    # supervisord takes a group as a whole, so its programs go by the group's name.
    names = dict.fromkeys(program.get("group") or program["program"] for program in programs)
    if state == "present":
        return [*apply_words(arguments), *_each("--program", names)]
    if state == "absent":
        return [*apply_words(arguments), *_each("--absent", names)]
    if state == "restarted":
        more = ["--start-stopped"] if arguments["start_stopped"] else []
        rolling = arguments["rolling"]
        if rolling is not None and rolling < 1:
            raise AnsibleActionFail("rolling: must be 1 or more processes at a time")
        more += ["--rolling", "--at-a-time", str(rolling)] if rolling else []
        return ["restart", *more, *_each("--program", names)]
    if state == "started":
        return ["start", *([] if arguments["verify"] else ["--no-verify"]), *_each("--program", names)]
    return ["stop", *_each("--program", names)]


def _named(program: dict[str, Any]) -> dict[str, Any]:
    """A restart, a start and a stop are of what was applied: what a program runs need not be said for them."""
    runs = ("script", "command", "options")
    return program if any(key in program for key in runs) else {**program, "command": NAMED_ONLY}


def _each(flag: str, names: dict[str, None]) -> list[str]:
    return [word for name in names for word in (flag, name)]
