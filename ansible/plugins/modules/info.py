#!/usr/bin/python
# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: info
short_description: What supervisor-sync has applied on a host, and how it is
version_added: 0.2.0
author:
  - The authors of supervisor-sync (!UNKNOWN)
description:
  - Tells what was applied on a host and what runs there. Changes nothing.
  - With O(supervisors) it tells how a site is beside how it should be, as C(supervisor-sync status) does.
extends_documentation_fragment:
  - supervisor_sync.core.keys.SITE
  - supervisor_sync.core.keys.PROGRAMS
  - supervisor_sync.core.keys.WHOLE
  - supervisor_sync.core.run.PROGRAM
  - supervisor_sync.core.run.ATTRIBUTES
options:
  domain:
    description:
      - The site's name, needed with O(supervisors).
      - Without them the only site that is told of.
    required: false
  supervisors:
    description:
      - Its programs as they should be.
      - If they are left out, what was applied last is what should be.
  watch:
    description: For how many seconds a program that has just come up again is looked at, for whether it does so once more.
    type: int
    default: 0
  deep:
    description: With O(supervisors), whether supervisord also compares all of its files with what it runs, which takes seconds where there are many.
    type: bool
    default: false
seealso:
  - module: supervisor_sync.core.site
"""

EXAMPLES = r"""
- name: What was applied here
  supervisor_sync.core.info:
  register: programs

- name: Every program of the shop is healthy
  ansible.builtin.assert:
    that: item.value.healthy_processes == item.value.wanted_processes
  loop: "{{ programs.applied['shop.example.com'].programs | dict2items }}"

- name: The shop beside how it should be
  supervisor_sync.core.info:
    domain: shop.example.com
    supervisors: "{{ shop_programs }}"
  register: shop
  failed_when: not shop.as_wanted
"""

RETURN = r"""
applied:
  description: Each site on record with its last revision and its programs.
  returned: without O(supervisors)
  type: dict
  sample:
    shop.example.com:
      revision: 3
      programs:
        queue: {wanted_processes: 4, healthy_processes: 4, drift: 0, restarts_seen: 0}
processes:
  description: All processes of that supervisord.
  returned: without O(supervisors)
  type: list
  elements: dict
  sample:
    - {group: shop.example.com-mail, name: shop.example.com-mail, state: RUNNING}
supervisord_up:
  description: Whether supervisord answers.
  returned: without O(supervisors)
  type: bool
as_wanted:
  description: Whether the site is as it should be, without drift and healthy.
  returned: with O(supervisors)
  type: bool
sites:
  description: The site with its programs, their processes, how healthy they are and how they have drifted.
  returned: with O(supervisors)
  type: list
  elements: dict
exit_status:
  description: That of C(supervisor-sync).
  returned: on failure
  type: int
"""
