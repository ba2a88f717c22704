#!/bin/sh
# Works on Laravel's queue, in the live release.
#
# `exec` puts the worker in the place of this shell: supervisord's signals reach it, and its exit status is the
# program's. Told to stop (TERM), it finishes its job first: keep `stopwaitsecs` above your longest job.
# --max-time ends it every hour between two jobs, so that memory does not pile up; supervisord starts it again.
exec "${DEPLOYER_PHP:-php}" artisan queue:work --tries=3 --max-time=3600
