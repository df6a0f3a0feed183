# Shared by the scripts in dev/: messages, errors, waiting, options.
# shellcheck shell=bash

log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { log "$*"; exit 1; }

# Runs a command until it succeeds, for at most SECONDS.
await() { # SECONDS COMMAND...
  local limit=$(($(date +%s) + $1))
  shift
  until "$@"; do
    [ "$(date +%s)" -lt "$limit" ] || return 1
    sleep 0.05
  done
}

# The value of --NAME VALUE or --NAME=VALUE among the arguments, or the default.
option() { # NAME DEFAULT ARGUMENT...
  local name=$1 value=$2
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
    "--$name") value=${2?"--$name needs a value"}; shift ;;
    "--$name="*) value=${1#*=} ;;
    esac
    shift
  done
  printf '%s\n' "$value"
}
