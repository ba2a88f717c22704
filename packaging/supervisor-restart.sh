#!/bin/sh
# Restarts a site's programs after a deployment: called as a child with the deployment's environment, whose
# own result it leaves as it is.
result=$(mktemp) || exit 0
DEPLOYER_OUTPUT_FILE=$result supervisor-sync playbook restart < /dev/null
rm -f "$result"
exit 0
