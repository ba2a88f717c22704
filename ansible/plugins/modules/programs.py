#!/usr/bin/python
# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: programs
short_description: Programs of a site under supervisord
version_added: 0.2.0
author:
  - The authors of supervisor-sync (!UNKNOWN)
description:
  - Makes programs as they are described, all together or none, watches those that it starts, and puts everything back if one does not stay up.
  - Other programs of the site stay as they are, and so does whatever else supervisord runs.
  - The options of O(supervisors[]) are the keys of the inventory of supervisor-sync.
extends_documentation_fragment:
  - supervisor_sync.core.keys.SITE
  - supervisor_sync.core.keys.PROGRAMS
  - supervisor_sync.core.run.CHANGE
  - supervisor_sync.core.run.PROGRAM
  - supervisor_sync.core.run.ATTRIBUTES
options:
  supervisors:
    required: true
  state:
    description:
      - V(present) makes them as they are described. Only what changes is restarted.
      - V(absent) stops and removes them, with their files. Their logs stay unless O(purge_logs).
      - V(restarted), V(started) and V(stopped) are of what was applied before. O(supervisors[].program) is enough for them;
        what O(supervisors[].health) says counts for how long they are watched.
      - What is V(stopped) counts as stopped by hand. V(present) leaves it so unless O(start_stopped).
    type: str
    default: present
    choices: [present, absent, restarted, started, stopped]
  rolling:
    description:
      - With O(state=restarted), so many processes at a time, each healthy before the next.
      - If it is left out, all at once.
    type: int
  groups:
    description: What the groups of its programs have beside them.
    type: list
    elements: dict
    suboptions:
      group:
        description: Its name, as O(supervisors[].group) says it.
        type: str
        required: true
      priority:
        description: Order of start and stop among groups; low ones start first. It may be negative.
        type: int
      file:
        description: The name of the file in O(paths.conf_dir) that its section is in, at the end.
        type: str
seealso:
  - module: supervisor_sync.core.site
  - module: supervisor_sync.core.info
  - module: community.general.supervisorctl
"""

EXAMPLES = r"""
- name: Two programs of a site, as its deployment left it
  supervisor_sync.core.programs:
    domain: shop.example.com
    supervisors:
      - program: queue
        script: queue.sh
        numprocs: 4
        environment: {APP_KEY: "{{ app_key }}"}
      - program: mail
        command: /usr/bin/php artisan queue:work mail
        stopwaitsecs: 120

- name: One of them restarted after a deployment, one process at a time
  supervisor_sync.core.programs:
    domain: shop.example.com
    supervisors:
      - program: queue
    state: restarted
    rolling: 1

- name: The other one gone
  supervisor_sync.core.programs:
    domain: shop.example.com
    supervisors:
      - program: mail
    state: absent
"""

RETURN = r"""
plan:
  description: What was to be done (in check mode, what would be), a plan for each site. Secrets are masked.
  returned: always
  type: list
  elements: dict
  contains:
    site:
      description: The site's domain.
      type: str
    empty:
      description: Whether there was nothing to do.
      type: bool
    groups:
      description: What is done to which group of supervisord, and why.
      type: list
      elements: dict
    files:
      description: Which files change, each with its unified diff.
      type: list
      elements: dict
    fingerprint:
      description: Two plans with the same one do the same.
      type: str
outcome:
  description:
    - How it ended. V(unchanged) and V(applied) are success; every other one fails the task.
    - V(refused) has changed nothing, V(rolled_back) was put back, V(stuck) could not be put back in full.
  returned: always
  type: str
  sample: applied
run:
  description: The run, by which C(supervisor-sync history) and C(rollback) know what was changed.
  returned: when something was changed
  type: str
  sample: 20261130-180501-4f3a
revisions:
  description: The number of each site's new revision.
  returned: when files or groups have changed
  type: dict
  sample: {shop.example.com: 3}
troubles:
  description: Programs that are not as they should be, each with the end of its log.
  returned: when not in check mode
  type: list
  elements: dict
exit_status:
  description: That of C(supervisor-sync).
  returned: on failure
  type: int
  sample: 4
"""
