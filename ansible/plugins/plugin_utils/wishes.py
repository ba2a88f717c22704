# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants as an inventory of one host, which needs no file beside it."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.supervisor_sync.core.plugins.plugin_utils import keys

#: What the host of a task is called in its inventory, and what an inventory that is none of a file is called.
HERE = "here"
NAME = "ansible"

#: The keys of an inventory's top level that hold for every site.
OF_ALL_SITES = ("defaults", "format", "config_files", "user", "paths", "lint")

#: The names of variables whose values are kept out of results, also where a program has written them to its log;
#: and how long a value is at least: a shorter one is in many words.
SECRET = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH|DSN|URL|URI", re.IGNORECASE)
SHORTEST_SECRET = 6

#: A name in an `environment_file`.
VARIABLE = re.compile(r"[A-Za-z0-9_]+")


def inventory(sites: list[dict[str, Any]], top: dict[str, Any] | None = None) -> dict[str, Any]:
    """These sites on this machine, as whoever Ansible has become there."""
    server = {"name": HERE, "host": "localhost", "connection": "local", "privilege": "none"}
    placed = [{**site, "server": HERE} for site in sites]
    return {"name": NAME, **(top or {}), "servers": [server], "sites": placed}


def site(arguments: dict[str, Any], folder: str) -> dict[str, Any]:
    """The site that the arguments describe. Files that they name lie in `folder` or below it."""
    names = {**keys.SITE, **keys.PROGRAMS, **keys.WHOLE}
    chosen = {name: arguments.get(name) for name in names}
    return self_contained(as_typed(chosen), folder)


def as_typed(value: Any) -> Any:
    """Validated arguments as the inventory has them: what was not set is not there, and what only a template
    has made text is no text."""
    if isinstance(value, dict):
        return {name: _value(name, one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [as_typed(one) for one in value]
    return value


def _value(name: str, value: Any) -> Any:
    if name == "environment":
        return {variable: _plain(one) for variable, one in value.items()}
    if name in ("rotate", "user") and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return as_typed(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)


def self_contained(entry: dict[str, Any], folder: str) -> dict[str, Any]:
    """A site with what its files beside the inventory say in their place.

    What is no list where one should be is left to supervisor-sync, which says so.
    """
    entry = dict(entry)
    if isinstance(entry.get("configs"), list):
        texts = list(entry.get("config_texts") or [])
        for pattern in entry.pop("configs"):
            texts += [{"name": os.path.basename(path), "text": _text(path)} for path in _matching(folder, str(pattern))]
        entry["config_texts"] = texts
    if entry.get("defaults"):
        entry["defaults"] = with_environment(entry["defaults"], folder)
    if isinstance(entry.get("supervisors"), list):
        entry["supervisors"] = [with_environment(one, folder) for one in entry["supervisors"]]
    return entry


def with_environment(program: Any, folder: str) -> Any:
    """A program, or defaults, with the variables of its `environment_file`; its own go before them."""
    if not isinstance(program, dict) or not program.get("environment_file"):
        return program
    program = dict(program)
    path = os.path.join(folder, program.pop("environment_file"))
    program["environment"] = {**_variables(path), **(program.get("environment") or {})}
    return program


def secrets(request: dict[str, Any]) -> set[str]:
    """The values of an inventory that must not be told, whoever tells them."""
    sites = request.get("sites", [])
    programs = [one for site in sites for one in [site.get("defaults"), *(site.get("supervisors") or [])]]
    programs.append(request.get("defaults"))
    environments = [one.get("environment") for one in programs if isinstance(one, dict)]
    variables = [pair for one in environments if isinstance(one, dict) for pair in one.items()]
    values = {str(value) for name, value in variables if SECRET.search(str(name))}
    return {value for value in values if len(value) >= SHORTEST_SECRET}


def _variables(path: str) -> dict[str, str]:
    """The variables of a file; no message has a part of a value."""
    variables: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        name, value = name.rstrip(), value.strip()
        if not equals or not VARIABLE.fullmatch(name):
            raise AnsibleActionFail(f"environment_file {path}, line {number}: must be `NAME=value`")
        for quote in "'\"":
            if len(value) > 1 and value[0] == value[-1] == quote:
                value = value[1:-1]
                break
        variables[name] = value
    return variables


def _matching(folder: str, pattern: str) -> list[str]:
    """The files that a pattern of `*` and `?` finds; neither stands for a dot at the beginning."""
    below, name = os.path.split(os.path.join(folder, pattern))
    try:
        there = sorted(os.listdir(below))
    except OSError as error:
        raise AnsibleActionFail(f"configs: cannot look for {pattern}: {error}") from error
    wanted = name.replace("[", "[[]")
    found = [one for one in there if fnmatch.fnmatchcase(one, wanted) and (one[0] != "." or name[:1] == ".")]
    if not found:
        raise AnsibleActionFail(f"configs: there is no file {pattern} (paths count from {folder})")
    return [os.path.join(below, one) for one in found]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleActionFail(f"cannot read {path}: {error}") from error
