# One block of a page: bash step.sh NUMBER STATUS, or sourced with `step NUMBER STATUS`, so that folders and
# variables last from one block to the next. Its output goes to /step/NUMBER.out. Each of its commands must end well;
# where the page says that it ends with another status, the last one must.

# A question of ours is answered with yes.
supervisor-sync() {
    local word asks=
    case $1 in apply | rollback | release | import | add | set | scale | remove | start | stop | restart | publish) asks=--yes ;; esac
    for word in "$@"; do
        case $word in --yes | -y | --dry-run | -n | --inventory-only | --json | *.json) asks= ;; esac
    done
    command supervisor-sync "$@" $asks
}

wrong() { # WHAT
    echo "$1" >"/step/$number.wrong"
    exit 1
}

step() { # NUMBER STATUS
    number=$1
    local status
    [ "$2" -ne 0 ] || trap 'wrong "exit status $? of: $BASH_COMMAND"' ERR
    # Not in a list with `||`: the trap would be off within.
    . "/step/$number.sh" >"/step/$number.out" 2>&1 </dev/null
    status=$?
    trap - ERR
    [ "$status" -eq "$2" ] || wrong "exit status $status, expected $2"
}

elsewhere() { # MACHINE NUMBER STATUS
    ssh "root@$1.example.com" "bash -l /step/step.sh $2 $3" </dev/null
}

set -E
[ "$#" -eq 0 ] || step "$@"
