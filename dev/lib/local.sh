# State of `make up` in .storeplane, and the messages of its scripts. Sourced from the repository's root.
# shellcheck shell=bash disable=SC2034

root=$PWD
state=$root/.storeplane
logs=$state/log
command_name=${command_name:-make up}

info() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "$command_name" "$*" >&2; exit 1; }

# Prints the end of a log.
show_log() { # FILE
  [ -s "$1" ] || return 0
  printf '\nThe end of %s:\n' "${1#"$root"/}" >&2
  tail -n 25 "$1" | sed 's/^/  | /' >&2
}

# Settings that persist between runs: cluster, database, ports.
kept() { # KEY: its value, or nothing
  [ -f "$state/settings" ] && sed -n "s/^$1=//p" "$state/settings" | tail -n 1
  return 0
}
keep() { # KEY VALUE
  local others=''
  [ -f "$state/settings" ] && others=$(grep -v "^$1=" "$state/settings" || true)
  printf '%s\n' "$others" "$1=$2" | sed '/^$/d' >"$state/settings.new"
  mv "$state/settings.new" "$state/settings"
}

# A value of .storeplane/env, or nothing.
stored() { # NAME
  [ -f "$state/env" ] || return 0
  # shellcheck disable=SC1091
  (unset "$1"; . "$state/env"; printf '%s' "${!1:-}")
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() { # PREFERRED: this port, or another free one
  local port=$1
  while listening "$port"; do port=$((20000 + RANDOM % 10000)); done
  echo "$port"
}
# A port that stays the same between runs.
kept_port() { # KEY PREFERRED
  local port
  port=$(kept "$1")
  if [ -z "$port" ]; then
    port=$(free_port "$2")
    keep "$1" "$port"
  fi
  echo "$port"
}

# GET without curl: the status code on the first line, then the body.
http_get() { # PORT PATH
  # shellcheck disable=SC2016
  timeout 5 bash -c '
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" "$2" >&3
    read -r _ code _ <&3; echo "$code"; sed "1,/^\r*$/d" <&3' get "$1" "$2" 2>/dev/null
}

# Checks that the process in the pid file still is the one that was started.
running() { # NAME: its pid
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && grep -qz "$1" "/proc/$pid/cmdline" 2>/dev/null || return 1
  echo "$pid"
}

engine_answers() { command -v docker >/dev/null && timeout 5 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }
# COMPOSE_OVERRIDE is a further compose file, such as one for an engine that can't start privileged containers.
compose() { docker compose --project-name storeplane --file "$root/docker-compose.yml" ${COMPOSE_OVERRIDE:+--file "$COMPOSE_OVERRIDE"} "$@"; }

seconds_since() { echo $(($(date +%s) - $1)); }
