#!/bin/sh
# The websocket server, behind nginx.
exec "${DEPLOYER_PHP:-php}" artisan reverb:start --host=127.0.0.1 --port=8080
