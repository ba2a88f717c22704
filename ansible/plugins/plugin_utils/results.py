# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of `supervisor-sync --json` as the result of a task.

Secrets are masked in them already, on the host.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor_sync.core.plugins.plugin_utils.far_end import Answer

#: How a site can end, from what nobody has to see to, to the gravest.
OUTCOMES = ("unchanged", "applied", "refused", "interrupted", "rolled_back", "kept", "stuck")

#: What a failure says at its end.
AFTERWARDS = {
    "refused": "nothing was changed",
    "interrupted": "the next apply finishes it",
    "rolled_back": "rolled back: the host is as it was",
    "kept": "left as it is, as asked",
}

#: The exit statuses at which a failure says what became of the host.
ENDS = {1: "refused", 2: "refused", 4: "rolled_back", 5: "stuck", 7: "refused", 130: "interrupted"}

#: The command line is not understood.
USAGE = 2

#: What is done to a group, in a word and with the sign of a plan.
DONE = {
    "add": ("+", "start"),
    "replace": ("~", "restart"),
    "restart": ("~", "restart"),
    "start": ("+", "start"),
    "stop": ("-", "stop"),
    "remove": ("-", "stop and remove"),
    "leave": ("=", "leave"),
}


def of_apply(answer: Answer, diff: bool) -> dict[str, Any]:
    """What an apply, a restart, a start or a stop has come to."""
    sites = [site for document in answer.of_kind("applied") for site in document["sites"]]
    reports = [site["report"] for site in sites if "report" in site]
    ends = [_end(site) for site in sites]
    outcome = max(ends, key=OUTCOMES.index) if ends else _by_status(answer.status)
    # What is as wanted and only not on record is recorded, which changes nothing.
    changed = any(_has_changed(report) for report in reports)
    result = _result([report["plan"] for report in reports], changed, outcome, diff)
    runs = [document["run"] for document in answer.of_kind("applied") if "run" in document]
    if runs and outcome not in ("unchanged", "refused"):
        result["run"] = runs[-1]
    revisions = {
        report["site"]: report["outcome"]["revision"]
        for report in reports
        if report["outcome"].get("revision") is not None
    }
    if revisions:
        result["revisions"] = revisions
    result["troubles"] = [trouble for report in reports for trouble in report["troubles"]]
    told = [document["text"] for document in answer.of_kind("event") if document.get("event") == "warning"]
    result["warnings"] = _once(result["warnings"] + told)
    return _with_failure(result, answer, [why for site in sites for why in _why(site)])


def of_plan(answer: Answer, diff: bool) -> dict[str, Any]:
    """What one would do."""
    planned = [site for document in answer.of_kind("plan") for site in document["sites"]]
    plans = [site["plan"] for site in planned if "plan" in site]
    refused = [one for document in answer.of_kind("plan") for one in document.get("refused", [])]
    would_change = any(not plan["empty"] for plan in plans) and not refused
    outcome = "refused" if answer.status else "applied" if would_change else "unchanged"
    result = _result(plans, would_change, outcome, diff)
    why = [f"{one['site']}: {one['message']} ({one['hint']})" for one in refused]
    why += [f"{site['site']}: {_told(site['error'])}" for site in planned if "error" in site]
    return _with_failure(result, answer, why)


def failure_of(answer: Answer) -> str:
    """What went wrong beside single sites."""
    told = [_told(document["error"]) for document in answer.of_kind("error")]
    for document in answer.of_kind("problems"):
        told += [_problem(problem) for problem in document["problems"]]
        if document["not_shown"]:
            told.append(f"and {document['not_shown']} more")
    if not told:
        last = [line for line in answer.stderr.splitlines() if line.strip()][-5:]
        told = last or [f"supervisor-sync ended with status {answer.status}"]
    if answer.status == USAGE and answer.needed_for is not None:
        told.append(f"{answer.program} on the host is perhaps of another release than this collection")
    return "\n".join(told)


def _result(plans: list[dict[str, Any]], changed: bool, outcome: str, diff: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "changed": changed,
        "plan": plans,
        "outcome": outcome,
        "warnings": _once([text for plan in plans for text in plan["warnings"]]),
    }
    if diff:
        result["diff"] = [{"prepared": _prepared(plan)} for plan in plans if not plan["empty"]]
    return result


def _with_failure(result: dict[str, Any], answer: Answer, why: list[str]) -> dict[str, Any]:
    if answer.status == 0 and not why:
        return result
    lines = why or [failure_of(answer)]
    end = AFTERWARDS.get(result["outcome"])
    result["failed"] = True
    result["msg"] = "\n".join([*lines, *([end] if end else [])])
    result["exit_status"] = answer.status
    return result


def _end(site: dict[str, Any]) -> str:
    return site["report"]["outcome"]["outcome"] if "report" in site else "refused"


def _has_changed(report: dict[str, Any]) -> bool:
    end = report["outcome"]["outcome"]
    return end in ("applied", "kept", "stuck", "interrupted") and not report["plan"]["empty"]


def _by_status(status: int) -> str:
    return ENDS.get(status, "stuck") if status else "unchanged"


def _why(site: dict[str, Any]) -> list[str]:
    """Why a site failed, with the ends of the logs of the programs that are to blame."""
    if "error" in site:
        return [f"{site['site']}: {_told(site['error'])}"]
    report = site["report"]
    cause = report["outcome"].get("cause")
    if cause is None:
        return []
    lines = [f"{site['site']}: {_told(cause)}"]
    for trouble in report["troubles"]:
        lines.append(f"{trouble['process']} {trouble['reason']}")
        lines += [f"  | {line}" for line in trouble["log"]]
    lines += [f"could not be put back: {text}" for text in report["outcome"].get("undo_errors", [])]
    return lines


def _told(error: dict[str, Any]) -> str:
    """An error in a line, and what can be done about it in those below."""
    message = ": ".join([error["message"], *error["causes"]])
    return "\n".join([message, *(f"hint: {hint}" for hint in error["hints"])])


def _problem(problem: dict[str, Any]) -> str:
    """A problem of the inventory. Its line is one of what was sent, so it is shown and not counted."""
    helped = "".join(f" ({text})" for text in problem["help"])
    return f"{problem['message']}: {problem['text'].strip()}{helped}"


def _prepared(plan: dict[str, Any]) -> str:
    """A plan as `--diff` shows it."""
    lines = [plan["site"]]
    for group in plan["groups"]:
        sign, done = DONE.get(group["do"], ("~", group["do"]))
        lines.append(f"  {sign} {group['group']}  {done}: {_reason(group)}")
    lines += [f"  + {folder}" for folder in plan["folders"]]
    lines += [f"  - {log}" for log in plan.get("logs", [])]
    for file in plan["files"]:
        lines.append(f"{file['change'].replace('_', ' ')} {file['path']}")
        lines += file["diff"].splitlines()
    return "\n".join(lines) + "\n"


def _reason(group: dict[str, Any]) -> str:
    settings = [_setting(setting) for setting in group.get("settings", [])]
    why = ", ".join(settings) or group["why"].replace("_", " ")
    return why + (f" (up to {group['stop_seconds']} s to stop)" if group["running"] else "")


def _setting(setting: dict[str, Any]) -> str:
    if "before" in setting or "after" in setting:
        return f"{setting['name']} {setting.get('before')} -> {setting.get('after')}"
    return f"{setting['name']} changed"


def _once(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))
