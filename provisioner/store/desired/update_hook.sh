#!/bin/sh
# Written by tink: pushes move the branches of a site forward only, and never delete them.
# The status branch moves by nobody's push while a server serves this very repository.
# Other branches stay free.  Which these are: git config tink.desiredBranch, tink.statusBranch
set -u
ref=$1 old=$2 new=$3

refuse() {
    echo "tink: $1" >&2
    exit 1
}

is_zero() {
    case $1 in *[!0]*) return 1 ;; esac
}

# Whether a server holds the lock of the writer.
is_served() {
    lock=$(git rev-parse --git-common-dir)/tink/writer.lock
    [ -e "$lock" ] || return 1
    if command -v flock >/dev/null 2>&1; then
        ! flock -s -n "$lock" true
    else
        read -r pid <"$lock" || return 1
        kill -0 "$pid" 2>/dev/null || [ -d "/proc/$pid" ]
    fi
}

check_forward() {
    if is_zero "$new"; then
        refuse "${ref#refs/heads/} is a branch of this site and can't be deleted by a push"
    fi
    if ! is_zero "$old" && ! git merge-base --is-ancestor "$old" "$new"; then
        refuse "${ref#refs/heads/} moves forward only: fetch, and put your commits on top"
    fi
}

branches() {
    git config --get-all "$1" || echo "$2"
}

# One a line, as names can't hold line ends; nothing in them is expanded.
set -f
IFS='
'
for name in $(branches tink.desiredBranch main); do
    if [ "$ref" = "refs/heads/$name" ]; then
        check_forward
    fi
done
for name in $(branches tink.statusBranch status); do
    case $ref in "refs/heads/$name" | "refs/heads/$name-archive")
        if is_served; then
            refuse "${ref#refs/heads/} is written by the server of this repository alone"
        fi
        check_forward
        ;;
    esac
done
