#!/bin/sh
# Sends mail.
exec "${DEPLOYER_PHP:-php}" artisan queue:work redis --queue=mail --tries=5 --backoff=60
