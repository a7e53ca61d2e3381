# What the scripts share. Each of them sources this file, which goes to the root of the repository;
# it is not run by itself.
# shellcheck shell=bash

# The file that is running, found from anywhere.
script=$(realpath "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The head of the script, for arguments that it does not know.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script" >&2
    exit 2
}

# That the argument is a whole number above zero.
number() {
    [[ $1 =~ ^[1-9][0-9]*$ ]] || { echo "not a number above zero: $1" >&2; usage; }
}

fail() {
    echo "$*" >&2
    exit 1
}

# What comes next, and how many seconds after the beginning.
export began=${began:-$EPOCHSECONDS}
step() { printf '\n== %s (%s s)\n' "$*" $((EPOCHSECONDS - began)); }

# A command that a Debian package brings: need COMMAND PACKAGE. Installed if it is missing, which
# asks for the password of sudo unless root runs it.
need() {
    # Not `command -v`: a builtin of the shell is no program.
    type -P "$1" >/dev/null || debian "$2" "the command $1"
}

# Installs a Debian package: debian PACKAGE REASON.
debian() {
    step "installing the Debian package $1, for $2"
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$1"
}

# Runs a command with cargo test in it, and fails if no test ran: a name that matches nothing is a
# mistake.
some_test() {
    local said
    said=$("$@" 2>&1 | tee >(cat >&2)) || return
    grep -q 'test result: ok\. [1-9]' <<<"$said" || fail "no test was run by: $*"
}
