# Copyright the authors of supervisor-sync
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made from the tables of supervisor-sync: UPDATE_DOCS=1 cargo test --lib published."""

from __future__ import annotations

from typing import Any

SITE: dict[str, dict[str, Any]] = {
    "domain": {
        "type": "str",
        "required": True,
    },
    "defaults": {
        "type": "dict",
        "options": {
            "autostart": {
                "type": "bool",
            },
            "autorestart": {
                "type": "str",
                "choices": [
                    "true",
                    "false",
                    "unexpected",
                ],
            },
            "stopwaitsecs": {
                "type": "int",
            },
            "numprocs": {
                "type": "int",
            },
            "directory": {
                "type": "str",
            },
            "user": {
                "type": "raw",
            },
            "startsecs": {
                "type": "int",
            },
            "startretries": {
                "type": "int",
            },
            "stopsignal": {
                "type": "str",
            },
            "stopasgroup": {
                "type": "bool",
            },
            "killasgroup": {
                "type": "bool",
            },
            "exitcodes": {
                "type": "list",
                "elements": "int",
            },
            "priority": {
                "type": "int",
            },
            "umask": {
                "type": "str",
            },
            "environment": {
                "type": "dict",
            },
            "environment_file": {
                "type": "str",
            },
            "expansions": {
                "type": "bool",
            },
            "options": {
                "type": "dict",
                "options": {
                    "process_name": {
                        "type": "str",
                    },
                    "numprocs_start": {
                        "type": "int",
                    },
                    "redirect_stderr": {
                        "type": "bool",
                    },
                    "stdout_logfile_maxbytes": {
                        "type": "str",
                    },
                    "stdout_logfile_backups": {
                        "type": "int",
                    },
                    "stdout_capture_maxbytes": {
                        "type": "str",
                    },
                    "stdout_events_enabled": {
                        "type": "bool",
                    },
                    "stdout_syslog": {
                        "type": "bool",
                    },
                    "stderr_logfile_maxbytes": {
                        "type": "str",
                    },
                    "stderr_logfile_backups": {
                        "type": "int",
                    },
                    "stderr_capture_maxbytes": {
                        "type": "str",
                    },
                    "stderr_events_enabled": {
                        "type": "bool",
                    },
                    "stderr_syslog": {
                        "type": "bool",
                    },
                    "serverurl": {
                        "type": "str",
                    },
                    "command": {
                        "type": "str",
                    },
                    "stopwaitsecs": {
                        "type": "int",
                    },
                    "directory": {
                        "type": "str",
                    },
                    "stdout_logfile": {
                        "type": "str",
                    },
                    "stderr_logfile": {
                        "type": "str",
                    },
                },
            },
            "logs": {
                "type": "dict",
                "options": {
                    "path": {
                        "type": "str",
                    },
                    "stderr": {
                        "type": "str",
                    },
                    "rotate": {
                        "type": "raw",
                    },
                    "maxage": {
                        "type": "int",
                    },
                    "size": {
                        "type": "str",
                    },
                    "frequency": {
                        "type": "str",
                        "choices": [
                            "hourly",
                            "daily",
                            "weekly",
                            "monthly",
                        ],
                    },
                    "compress": {
                        "type": "bool",
                    },
                },
            },
            "instances": {
                "type": "str",
                "choices": [
                    "together",
                    "separate",
                ],
            },
            "restart": {
                "type": "str",
                "choices": [
                    "immediate",
                    "rolling",
                    "deferred",
                ],
            },
            "health": {
                "type": "dict",
                "options": {
                    "stable_for": {
                        "type": "int",
                    },
                    "probe": {
                        "type": "dict",
                        "options": {
                            "http": {
                                "type": "str",
                            },
                            "tcp": {
                                "type": "str",
                            },
                            "exec": {
                                "type": "str",
                            },
                            "timeout": {
                                "type": "int",
                            },
                        },
                    },
                },
            },
            "lint": {
                "type": "dict",
                "options": {
                    "allow": {
                        "type": "list",
                        "elements": "str",
                        "choices": [
                            "startsecs-zero",
                            "shell-without-exec",
                            "stopwaitsecs-short",
                            "shared-log",
                            "fixed-port",
                            "shell-syntax",
                            "missing-shebang",
                            "crlf-shebang",
                            "background-process",
                            "busy-loop",
                            "user-root",
                            "plain-secret",
                            "missing-command",
                            "missing-directory",
                            "unused-allow",
                        ],
                    },
                },
            },
        },
    },
    "format": {
        "type": "str",
        "choices": [
            "classic",
            "hardened",
            "plain",
        ],
    },
    "config_files": {
        "type": "str",
        "choices": [
            "per-program",
            "per-site",
        ],
    },
    "user": {
        "type": "raw",
    },
    "paths": {
        "type": "dict",
        "options": {
            "sites": {
                "type": "str",
            },
            "conf_dir": {
                "type": "str",
            },
            "logrotate_dir": {
                "type": "str",
            },
            "log_dir": {
                "type": "str",
            },
            "supervisord": {
                "type": "str",
            },
            "state_dir": {
                "type": "str",
            },
        },
    },
    "lint": {
        "type": "dict",
        "options": {
            "allow": {
                "type": "list",
                "elements": "str",
                "choices": [
                    "startsecs-zero",
                    "shell-without-exec",
                    "stopwaitsecs-short",
                    "shared-log",
                    "fixed-port",
                    "shell-syntax",
                    "missing-shebang",
                    "crlf-shebang",
                    "background-process",
                    "busy-loop",
                    "user-root",
                    "plain-secret",
                    "missing-command",
                    "missing-directory",
                    "unused-allow",
                ],
            },
        },
    },
}

PROGRAMS: dict[str, dict[str, Any]] = {
    "supervisors": {
        "type": "list",
        "elements": "dict",
        "options": {
            "program": {
                "type": "str",
                "required": True,
            },
            "as": {
                "type": "str",
            },
            "file": {
                "type": "str",
            },
            "group": {
                "type": "str",
            },
            "script": {
                "type": "str",
            },
            "command": {
                "type": "str",
            },
            "autostart": {
                "type": "bool",
            },
            "autorestart": {
                "type": "str",
                "choices": [
                    "true",
                    "false",
                    "unexpected",
                ],
            },
            "stopwaitsecs": {
                "type": "int",
            },
            "numprocs": {
                "type": "int",
            },
            "directory": {
                "type": "str",
            },
            "user": {
                "type": "raw",
            },
            "startsecs": {
                "type": "int",
            },
            "startretries": {
                "type": "int",
            },
            "stopsignal": {
                "type": "str",
            },
            "stopasgroup": {
                "type": "bool",
            },
            "killasgroup": {
                "type": "bool",
            },
            "exitcodes": {
                "type": "list",
                "elements": "int",
            },
            "priority": {
                "type": "int",
            },
            "umask": {
                "type": "str",
            },
            "environment": {
                "type": "dict",
            },
            "environment_file": {
                "type": "str",
            },
            "expansions": {
                "type": "bool",
            },
            "options": {
                "type": "dict",
                "options": {
                    "process_name": {
                        "type": "str",
                    },
                    "numprocs_start": {
                        "type": "int",
                    },
                    "redirect_stderr": {
                        "type": "bool",
                    },
                    "stdout_logfile_maxbytes": {
                        "type": "str",
                    },
                    "stdout_logfile_backups": {
                        "type": "int",
                    },
                    "stdout_capture_maxbytes": {
                        "type": "str",
                    },
                    "stdout_events_enabled": {
                        "type": "bool",
                    },
                    "stdout_syslog": {
                        "type": "bool",
                    },
                    "stderr_logfile_maxbytes": {
                        "type": "str",
                    },
                    "stderr_logfile_backups": {
                        "type": "int",
                    },
                    "stderr_capture_maxbytes": {
                        "type": "str",
                    },
                    "stderr_events_enabled": {
                        "type": "bool",
                    },
                    "stderr_syslog": {
                        "type": "bool",
                    },
                    "serverurl": {
                        "type": "str",
                    },
                    "command": {
                        "type": "str",
                    },
                    "stopwaitsecs": {
                        "type": "int",
                    },
                    "directory": {
                        "type": "str",
                    },
                    "stdout_logfile": {
                        "type": "str",
                    },
                    "stderr_logfile": {
                        "type": "str",
                    },
                },
            },
            "logs": {
                "type": "dict",
                "options": {
                    "path": {
                        "type": "str",
                    },
                    "stderr": {
                        "type": "str",
                    },
                    "rotate": {
                        "type": "raw",
                    },
                    "maxage": {
                        "type": "int",
                    },
                    "size": {
                        "type": "str",
                    },
                    "frequency": {
                        "type": "str",
                        "choices": [
                            "hourly",
                            "daily",
                            "weekly",
                            "monthly",
                        ],
                    },
                    "compress": {
                        "type": "bool",
                    },
                },
            },
            "instances": {
                "type": "str",
                "choices": [
                    "together",
                    "separate",
                ],
            },
            "restart": {
                "type": "str",
                "choices": [
                    "immediate",
                    "rolling",
                    "deferred",
                ],
            },
            "health": {
                "type": "dict",
                "options": {
                    "stable_for": {
                        "type": "int",
                    },
                    "probe": {
                        "type": "dict",
                        "options": {
                            "http": {
                                "type": "str",
                            },
                            "tcp": {
                                "type": "str",
                            },
                            "exec": {
                                "type": "str",
                            },
                            "timeout": {
                                "type": "int",
                            },
                        },
                    },
                },
            },
            "lint": {
                "type": "dict",
                "options": {
                    "allow": {
                        "type": "list",
                        "elements": "str",
                        "choices": [
                            "startsecs-zero",
                            "shell-without-exec",
                            "stopwaitsecs-short",
                            "shared-log",
                            "fixed-port",
                            "shell-syntax",
                            "missing-shebang",
                            "crlf-shebang",
                            "background-process",
                            "busy-loop",
                            "user-root",
                            "plain-secret",
                            "missing-command",
                            "missing-directory",
                            "unused-allow",
                        ],
                    },
                },
            },
        },
    },
}

WHOLE: dict[str, dict[str, Any]] = {
    "groups": {
        "type": "list",
        "elements": "dict",
        "options": {
            "group": {
                "type": "str",
                "required": True,
            },
            "priority": {
                "type": "int",
            },
            "file": {
                "type": "str",
            },
        },
    },
    "configs": {
        "type": "list",
        "elements": "str",
    },
    "config_texts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {
                "type": "str",
                "required": True,
            },
            "text": {
                "type": "str",
                "required": True,
            },
        },
    },
}
