# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the modules have in common beside the keys of the inventory."""

    PROGRAM = r"""
options:
  binary:
    description:
      - The C(supervisor-sync) on the controller that is brought to hosts of the same kind of machine.
      - If it is left out, the one on the C(PATH).
    type: path
  binaries:
    description:
      - A folder with C(supervisor-sync-linux-MACHINE) for hosts of other machines, as C(uname -m) calls them.
      - Those beside the binary and in V(/usr/lib/supervisor-sync) are found without it.
    type: path
"""

    CHANGE = r"""
options:
  verify:
    description:
      - Whether what was started is watched until it is healthy.
      - Without it a program that does not stay up is not noticed.
    type: bool
    default: true
  rollback:
    description: Whether a failed apply is put back. V(false) leaves it as it is, for inspection.
    type: bool
    default: true
  restart:
    description:
      - Which programs are restarted by an apply. V(changed) are those whose configuration changes.
      - With V(all) each is restarted once, and with V(none) none, so that the next restart takes a change up.
    type: str
    default: changed
    choices: [changed, all, none]
  start_stopped:
    description: Whether what somebody has stopped by hand is started, too.
    type: bool
    default: false
  purge_logs:
    description: Whether the logs of programs that are removed are removed, too. They do not come back.
    type: bool
    default: false
  allow:
    description: What is done in spite of a refusal, by the name in its hint.
    type: list
    elements: str
    choices: [missing-code, foreign-file]
    default: []
  lock_wait:
    description: For how many seconds another apply on the same host is waited for.
    type: int
    default: 600
  message:
    description:
      - Why it is done, for C(supervisor-sync history).
      - If it is left out, the name of the task.
    type: str
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would change, without changing it.
    support: full
  diff_mode:
    description: Returns the plan with the diffs of files when in C(diff) mode. Secrets are masked.
    support: full
  platform:
    description: The systems of hosts.
    platforms: linux
    support: full
  action:
    description: The work is done by an action plugin on the controller, in one command on the host.
    support: full
  async:
    description: Cannot be run with C(async). What drains for hours goes on by itself if the connection is lost.
    support: none
requirements:
  - No Python on the host.
  - A shell and C(sha256sum) on the host.
  - C(supervisor-sync) on the controller, or on the host.
  - A connection plugin that passes data to a command (C(ssh), C(local), C(docker), C(podman)).
"""
