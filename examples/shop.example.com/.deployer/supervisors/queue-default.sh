#!/bin/sh
# Works on the default queue. runner.sh has entered the live release and exported DEPLOYER_PHP.
# `exec`: supervisord's signals reach PHP itself, not a shell in front of it.
exec "${DEPLOYER_PHP:-php}" artisan queue:work redis --queue=default --tries=3 --max-time=3600
