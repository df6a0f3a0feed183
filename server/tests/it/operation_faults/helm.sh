#!/bin/sh
# Stands before the real helm, which does what it always does, unless the control folder has a scenario for this release: a line
# in the file RELEASE.helm with a phase and a name. Each line is consumed once, one per run.
#   before: in helm's place    during: helm is killed in the middle of what it does    after: when helm has done it
control='@CONTROL@' helm='@HELM@'
[ "$1" = version ] && exec "$helm" "$@"
release='' next=''
for word in "$@"; do
  if [ -n "$next" ]; then release=$word; break; fi
  [ "$word" != -- ] || next=1
done
echo "$1" >>"$control/$release.ran"
# Two at a time must never be.
last=$(cat "$control/$release.pid" 2>/dev/null)
if [ -n "$last" ] && grep -qsa -- "--namespace=$release" "/proc/$last/cmdline"; then echo "$last and $$" >>"$control/$release.overlaps"; fi
echo $$ >"$control/$release.pid"
[ -s "$control/$release.helm" ] || exec "$helm" "$@"
read -r phase scenario <"$control/$release.helm"
consume() { sed -i 1d "$control/$release.helm"; }
play() {
  case $scenario in
  hangs) exec sleep 1000 ;;
  garbage) printf '\377\376\000\033[31mError\007\n\n\200' >&2; exit 1 ;;
  gigabyte) head -c 1073741824 /dev/zero | tr '\0' x >&2; exit 1 ;;
  killed) kill -9 $$ ;;
  *) cat "$scenario" >&2; exit 1 ;;
  esac
}
case $phase in
before) consume; play ;;
during)
  exec 3<&0
  "$helm" "$@" <&3 &
  child=$!
  while [ ! -e "$control/$release.acting" ]; do kill -0 "$child" 2>/dev/null || exit 1; sleep 0.02; done
  kill -9 "$child"
  wait "$child" 2>/dev/null
  rm "$control/$release.acting"
  consume
  play
  ;;
after) "$helm" "$@" || exit; consume; play ;;
esac
