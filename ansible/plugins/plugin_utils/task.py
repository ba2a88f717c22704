# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions have in common: arguments, the program on the host, and how it is asked to change something."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import binaries, results, wishes
from ansible_collections.supervisor_sync.core.plugins.plugin_utils.far_end import Answer, FarEnd

Specification = dict[str, dict[str, Any]]

#: Where the programs for hosts are.
PROGRAM: Specification = {
    "binary": {"type": "path"},
    "binaries": {"type": "path"},
}

#: How something is changed.
CHANGE: Specification = {
    "verify": {"type": "bool", "default": True},
    "rollback": {"type": "bool", "default": True},
    "restart": {"type": "str", "default": "changed", "choices": ["changed", "all", "none"]},
    "start_stopped": {"type": "bool", "default": False},
    "purge_logs": {"type": "bool", "default": False},
    "allow": {"type": "list", "elements": "str", "choices": ["missing-code", "foreign-file"], "default": []},
    "lock_wait": {"type": "int", "default": 600},
    "message": {"type": "str"},
}

#: As long as supervisor-sync takes a message.
LONGEST_MESSAGE = 500


class Task(ActionBase):
    """A task whose work supervisor-sync does on the host, in one command and without Python there."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def folder(self) -> str:
        """Where the paths of a task count from: beside the playbook."""
        return os.path.abspath(self._loader.get_basedir())

    def find(self, path: str) -> str:
        """A file that the task names, where Ansible looks for such files: in a role, beside the playbook."""
        return self._find_needle("files", path)

    def ask(self, arguments: dict[str, Any], words: list[str], request: dict[str, Any]) -> Answer:
        found = binaries.find(arguments["binary"], arguments["binaries"])
        return FarEnd(self, found).ask([*words, "--json", "--inventory", "-"], request)

    def change(
        self, arguments: dict[str, Any], words: list[str], request: dict[str, Any], result: dict[str, Any]
    ) -> dict[str, Any]:
        """Has it change something, or in check mode say what it would change."""
        is_check = bool(self._task.check_mode)
        words = [*words, "--yes", "--lock-wait", str(arguments["lock_wait"])]
        if words[0] in ("apply", "restart"):
            words += ["--message", self._message(arguments)]
        if is_check:
            words.append("--dry-run")
        answer = self.ask(arguments, words, request)
        of = results.of_plan if is_check else results.of_apply
        came_of_it = of(answer, bool(self._task.diff))
        return {**result, **remove_values(came_of_it, wishes.secrets(request))}

    def _message(self, arguments: dict[str, Any]) -> str:
        """Why it was done, for `supervisor-sync history`, where it shows who did it as the host knows them."""
        message = arguments["message"] or self._task.get_name() or "a task"
        return f"Ansible: {message}"[:LONGEST_MESSAGE]


def apply_words(arguments: dict[str, Any]) -> list[str]:
    """The flags of an apply."""
    words = ["apply"]
    for name, flag in (("start_stopped", "--start-stopped"), ("purge_logs", "--purge-logs")):
        words += [flag] if arguments[name] else []
    for name, flag in (("verify", "--no-verify"), ("rollback", "--no-rollback")):
        words += [] if arguments[name] else [flag]
    words += {"changed": [], "all": ["--restart"], "none": ["--no-restart"]}[arguments["restart"]]
    for refusal in arguments["allow"]:
        words += ["--allow", refusal]
    return words
