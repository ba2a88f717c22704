#!/bin/sh
# Does something again and again, with a pause in between.
#
# A worker that is one command should `exec` it, so that supervisord's signals reach it and not a shell in front
# of it. Here the shell itself is the worker, so it listens for the signal: told to stop (TERM), it finishes its
# round and ends. The pause is waited for with `wait`, because a shell hears nothing while a command runs in front.
set -eu

is_stopping=false
trap 'is_stopping=true' TERM INT

while [ "$is_stopping" = false ]; do
    # What is to be done:
    date

    sleep "${PAUSE:-60}" &
    wait $! || kill $! 2>/dev/null || true
done
