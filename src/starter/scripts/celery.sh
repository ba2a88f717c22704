#!/bin/sh
# Runs a Celery worker; put your own module in place of `app`.
#
# `exec` puts the worker in the place of this shell: supervisord's signals reach it, and its exit status is the
# program's. Told to stop (TERM), it finishes its tasks first: keep `stopwaitsecs` above your longest task, and
# `stopasgroup: false`, so that its own children are not told to stop in the middle of one.
exec celery -A app worker --loglevel=INFO
