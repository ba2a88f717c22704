#!/bin/sh
# Runs a Node worker; put your own file in place of `worker.js`.
#
# `exec` puts Node in the place of this shell: supervisord's signals reach it, and its exit status is the
# program's. `npm run` would stay in between. Node ends at once on TERM unless your code listens:
#   process.on('SIGTERM', () => queue.close().then(() => process.exit(0)))
exec node worker.js
