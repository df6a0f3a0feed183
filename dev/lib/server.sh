# Starts and stops storeplane-server in the background. Needs local.sh.
# shellcheck shell=bash disable=SC2154

# Stops it as an orchestrator would: leases are released and helm is stopped gracefully.
server_stop() {
  local pid
  pid=$(running storeplane-server) || { rm -f "$state/storeplane-server.pid"; return 0; }
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 200); do
    running storeplane-server >/dev/null || break
    sleep 0.1
  done
  if running storeplane-server >/dev/null; then
    info "  the server (process $pid) did not stop in 20 s; killing it"
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$state/storeplane-server.pid"
}

# The scripts here create and delete many stores, and call and watch often.
lifted=(STOREPLANE_QUOTA_STORES=unlimited STOREPLANE_QUOTA_CREATIONS=unlimited STOREPLANE_QUOTA_DELETIONS=unlimited
  STOREPLANE_QUOTA_BACKUPS=unlimited
  STOREPLANE_LIMIT_REQUESTS_PER_SECOND=unlimited STOREPLANE_LIMIT_STREAMS_PER_CALLER=unlimited
  STOREPLANE_LIMIT_STREAMS_PER_TENANT=unlimited STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE=unlimited)

# A port of the server that stays the same between runs, unless another program has it now.
server_port() { # KEY PREFERRED
  local port
  port=$(kept "$1")
  port=${port:-$2}
  if listening "$port" && ! { running storeplane-server >/dev/null && [ "$port" = "$(kept "$1")" ]; }; then
    port=$(free_port "$port")
  fi
  keep "$1" "$port"
  echo "$port"
}

# Starts it unless the same binary with the same settings runs. Settings are arguments NAME=VALUE, and the file $server_config if that is set.
server_start() { # BINARY NAME=VALUE...
  local binary=$1 pid wanted
  shift
  set -- "${lifted[@]}" "$@"
  [ -z "${server_config:-}" ] || set -- "$@" STOREPLANE_CONFIG="$server_config"
  wanted=$({ printf '%s\n' "$binary $(stat -c '%Y %s' "$binary")" "$@"; cat "${server_config:-/dev/null}"; } | sha256sum)
  if pid=$(running storeplane-server) && [ "$wanted" = "$(cat "$state/storeplane-server.started" 2>/dev/null)" ]; then
    info "  server     already running (process $pid)"
    return
  fi
  if [ -n "$pid" ]; then
    info "  server     restarting: it or its settings changed"
    server_stop
  fi
  mkdir -p "$logs"
  # setsid may fork, so the process writes its own pid.
  rm -f "$state/storeplane-server.pid"
  # shellcheck disable=SC2016
  env "$@" setsid nohup bash -c 'echo $$ >"$1.new" && mv "$1.new" "$1" && exec "$2" serve' \
    start "$state/storeplane-server.pid" "$binary" >>"$logs/server.log" 2>&1 </dev/null 9>&- &
  for _ in $(seq 100); do
    [ -s "$state/storeplane-server.pid" ] && break
    sleep 0.02
  done
  printf '%s\n' "$wanted" >"$state/storeplane-server.started"
}

# Waits until the server is ready and all of its components are; reports what is missing if that takes long.
server_ready() { # PORT SECONDS
  local began answer='' said=0 waited
  began=$(date +%s)
  while waited=$(seconds_since "$began"); do
    running storeplane-server >/dev/null || { show_log "$logs/server.log"; fail "the server exited during start-up"; }
    answer=$(http_get "$1" /readyz || true)
    [ "${answer%%$'\n'*}" = 200 ] && [[ $answer != *'"ok":false'* ]] && return 0
    if [ "$waited" -ge "$2" ]; then
      show_log "$logs/server.log"
      fail "the server is not ready after $2 s: ${answer#*$'\n'}"
    fi
    if [ "$waited" -ge $((said + 5)) ]; then
      said=$waited
      info "  server     not ready yet, ${waited} s: $(not_ready "$answer")"
    fi
    sleep 0.2
  done
}

not_ready() { # RESPONSE OF /readyz: the components that are not ready, with the cause
  local parts
  parts=$(grep -o '"[a-z]*":{"ok":false,"why":"[^"]*"' <<<"$1" | sed 's/"\([a-z]*\)":{"ok":false,"why":"\(.*\)"/\1: \2/' | paste -sd ';' -)
  echo "${parts:-no response yet}"
}
