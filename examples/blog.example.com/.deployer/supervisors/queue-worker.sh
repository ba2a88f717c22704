#!/bin/sh
# The blog's one worker.
exec "${DEPLOYER_PHP:-php}" artisan queue:work --tries=3
