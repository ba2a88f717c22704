# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""supervisor-sync on the host of a task: found or brought there, and asked, over Ansible's own connection.

One command does all of it. A fixed script, which is that of supervisor-sync itself, looks for the program by
its digest and becomes it; the request is on its stdin. Only where the program is missing it takes two commands
more: one that brings it, and the first one again. Nothing of a request is in a command line but the verb with
its flags, and no Python is needed there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.supervisor_sync.core.plugins.plugin_utils.binaries import Binary, offer

#: What each line of the script has in it.
MARK = re.compile(r"@supervisor-sync (NEED|HAVE|FAIL) ?(.*)$")

#: The request begins with this, which is a comment of YAML: the script that reads it in place of a program
#: knows that the program comes later.
LATER = "# the program comes later, if it is missing\n"

#: Where the program is missing and there is none to bring: an empty line in place of its size.
NONE_TO_BRING = "\n"


@dataclass
class Answer:
    """What came of a command on the host."""

    status: int
    documents: list[dict[str, Any]] = field(default_factory=list)
    #: What is neither the script's nor the program's: banners, and what went wrong.
    noise: list[str] = field(default_factory=list)
    stderr: str = ""
    #: The machine that has no program, as `uname` says it.
    needed_for: str | None = None
    #: Where the script gave up, and its words.
    gave_up: tuple[str, str] | None = None
    #: The program that was run.
    program: str | None = None

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [document for document in self.documents if document.get("kind") == kind]


class FarEnd:
    """The program on the host of a task."""

    def __init__(self, action: ActionBase, binaries: dict[str, Binary]) -> None:
        self._action = action
        self._binaries = binaries
        self._offer = offer(binaries)

    def ask(self, arguments: list[str], request: dict[str, Any]) -> Answer:
        """Runs the program with these arguments and this inventory on its stdin."""
        self._check_connection()
        text = json.dumps(request, ensure_ascii=False, indent=1)
        answer = self._run(arguments, (LATER + text).encode())
        if answer.gave_up is not None and answer.gave_up[0] == "later":
            prefix = LATER if self._bring(answer.needed_for or "") else NONE_TO_BRING
            answer = self._run(arguments, (prefix + text).encode())
        if answer.program is None:
            raise AnsibleActionFail(self._why_not(answer))
        return answer

    def _check_connection(self) -> None:
        connection = self._action._connection
        if not getattr(connection, "has_pipelining", False):
            raise AnsibleActionFail(
                f"the connection plugin {connection.transport} cannot pass data to a command on the host: "
                "use ssh, local, docker or another one that can pipeline"
            )

    def _bring(self, platform: str) -> bool:
        """Puts the program there; false where there is none for that machine."""
        binary = self._binaries.get(platform)
        if binary is None:
            return False
        content = binary.read()
        answer = self._run(["--version"], f"{len(content)}\n".encode() + content)
        if answer.program is None:
            raise AnsibleActionFail(self._why_not(answer))
        return True

    def _run(self, arguments: list[str], stdin: bytes) -> Answer:
        words = ["sh", "-c", script(), "supervisor-sync", self._offer, "none", *arguments]
        with _unshown(self._action._connection):
            ended = self._action._low_level_execute_command(shlex.join(words), in_data=stdin)
        return read(ended["rc"], ended["stdout"], ended["stderr"])

    def _why_not(self, answer: Answer) -> str:
        last = [line for line in answer.stderr.splitlines() + answer.noise if line.strip()][-3:]
        if answer.gave_up is None:
            said = ": " + " | ".join(last) if last else f" (exit status {answer.status})"
            return f"cannot run supervisor-sync on the host{said}"
        at, words = answer.gave_up
        known = ", ".join(self._binaries) or "none"
        reasons = {
            "tools": f"the host has no {words}",
            "place": f"no folder of the host can hold the program: {words}",
            "write": f"cannot write the program on the host: {words}",
            "unfit": f"no supervisor-sync here runs on the host, {words} (there is: {known}): install it there, "
            "or name a folder with supervisor-sync-linux-MACHINE as `binaries`",
        }
        return reasons.get(at, f"cannot run supervisor-sync on the host: {at} {words}")


@contextmanager
def _unshown(connection: Any) -> Iterator[None]:
    """Has the connection not show with -vvv what the program writes: a log in it can have anything."""
    context = connection._play_context
    before, context.no_log = context.no_log, True
    try:
        yield
    finally:
        context.no_log = before


def read(status: int, stdout: str, stderr: str) -> Answer:
    """What the script and the program have written."""
    answer = Answer(status=status, stderr=stderr)
    for line in stdout.splitlines():
        match = MARK.search(line) if answer.program is None else None
        if match:
            _note(answer, match[1], match[2])
        elif answer.program is not None and line.startswith("{"):
            _add_document(answer, line)
        elif line:
            answer.noise.append(line)
    return answer


def _add_document(answer: Answer, line: str) -> None:
    try:
        answer.documents.append(json.loads(line))
    except ValueError:
        # The program was killed in the middle of it; its status says that it failed.
        answer.noise.append(line)


def _note(answer: Answer, word: str, rest: str) -> None:
    if word == "NEED":
        answer.needed_for = rest
    elif word == "FAIL":
        at, _sep, words = rest.partition(" ")
        answer.gave_up = (at, words)
    else:
        answer.program = rest.split(" ", 2)[2]


def script() -> str:
    """The script as one line, as its own comments say."""
    path = os.path.join(os.path.dirname(__file__), "bootstrap.sh")
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return " ".join(line for line in lines if not line.startswith("#"))
