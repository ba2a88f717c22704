# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made from the tables of supervisor-sync: UPDATE_DOCS=1 cargo test --lib published."""

from __future__ import annotations


class ModuleDocFragment:
    """The keys of the inventory as options."""

    SITE = r"""
options:
  domain:
    description:
      - 'The site''s name, unique. Also the name of its folder on the server.'
    type: str
    required: true
  defaults:
    description:
      - 'Options for every program: all keys of a program except V(program), V(as), V(file),
        V(script) and V(command).'
      - 'If it is left out: none.'
    type: dict
    suboptions:
      autostart:
        description:
          - 'Start it together with supervisord.'
          - 'If it is left out: V(true).'
        type: bool
      autorestart:
        description:
          - 'Start it again when it ends: V(true), V(false), or V(unexpected) (only after an exit
            status that is not in V(exitcodes)).'
          - 'If it is left out: V(true).'
        type: str
        choices:
          - 'true'
          - 'false'
          - 'unexpected'
      stopwaitsecs:
        description:
          - 'Seconds it gets to stop before it is killed, at least 1.'
          - 'If it is left out: V(3600).'
        type: int
      numprocs:
        description:
          - 'How many processes, 1 to 1000.'
          - 'If it is left out: V(1).'
        type: int
      directory:
        description:
          - 'Working folder, an absolute path, or V(none): then it is the one of supervisord.'
          - 'If it is left out: the site''s V(current); in V(plain) V(none).'
        type: str
      user:
        description:
          - 'Whom it runs as: a name or an id of a user of the server.'
          - 'If it is left out: the site''s V(user).'
        type: raw
      startsecs:
        description:
          - 'Seconds it must stay up to count as started.'
          - 'If it is left out: supervisord''s (1).'
        type: int
      startretries:
        description:
          - 'Failed starts in a row before supervisord gives up.'
          - 'If it is left out: supervisord''s (3).'
        type: int
      stopsignal:
        description:
          - 'What it is stopped with: V(TERM), V(INT), V(QUIT), V(USR1), V(WINCH) or any other
            signal by its name.'
          - 'If it is left out: supervisord''s (V(TERM)).'
        type: str
      stopasgroup:
        description:
          - 'Send the stop signal to its child processes too.'
          - 'If it is left out: V(true) in V(hardened), supervisord''s (V(false)) in V(classic).'
        type: bool
      killasgroup:
        description:
          - 'Kill its child processes too. V(false) beside V(stopasgroup: true) is refused, because
            supervisord would refuse the whole server''s configuration.'
          - 'If it is left out: follows V(stopasgroup).'
        type: bool
      exitcodes:
        description:
          - 'Exit statuses that are expected: V([0, 2]), or one number.'
          - 'If it is left out: supervisord''s (0).'
        type: list
        elements: int
      priority:
        description:
          - 'Order of start and stop; low ones start first. It may be negative.'
          - 'If it is left out: supervisord''s (999).'
        type: int
      umask:
        description:
          - 'Octal digits in quotes: V("022").'
          - 'If it is left out: supervisord''s.'
        type: str
      environment:
        description:
          - 'Variables: a map of names and values.'
          - 'If it is left out: none.'
        type: dict
      environment_file:
        description:
          - 'A file of V(NAME=value) lines with more of them, read where the inventory is. Its path
            counts from the inventory''s folder. V(environment) goes before it.'
          - 'If it is left out: none.'
        type: str
      expansions:
        description:
          - 'V(%(NAME\)s) in its values is supervisord''s to expand, and V(%%) is a V(%). Otherwise
            a V(%) means itself.'
          - 'If it is left out: V(false).'
        type: bool
      options:
        description:
          - 'Any other option of supervisord''s, by its own name.'
          - 'If it is left out: none.'
        type: dict
        suboptions:
          process_name:
            description:
              - 'How its processes are called. With V(numprocs) above 1 it must contain
                V(%(process_num\)), which takes V(expansions: true).'
              - 'If it is left out: V(%(program_name\)s), with V(_%(process_num\)02d) where there
                are several.'
            type: str
          numprocs_start:
            description:
              - 'The number of the first process.'
              - 'If it is left out: 0.'
            type: int
          redirect_stderr:
            description:
              - 'Whether stderr goes where stdout goes.'
              - 'If it is left out: V(true) in V(hardened), else V(false).'
            type: bool
          stdout_logfile_maxbytes:
            description:
              - 'supervisord rotates the log when it is larger; 0 for never. Needs V(logs: {rotate:
                supervisord}).'
              - 'If it is left out: 50MB.'
            type: str
          stdout_logfile_backups:
            description:
              - 'How many rotated logs supervisord keeps.'
              - 'If it is left out: 10.'
            type: int
          stdout_capture_maxbytes:
            description:
              - 'What is kept of a communication event.'
              - 'If it is left out: 0.'
            type: str
          stdout_events_enabled:
            description:
              - 'Output makes events.'
              - 'If it is left out: V(false).'
            type: bool
          stdout_syslog:
            description:
              - 'Output goes to syslog as well.'
              - 'If it is left out: V(false).'
            type: bool
          stderr_logfile_maxbytes:
            description:
              - 'As for stdout. Needs V(logs: {rotate: supervisord}).'
              - 'If it is left out: 50MB.'
            type: str
          stderr_logfile_backups:
            description:
              - 'As for stdout.'
              - 'If it is left out: 10.'
            type: int
          stderr_capture_maxbytes:
            description:
              - 'As for stdout.'
              - 'If it is left out: 0.'
            type: str
          stderr_events_enabled:
            description:
              - 'As for stdout.'
              - 'If it is left out: V(false).'
            type: bool
          stderr_syslog:
            description:
              - 'As for stdout.'
              - 'If it is left out: V(false).'
            type: bool
          serverurl:
            description:
              - 'What V(SUPERVISOR_SERVER_URL) says to its processes, or V(AUTO).'
              - 'If it is left out: V(AUTO).'
            type: str
          command:
            description:
              - 'Instead of the key V(command): a command of several lines, which is one command all
                the same.'
            type: str
          stopwaitsecs:
            description:
              - '0, which the key V(stopwaitsecs) does not take: it is killed at once.'
            type: int
          directory:
            description:
              - 'A relative path, which the key V(directory) does not take: it counts from the
                folder in which supervisord was started.'
            type: str
          stdout_logfile:
            description:
              - 'A relative path, or one below V(~), which V(path) of V(logs) does not take.'
            type: str
          stderr_logfile:
            description:
              - 'A relative path, or one below V(~), which V(stderr) of V(logs) does not take.'
            type: str
      logs:
        description:
          - 'Where its output goes, and how it is rotated.'
        type: dict
        suboptions:
          path:
            description:
              - 'Where stdout goes: a file, a device such as V(/dev/stdout), V(NONE), V(AUTO) or
                V(syslog).'
              - 'If it is left out: V({log_dir}/{its name in supervisord}.log); in V(plain)
                supervisord''s (V(AUTO)).'
            type: str
          stderr:
            description:
              - 'Where stderr goes, if not where stdout goes.'
              - 'If it is left out: with stdout; in V(plain) supervisord''s (V(AUTO)).'
            type: str
          rotate:
            description:
              - 'Who rotates: V(logrotate), V(supervisord) or V(none). A number is how many rotated
                logs logrotate keeps.'
              - 'If it is left out: V(5) by logrotate; in V(plain) V(supervisord).'
            type: raw
          maxage:
            description:
              - 'Days after which a rotated log is removed.'
              - 'If it is left out: V(30).'
            type: int
          size:
            description:
              - 'Rotate early when the log is larger: bytes, or V(100k), V(100M), V(1G) (powers of
                1024).'
              - 'If it is left out: no limit; where supervisord rotates, its own (50 MiB).'
            type: str
          frequency:
            description:
              - 'V(hourly), V(daily), V(weekly) or V(monthly).'
              - 'If it is left out: V(daily).'
            type: str
            choices:
              - 'hourly'
              - 'daily'
              - 'weekly'
              - 'monthly'
          compress:
            description:
              - 'Compress rotated logs.'
              - 'If it is left out: V(true).'
            type: bool
      instances:
        description:
          - 'V(separate) writes a section for each process, so that going from 4 to 6 starts two and
            restarts none.'
          - 'If it is left out: V(together).'
        type: str
        choices:
          - 'together'
          - 'separate'
      restart:
        description:
          - 'How a change reaches running processes: V(immediate) (all at once), V(rolling) (one at
            a time; an undo is at once), V(deferred) (with the next restart). What is not wanted any
            more stops in any case.'
          - 'If it is left out: V(immediate).'
        type: str
        choices:
          - 'immediate'
          - 'rolling'
          - 'deferred'
      health:
        description:
          - 'When it counts as healthy after an apply.'
        type: dict
        suboptions:
          stable_for:
            description:
              - 'Seconds it must run on without a restart.'
              - 'If it is left out: V(startsecs), at least 2.'
            type: int
          probe:
            description:
              - 'A question to ask afterwards: exactly one of the three below.'
              - 'If it is left out: none.'
            type: dict
            suboptions:
              http:
                description:
                  - 'An V(http://) address, asked from the server itself. Any status below 400 is
                    healthy.'
                type: str
              tcp:
                description:
                  - 'V(host:port); a connection is enough.'
                type: str
              exec:
                description:
                  - 'A command; exit status 0 is healthy.'
                type: str
              timeout:
                description:
                  - 'Seconds until the probe counts as failed.'
                  - 'If it is left out: V(10).'
                type: int
      lint:
        description:
          - 'Which checks of V(check) say nothing about it. Those that V(defaults) name count as
            well.'
          - 'If it is left out: none.'
        type: dict
        suboptions:
          allow:
            description:
              - 'Checks that say nothing here, by their names: checks.md.'
              - 'If it is left out: none.'
            type: list
            elements: str
            choices:
              - 'startsecs-zero'
              - 'shell-without-exec'
              - 'stopwaitsecs-short'
              - 'shared-log'
              - 'fixed-port'
              - 'shell-syntax'
              - 'missing-shebang'
              - 'crlf-shebang'
              - 'background-process'
              - 'busy-loop'
              - 'user-root'
              - 'plain-secret'
              - 'missing-command'
              - 'missing-directory'
              - 'unused-allow'
  format:
    description:
      - 'V(classic) writes exactly the files that DeployerPHP''s script writes; V(hardened) adds the
        lines that prevent known failures; V(plain) writes what the entry says, and for the rest
        supervisord''s defaults count.'
      - 'If it is left out: V(hardened).'
    type: str
    choices:
      - 'classic'
      - 'hardened'
      - 'plain'
  config_files:
    description:
      - 'V(per-site) writes the supervisor configs of a site''s programs into one file,
        V({domain}.conf): on a host with hundreds of programs supervisord rereads many times faster.
        Going from one to the other restarts nothing. Not with V(format: classic).'
      - 'If it is left out: V(per-program).'
    type: str
    choices:
      - 'per-program'
      - 'per-site'
  user:
    description:
      - 'Whom programs run as: a name or an id of a user of the server.'
      - 'If it is left out: V(deployer).'
    type: raw
  paths:
    description:
      - 'Where things are on the server.'
    type: dict
    suboptions:
      sites:
        description:
          - 'Folder of the sites.'
          - 'If it is left out: V(/home/deployer/sites).'
        type: str
      conf_dir:
        description:
          - 'Folder of supervisord''s program files. They end in V(.conf), or in V(.ini) where its
            V([include]) reads nothing else there.'
          - 'If it is left out: V(/etc/supervisor/conf.d).'
        type: str
      logrotate_dir:
        description:
          - 'Folder of logrotate''s files.'
          - 'If it is left out: V(/etc/logrotate.d).'
        type: str
      log_dir:
        description:
          - 'Folder of the logs.'
          - 'If it is left out: V(/var/log/supervisor).'
        type: str
      supervisord:
        description:
          - 'supervisord''s main config. Its socket is read from it and from the files it includes;
            where they differ, or nobody answers there, it is looked at where the process that runs
            with this file listens.'
          - 'If it is left out: found automatically.'
        type: str
      state_dir:
        description:
          - 'Where locks and revisions are kept on the server. It and every folder above it must be
            root''s or the user''s own, and nobody else''s to write to: security.md.'
          - 'If it is left out: V(/var/lib/supervisor-sync) for root, else
            V($XDG_STATE_HOME/supervisor-sync).'
        type: str
  lint:
    description:
      - 'Which checks of V(check) say nothing here.'
      - 'If it is left out: none.'
    type: dict
    suboptions:
      allow:
        description:
          - 'Checks that say nothing here, by their names: checks.md.'
          - 'If it is left out: none.'
        type: list
        elements: str
        choices:
          - 'startsecs-zero'
          - 'shell-without-exec'
          - 'stopwaitsecs-short'
          - 'shared-log'
          - 'fixed-port'
          - 'shell-syntax'
          - 'missing-shebang'
          - 'crlf-shebang'
          - 'background-process'
          - 'busy-loop'
          - 'user-root'
          - 'plain-secret'
          - 'missing-command'
          - 'missing-directory'
          - 'unused-allow'
"""

    PROGRAMS = r"""
options:
  supervisors:
    description:
      - 'Its programs.'
      - 'If it is left out: the site is left alone.'
    type: list
    elements: dict
    suboptions:
      program:
        description:
          - 'Its name within the site: letters, digits, V(_) and V(-).'
        type: str
        required: true
      as:
        description:
          - 'Its name in supervisord, also that of its log: letters, digits and any of V(. - _ + @
            =). No other program of the server may have it.'
          - 'If it is left out: V({domain}-{program}).'
        type: str
      file:
        description:
          - 'The name of the file in V(conf_dir) that it is in. Several programs of a site may share
            one. Going from one file to another restarts nothing.'
          - 'If it is left out: its name in supervisord, and V(.conf).'
        type: str
      group:
        description:
          - 'The group of supervisord that it is in, with every program of the site that names it.
            supervisord stops and starts a group as a whole.'
          - 'If it is left out: one of its own.'
        type: str
      script:
        description:
          - 'A script below V(.deployer/supervisors/) of the live release, run through the site''s
            V(runner.sh). A relative path without V(..).'
        type: str
      command:
        description:
          - 'Instead of V(script): a command line, run as it is, without V(runner.sh).'
        type: str
      autostart:
        description:
          - 'Start it together with supervisord.'
          - 'If it is left out: V(true).'
        type: bool
      autorestart:
        description:
          - 'Start it again when it ends: V(true), V(false), or V(unexpected) (only after an exit
            status that is not in V(exitcodes)).'
          - 'If it is left out: V(true).'
        type: str
        choices:
          - 'true'
          - 'false'
          - 'unexpected'
      stopwaitsecs:
        description:
          - 'Seconds it gets to stop before it is killed, at least 1.'
          - 'If it is left out: V(3600).'
        type: int
      numprocs:
        description:
          - 'How many processes, 1 to 1000.'
          - 'If it is left out: V(1).'
        type: int
      directory:
        description:
          - 'Working folder, an absolute path, or V(none): then it is the one of supervisord.'
          - 'If it is left out: the site''s V(current); in V(plain) V(none).'
        type: str
      user:
        description:
          - 'Whom it runs as: a name or an id of a user of the server.'
          - 'If it is left out: the site''s V(user).'
        type: raw
      startsecs:
        description:
          - 'Seconds it must stay up to count as started.'
          - 'If it is left out: supervisord''s (1).'
        type: int
      startretries:
        description:
          - 'Failed starts in a row before supervisord gives up.'
          - 'If it is left out: supervisord''s (3).'
        type: int
      stopsignal:
        description:
          - 'What it is stopped with: V(TERM), V(INT), V(QUIT), V(USR1), V(WINCH) or any other
            signal by its name.'
          - 'If it is left out: supervisord''s (V(TERM)).'
        type: str
      stopasgroup:
        description:
          - 'Send the stop signal to its child processes too.'
          - 'If it is left out: V(true) in V(hardened), supervisord''s (V(false)) in V(classic).'
        type: bool
      killasgroup:
        description:
          - 'Kill its child processes too. V(false) beside V(stopasgroup: true) is refused, because
            supervisord would refuse the whole server''s configuration.'
          - 'If it is left out: follows V(stopasgroup).'
        type: bool
      exitcodes:
        description:
          - 'Exit statuses that are expected: V([0, 2]), or one number.'
          - 'If it is left out: supervisord''s (0).'
        type: list
        elements: int
      priority:
        description:
          - 'Order of start and stop; low ones start first. It may be negative.'
          - 'If it is left out: supervisord''s (999).'
        type: int
      umask:
        description:
          - 'Octal digits in quotes: V("022").'
          - 'If it is left out: supervisord''s.'
        type: str
      environment:
        description:
          - 'Variables: a map of names and values.'
          - 'If it is left out: none.'
        type: dict
      environment_file:
        description:
          - 'A file of V(NAME=value) lines with more of them, read where the inventory is. Its path
            counts from the inventory''s folder. V(environment) goes before it.'
          - 'If it is left out: none.'
        type: str
      expansions:
        description:
          - 'V(%(NAME\)s) in its values is supervisord''s to expand, and V(%%) is a V(%). Otherwise
            a V(%) means itself.'
          - 'If it is left out: V(false).'
        type: bool
      options:
        description:
          - 'Any other option of supervisord''s, by its own name.'
          - 'If it is left out: none.'
        type: dict
        suboptions:
          process_name:
            description:
              - 'How its processes are called. With V(numprocs) above 1 it must contain
                V(%(process_num\)), which takes V(expansions: true).'
              - 'If it is left out: V(%(program_name\)s), with V(_%(process_num\)02d) where there
                are several.'
            type: str
          numprocs_start:
            description:
              - 'The number of the first process.'
              - 'If it is left out: 0.'
            type: int
          redirect_stderr:
            description:
              - 'Whether stderr goes where stdout goes.'
              - 'If it is left out: V(true) in V(hardened), else V(false).'
            type: bool
          stdout_logfile_maxbytes:
            description:
              - 'supervisord rotates the log when it is larger; 0 for never. Needs V(logs: {rotate:
                supervisord}).'
              - 'If it is left out: 50MB.'
            type: str
          stdout_logfile_backups:
            description:
              - 'How many rotated logs supervisord keeps.'
              - 'If it is left out: 10.'
            type: int
          stdout_capture_maxbytes:
            description:
              - 'What is kept of a communication event.'
              - 'If it is left out: 0.'
            type: str
          stdout_events_enabled:
            description:
              - 'Output makes events.'
              - 'If it is left out: V(false).'
            type: bool
          stdout_syslog:
            description:
              - 'Output goes to syslog as well.'
              - 'If it is left out: V(false).'
            type: bool
          stderr_logfile_maxbytes:
            description:
              - 'As for stdout. Needs V(logs: {rotate: supervisord}).'
              - 'If it is left out: 50MB.'
            type: str
          stderr_logfile_backups:
            description:
              - 'As for stdout.'
              - 'If it is left out: 10.'
            type: int
          stderr_capture_maxbytes:
            description:
              - 'As for stdout.'
              - 'If it is left out: 0.'
            type: str
          stderr_events_enabled:
            description:
              - 'As for stdout.'
              - 'If it is left out: V(false).'
            type: bool
          stderr_syslog:
            description:
              - 'As for stdout.'
              - 'If it is left out: V(false).'
            type: bool
          serverurl:
            description:
              - 'What V(SUPERVISOR_SERVER_URL) says to its processes, or V(AUTO).'
              - 'If it is left out: V(AUTO).'
            type: str
          command:
            description:
              - 'Instead of the key V(command): a command of several lines, which is one command all
                the same.'
            type: str
          stopwaitsecs:
            description:
              - '0, which the key V(stopwaitsecs) does not take: it is killed at once.'
            type: int
          directory:
            description:
              - 'A relative path, which the key V(directory) does not take: it counts from the
                folder in which supervisord was started.'
            type: str
          stdout_logfile:
            description:
              - 'A relative path, or one below V(~), which V(path) of V(logs) does not take.'
            type: str
          stderr_logfile:
            description:
              - 'A relative path, or one below V(~), which V(stderr) of V(logs) does not take.'
            type: str
      logs:
        description:
          - 'Where its output goes, and how it is rotated.'
        type: dict
        suboptions:
          path:
            description:
              - 'Where stdout goes: a file, a device such as V(/dev/stdout), V(NONE), V(AUTO) or
                V(syslog).'
              - 'If it is left out: V({log_dir}/{its name in supervisord}.log); in V(plain)
                supervisord''s (V(AUTO)).'
            type: str
          stderr:
            description:
              - 'Where stderr goes, if not where stdout goes.'
              - 'If it is left out: with stdout; in V(plain) supervisord''s (V(AUTO)).'
            type: str
          rotate:
            description:
              - 'Who rotates: V(logrotate), V(supervisord) or V(none). A number is how many rotated
                logs logrotate keeps.'
              - 'If it is left out: V(5) by logrotate; in V(plain) V(supervisord).'
            type: raw
          maxage:
            description:
              - 'Days after which a rotated log is removed.'
              - 'If it is left out: V(30).'
            type: int
          size:
            description:
              - 'Rotate early when the log is larger: bytes, or V(100k), V(100M), V(1G) (powers of
                1024).'
              - 'If it is left out: no limit; where supervisord rotates, its own (50 MiB).'
            type: str
          frequency:
            description:
              - 'V(hourly), V(daily), V(weekly) or V(monthly).'
              - 'If it is left out: V(daily).'
            type: str
            choices:
              - 'hourly'
              - 'daily'
              - 'weekly'
              - 'monthly'
          compress:
            description:
              - 'Compress rotated logs.'
              - 'If it is left out: V(true).'
            type: bool
      instances:
        description:
          - 'V(separate) writes a section for each process, so that going from 4 to 6 starts two and
            restarts none.'
          - 'If it is left out: V(together).'
        type: str
        choices:
          - 'together'
          - 'separate'
      restart:
        description:
          - 'How a change reaches running processes: V(immediate) (all at once), V(rolling) (one at
            a time; an undo is at once), V(deferred) (with the next restart). What is not wanted any
            more stops in any case.'
          - 'If it is left out: V(immediate).'
        type: str
        choices:
          - 'immediate'
          - 'rolling'
          - 'deferred'
      health:
        description:
          - 'When it counts as healthy after an apply.'
        type: dict
        suboptions:
          stable_for:
            description:
              - 'Seconds it must run on without a restart.'
              - 'If it is left out: V(startsecs), at least 2.'
            type: int
          probe:
            description:
              - 'A question to ask afterwards: exactly one of the three below.'
              - 'If it is left out: none.'
            type: dict
            suboptions:
              http:
                description:
                  - 'An V(http://) address, asked from the server itself. Any status below 400 is
                    healthy.'
                type: str
              tcp:
                description:
                  - 'V(host:port); a connection is enough.'
                type: str
              exec:
                description:
                  - 'A command; exit status 0 is healthy.'
                type: str
              timeout:
                description:
                  - 'Seconds until the probe counts as failed.'
                  - 'If it is left out: V(10).'
                type: int
      lint:
        description:
          - 'Which checks of V(check) say nothing about it. Those that V(defaults) name count as
            well.'
          - 'If it is left out: none.'
        type: dict
        suboptions:
          allow:
            description:
              - 'Checks that say nothing here, by their names: checks.md.'
              - 'If it is left out: none.'
            type: list
            elements: str
            choices:
              - 'startsecs-zero'
              - 'shell-without-exec'
              - 'stopwaitsecs-short'
              - 'shared-log'
              - 'fixed-port'
              - 'shell-syntax'
              - 'missing-shebang'
              - 'crlf-shebang'
              - 'background-process'
              - 'busy-loop'
              - 'user-root'
              - 'plain-secret'
              - 'missing-command'
              - 'missing-directory'
              - 'unused-allow'
"""

    WHOLE = r"""
options:
  groups:
    description:
      - 'What the groups of its programs have beside them.'
      - 'If it is left out: none.'
    type: list
    elements: dict
    suboptions:
      group:
        description:
          - 'Its name, as V(group) of its programs says it.'
        type: str
        required: true
      priority:
        description:
          - 'Order of start and stop among groups; low ones start first. It may be negative.'
          - 'If it is left out: supervisord''s (999).'
        type: int
      file:
        description:
          - 'The name of the file in V(conf_dir) that its section is in, at the end.'
          - 'If it is left out: that of its first program.'
        type: str
  configs:
    description:
      - 'supervisor configs by hand, beside the inventory.'
      - 'If it is left out: none.'
    type: list
    elements: str
  config_texts:
    description:
      - 'The same with their text in the inventory itself.'
      - 'If it is left out: none.'
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - 'What the file is called on the server.'
        type: str
        required: true
      text:
        description:
          - 'What it says, byte for byte.'
        type: str
        required: true
"""
