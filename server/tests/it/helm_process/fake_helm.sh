#!/bin/sh
# Plays helm. The release's name is the scenario; KUBECONFIG is a folder for what the test wants to know.
here=$KUBECONFIG
if [ "$1" = version ]; then
  cat "$here/version" 2>/dev/null || echo v3.17.3
  exit 0
fi
verb=$1
while [ "$1" != -- ]; do shift; done
scenario=$2
until_signalled() { while [ ! -e "$here/go" ]; do sleep 0.02; done; }
echo "$PPID" >"$here/$scenario.supervisor"
started() { echo $$ >"$here/$scenario.new" && mv "$here/$scenario.new" "$here/$scenario.pid"; }
case $scenario in
  hangs) started; exec sleep 1000 ;;
  ignores-sigterm) trap '' TERM; started; while :; do sleep 1000; done ;;
  ends-in-order) trap 'echo "Error: context canceled" >&2; exit 1' TERM; started; sleep 1000 & wait ;;
  dies-half-way) started; echo "Error: half a" >&2; kill -9 $$ ;;
  prints-garbage) printf '\377\376\000\033[31mError\007\n\n\200' >&2; exit 1 ;;
  prints-a-gigabyte) started; head -c 1073741824 /dev/zero | tr '\0' x; { echo first; head -c 1000000 /dev/zero | tr '\0' y; echo; echo "Error: release: not found"; } >&2; exit 1 ;;
  grandchild-holds-pipe) sleep 1000 & echo $! >"$here/grandchild"; exit 0 ;;
  grandchild-escapes) setsid sleep 1000 & echo $! >"$here/grandchild"; exit 0 ;;
  closes-its-outputs) started; exec >/dev/null 2>&1; until_signalled; exit 0 ;;
  reads-nothing) exec <&-; started; until_signalled; exit 0 ;;
  until-signalled*) started; until_signalled; exit 0 ;;
  reports) env >"$here/env"; cat >"$here/values"; ls -ld "$TMPDIR/.." >"$here/scratch"; echo "$TMPDIR" >>"$here/scratch"; exit 0 ;;
  *) echo "Error: no scenario $scenario for $verb" >&2; exit 1 ;;
esac
