# Runs steps in parallel, each with its own log, and shows their progress. Needs local.sh.
# shellcheck shell=bash disable=SC2154

declare -A step_pid=() step_began=()
step_order=()

# Each step has its own process group, so that it can be ended as a whole. Descriptor 9 is the lock: children must not inherit it.
step() { # NAME COMMAND...
  local name=$1
  shift
  mkdir -p "$logs"
  set -m
  ("$@") >"$logs/$name.log" 2>&1 </dev/null 9>&- &
  set +m
  step_pid[$name]=$!
  step_began[$name]=$(date +%s)
  step_order+=("$name")
}

# Waits for all steps and reports each one as it ends; shows the progress of the others every few seconds. Ends all when one fails.
steps_wait() {
  local name left said code began
  began=$(date +%s) said=$began
  while :; do
    left=()
    for name in "${step_order[@]}"; do
      [ -n "${step_pid[$name]:-}" ] || continue
      if kill -0 "${step_pid[$name]}" 2>/dev/null; then
        left+=("$name")
        continue
      fi
      code=0
      wait "${step_pid[$name]}" || code=$?
      step_pid[$name]=
      if [ "$code" != 0 ]; then
        steps_end
        printf '  %-10s FAILED after %s s\n' "$name" "$(seconds_since "${step_began[$name]}")" >&2
        show_log "$logs/$name.log"
        fail "$name failed; the full log is ${logs#"$root"/}/$name.log"
      fi
      printf '  %-10s ready, %s s\n' "$name" "$(seconds_since "${step_began[$name]}")"
    done
    [ ${#left[@]} = 0 ] && break
    if [ "$(seconds_since "$said")" -ge "${step_interval:-10}" ]; then
      said=$(date +%s)
      for name in "${left[@]}"; do
        printf '  %-10s … %4s s  %s\n' "$name" "$(seconds_since "${step_began[$name]}")" "$(last_line "$logs/$name.log")"
      done
    fi
    sleep 0.1
  done
  step_order=()
}

steps_end() {
  local name
  for name in "${step_order[@]}"; do
    [ -z "${step_pid[$name]:-}" ] || kill -TERM -- "-${step_pid[$name]}" 2>/dev/null || true
  done
}

last_line() { # FILE
  tr '\r' '\n' <"$1" 2>/dev/null | sed 's/\x1b\[[0-9;]*[A-Za-z]//g; s/^ *//' | grep -v '^$' | tail -n 1 | cut -c1-90
}
