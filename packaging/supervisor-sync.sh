#!/bin/sh
# In place of DeployerPHP's playbooks/supervisor-sync.sh: same environment, result and exit status.
exec supervisor-sync playbook sync
