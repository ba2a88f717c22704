#!/usr/bin/python
# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site
short_description: A whole site under supervisord, or all that deployer.yml has for a host
version_added: 0.2.0
author:
  - The authors of supervisor-sync (!UNKNOWN)
description:
  - Makes a site's programs as they are described, and removes those that it has besides. All together or none, watched, and put back if one
    does not stay up.
  - What is not the site's stays as it is.
  - With O(from_inventory) it does so for every site that this inventory has on the host.
extends_documentation_fragment:
  - supervisor_sync.core.keys.SITE
  - supervisor_sync.core.keys.PROGRAMS
  - supervisor_sync.core.keys.WHOLE
  - supervisor_sync.core.run.CHANGE
  - supervisor_sync.core.run.PROGRAM
  - supervisor_sync.core.run.ATTRIBUTES
options:
  domain:
    description:
      - The site's name, unique. Also the name of its folder on the server.
      - With O(from_inventory) the only site that is meant.
    required: false
  supervisors:
    description:
      - Its programs.
      - An empty list removes all of them.
  from_inventory:
    description:
      - A C(deployer.yml) on the controller, looked for as other files of a task are.
      - What it names besides itself (C(configs), C(environment_file)) counts from its folder. Its C(notify), C(hooks) and C(fleet) are for
        C(supervisor-sync) itself, and not for Ansible.
      - A server without sites in it has nothing to do.
    type: str
  server:
    description:
      - The server of O(from_inventory).
      - If it is left out, the one of the name C(inventory_hostname).
    type: str
  prune:
    description:
      - Whether sites are removed that O(from_inventory) had applied and does not have any more.
      - The inventory needs a C(name) then.
    type: bool
    default: false
seealso:
  - module: supervisor_sync.core.programs
  - module: supervisor_sync.core.info
  - plugin: supervisor_sync.core.deployer_yml
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: A site with its programs, and no others
  supervisor_sync.core.site:
    domain: shop.example.com
    defaults: {stopwaitsecs: 60}
    supervisors:
      - {program: queue, script: queue.sh, numprocs: 4}
      - {program: mail, script: mail.sh, health: {probe: {tcp: "127.0.0.1:8025"}}}

- name: What the inventory has for this host
  supervisor_sync.core.site:
    from_inventory: deployer.yml

- name: A site with an event listener in supervisor's own language
  supervisor_sync.core.site:
    domain: shop.example.com
    supervisors: "{{ shop_programs }}"
    config_texts:
      - name: shop-memmon.conf
        text: "{{ lookup('ansible.builtin.template', 'memmon.conf.j2') }}"
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
    - How it ended; of several sites the gravest. V(unchanged) and V(applied) are success; every other one fails the task.
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
