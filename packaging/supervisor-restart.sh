#!/bin/sh
# In place of DeployerPHP's restart of supervisor programs: same environment, result and exit status.
exec supervisor-sync playbook restart
