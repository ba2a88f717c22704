#!/bin/sh
# Runs Sidekiq.
#
# `exec` puts Sidekiq in the place of this shell: supervisord's signals reach it, and its exit status is the
# program's. Told to stop (TERM), it gives its jobs 25 seconds and puts the others back: `stopwaitsecs: 30` is
# enough, or a little more than its own `--timeout`.
exec bundle exec sidekiq -e "${RAILS_ENV:-production}"
