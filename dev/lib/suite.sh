# Runs the parts of a test run: one line and one log each, and a summary with the test runners' closing lines. Needs local.sh.
# shellcheck shell=bash disable=SC2034,SC2154

results=$state/results
lane_pids=()

suite_begin() {
  suite_began=$(date +%s)
  rm -rf "$results"
  mkdir -p "$results"
}

wanted() { # NAME: whether it was selected
  local word
  [ ${#only[@]} != 0 ] || return 0
  for word in "${only[@]}"; do case $1 in *"$word"*) return 0 ;; esac done
  # Prerequisites of the selected parts.
  case $1 in tools | environment) wanted integration || wanted faults || wanted clients || wanted chart || wanted web-e2e ;; *) return 1 ;; esac
}

part() { # NAME COMMAND...: exit code 77 means that the command could not run, and its last line says why
  local name=$1 began=${EPOCHREALTIME/[.,]/} seconds code=0
  shift
  wanted "$name" || return 0
  ("$@") >"$results/$name.log" 2>&1 </dev/null || code=$?
  seconds=$(tenths "$began")
  case $code in
  0)
    echo "$name" >>"$results/passed"
    printf 'ok    %-14s %7s s\n' "$name" "$seconds"
    ;;
  77) skip "$name" "$(tail -n 1 "$results/$name.log" | sed 's/^skipped: //')" ;;
  *)
    echo "$name" >>"$results/failed"
    printf 'FAIL  %-14s %7s s   %s\n' "$name" "$seconds" "${results#"$root"/}/$name.log"
    excerpt "$results/$name.log" | sed 's/^/      | /'
    ;;
  esac
}
excerpt() { # LOG: the failed tests and their errors, then the end of the log
  grep -E '^test .* FAILED$' "$1"
  grep -A 12 -E '^(error|thread .* panicked at |FAILED | *FAIL |--- FAIL)' "$1" | head -n 60
  tail -n 25 "$1" | cut -c1-240
}
tenths() { # MICROSECONDS AT THE BEGINNING
  local spent=$(((${EPOCHREALTIME/[.,]/} - $1) / 100000))
  echo "$((spent / 10)).$((spent % 10))"
}
skip() { # NAME WHY
  wanted "$1" || return 0
  echo "$1" >>"$results/skipped"
  printf 'skip  %-14s           %s\n' "$1" "$2"
}

# A lane runs its parts in sequence, in parallel with other lanes, in its own process group.
lane() { # FUNCTION
  set -m
  "$1" &
  set +m
  lane_pids+=($!)
}
lanes_wait() {
  local pid
  for pid in "${lane_pids[@]}"; do wait "$pid"; done
  lane_pids=()
}
lanes_end() {
  local pid
  for pid in "${lane_pids[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done
  for pid in "${lane_pids[@]}"; do wait "$pid" 2>/dev/null; done
  lane_pids=()
}

suite_end() { # prints the closing lines and the total; fails if a part failed
  local name passed failed skipped
  echo
  for name in unit client doc-tests integration clients faults chart cluster-test; do
    [ -f "$results/$name.log" ] || continue
    grep -hE '^(operation faults|soak|takeover).*: .*[0-9]|^test result: |^[0-9]+ passed, [0-9]+ failed|^(ok|FAIL|---) .*[0-9.]+m?s$' "$results/$name.log" \
      | grep -v ' 0 passed; 0 failed; 0 ignored; 0 measured' | sed "s/^/$name: /"
  done
  passed=$(wc -l 2>/dev/null <"$results/passed") || passed=0
  failed=$(wc -l 2>/dev/null <"$results/failed") || failed=0
  skipped=$(wc -l 2>/dev/null <"$results/skipped") || skipped=0
  printf '\n%s: %s parts passed, %s failed, %s skipped, in %s s\n' "$command_name" "$passed" "$failed" "$skipped" "$(seconds_since "$suite_began")"
  [ "$skipped" = 0 ] || printf 'skipped: %s\n' "$(paste -sd ' ' "$results/skipped")"
  [ "$failed" = 0 ] || { printf 'failed: %s\n' "$(paste -sd ' ' "$results/failed")"; return 1; }
  [ "$passed" != 0 ]
}
