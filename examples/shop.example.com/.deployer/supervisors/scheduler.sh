#!/bin/sh
# Runs what is due, every minute.
exec "${DEPLOYER_PHP:-php}" artisan schedule:work
