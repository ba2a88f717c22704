#!/bin/sh
# Consumes messages of Symfony Messenger; name your transports in place of `async`.
#
# `exec` puts the consumer in the place of this shell: supervisord's signals reach it, and its exit status is the
# program's. Told to stop (TERM), it finishes its message first: keep `stopwaitsecs` above the longest one.
# --time-limit ends it every hour between two messages; supervisord starts it again.
exec "${DEPLOYER_PHP:-php}" bin/console messenger:consume async --time-limit=3600
