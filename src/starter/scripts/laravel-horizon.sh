#!/bin/sh
# Runs Laravel Horizon, which has workers of its own: one process (`numprocs: 1`) is enough.
#
# `exec` puts Horizon in the place of this shell: supervisord's signals reach it, and its exit status is the
# program's. Told to stop (TERM), it lets its workers finish: keep `stopwaitsecs` above your longest job.
exec "${DEPLOYER_PHP:-php}" artisan horizon
