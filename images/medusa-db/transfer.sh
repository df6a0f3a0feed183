# Transfers of backups, for the entry points backup-* and restore-* of both images. A build sees only its own folder, so each image has a copy.
#
# An object is a stream, compressed with zstd and encrypted with age. It goes through the storage in pieces of `part-size` bytes, each spooled to a
# file: memory stays small whatever the size. $transfer has the control plane's files:
#   part-size            bytes of a piece
#   ca.crt               optional: the authorities of the storage's certificate, instead of the public ones
#   recipient            of a backup: the age recipient
#   PART.urls            of a backup: presigned PUT URLs, one a line
#   identity             of a restore: the age identity
#   PART.{url,bytes,sha256}   of a restore: a presigned GET URL that accepts Range; size and SHA-256 of the encrypted object
#
# The termination message is a line of JSON on success, one sentence on failure. Exit codes:
#   10 storage unreachable   11 refused by the storage   12 storage full   13 object or upload gone
#   20 database not reachable or dump failed   21 reading the uploads failed   22 larger than the URLs allow
#   30 decryption failed   31 size or checksum differs   32 import failed   33 volume full   34 not a backup of this engine   1 anything else
set -euo pipefail
transfer=${STORE_TRANSFER:-/run/storeplane/transfer}
spool=${STORE_SPOOL:-/run/storeplane/spool}
shared=${STORE_SHARED:-/run/storeplane/shared}
termination_log=${STORE_TERMINATION_LOG:-/dev/termination-log}
authorities=/etc/ssl/certs/ca-certificates.crt
[ ! -e "$transfer/ca.crt" ] || authorities=$transfer/ca.crt
# Seconds for which a request is tried again.
retry_seconds=${STORE_RETRY_SECONDS:-180}

say() { echo "$part: $*" >&2; }

# Runs FUNCTION for PART, in the background: a shell that waits for a foreground command would delay SIGTERM. If it ends early, `clean_up` of the entry
# point, if it has one, puts back what was there.
run() { # PART FUNCTION
  # all files of the part; files of one transfer, of which there may be several at once
  part=$1 work=$spool/$1 stream=$spool/$1
  rm -rf "$work"
  mkdir -p "$work"
  export TMPDIR=$work
  size=$(<"$transfer/part-size")
  alive >/dev/null 2>&1 &
  heart=$!
  set -m # a process group of its own
  "$2" &
  child=$!
  set +m
  trap 'end_early 143' TERM INT
  local code=0
  wait "$child" || code=$?
  [ $code = 0 ] || end_early $code
  kill "$heart"
}
end_early() { # CODE
  trap '' TERM INT
  kill -KILL -- "-$child" 2>/dev/null || true
  # a function that was killed, by the kernel for example when memory ran out, could not report
  if [ ! -L "$work/failed" ]; then (fail 1 "it was ended (status $1)") || true; fi
  ! declare -F clean_up >/dev/null || (clean_up) || true
  kill "$heart" 2>/dev/null || true
  exit "$1"
}
alive() { while touch "$shared/$part.alive" && sleep 5; do :; done; }

# The first report wins. `stage` makes sure that it is the cause and not a consequence. A link holds the code: it needs no space on a full volume.
fail() { # CODE SENTENCE
  rm -f "$stream/piece"
  if ln -s "$1" "$work/failed" 2>/dev/null; then
    say "$2"
    printf '%s\n' "$2" >"$termination_log"
    printf '%s\n' "$1" "$2" >"$shared/$part.report"
    mv "$shared/$part.report" "$shared/$part.failed"
  fi
  exit "$1"
}
succeed() { # JSON
  say "done: $1"
  printf '%s\n' "$1" >"$termination_log"
}

# One command of a pipeline. Its shell holds the command's ends of the pipes until the failure is reported, so the neighbours fail later.
# A command that only lost its reader (141, SIGPIPE) reports nothing.
stage() { # CODE WHAT COMMAND...
  local code=$1 what=$2 log=$work/log.$BASHPID status=0
  shift 2
  "$@" 2>"$log" || status=$?
  case $status in
  0 | 141) return $status ;;
  137) fail "$code" "$what: it was killed, probably out of memory" ;;
  *) fail "$code" "$what: $(first_line "$log" "status $status")" ;;
  esac
}
first_line() { # FILE DEFAULT
  local line
  line=$(grep -m 1 -v -e '^$' -e '^tar: Removing leading' "$1" | sed 's/^curl: ([0-9]*) //' | cut -c 1-500) || line=$2
  printf %s "$line"
}

# One request, until the storage has answered it. Network errors and passing answers are tried again.
request() { # URL CURL-SETTING...
  local url=$1 delay=1 until=$((SECONDS + retry_seconds)) status code problem
  shift
  [[ $url =~ ^https?://[^[:space:]\"\\]+$ ]] || fail 11 "the storage's URL is not valid"
  while :; do
    code=0
    # the URL is a secret: curl reads it from standard input
    status=$(printf '%s\n' "url = \"$url\"" "$@" | curl -q --config - --silent --show-error --globoff --http1.1 --proto =http,https \
      --cacert "$authorities" --connect-timeout 10 --speed-limit 1 --speed-time 60 --write-out '%{http_code}' 2>"$stream/curl.log") || code=$?
    case $status in
    401 | 403) fail 11 "the storage refused the request (HTTP $status): the URL has expired or is wrong" ;;
    404 | 410) fail 13 "the storage has no such object or upload (HTTP $status)" ;;
    413 | 507) fail 12 "the storage is full or does not take an object of this size (HTTP $status)" ;;
    416) fail 31 "the object in the storage is smaller than it should be" ;;
    2?? | 408 | 429 | 5?? | 000) ;;
    *) fail 11 "the storage refused the request (HTTP $status)" ;;
    esac
    problem=$(first_line "$stream/curl.log" "HTTP $status")
    case $code in
    0) case $status in 2??) return ;; esac ;;
    1 | 3 | 60 | 77) fail 10 "the storage cannot be used: $problem" ;; # unsupported or malformed URL, certificate not trusted
    23) fail 33 "the spool volume is full" ;;
    63) fail 31 "the object in the storage is larger than it should be" ;;
    esac
    [ $((SECONDS + delay)) -lt $until ] || fail 10 "the storage does not answer: $problem"
    say "trying again in $delay s: $problem"
    sleep $delay
    delay=$((delay < 16 ? delay * 2 : 30))
  done
}

upload() { # standard input to the URLs
  set -e
  local url bytes total=0 parts=0
  exec 4<"$transfer/$part.urls"
  while :; do
    head -c "$size" >"$stream/piece" || fail 33 "the spool volume has no room for a piece of $size bytes"
    bytes=$(stat -c %s "$stream/piece")
    [ "$bytes" -gt 0 ] || break
    url='' && IFS= read -r url <&4 || [ -n "$url" ] || fail 22 "the backup is larger than the $parts parts of $size bytes that it may have"
    request "$url" "upload-file = \"$stream/piece\"" "output = \"$stream/answer\""
    parts=$((parts + 1)) total=$((total + bytes))
    [ "$bytes" -eq "$size" ] || break
  done
  rm -f "$stream/piece"
  echo "$total $parts" >"$stream/uploaded"
}

download() { # the object to standard output
  set -e
  local url total offset=0 bytes
  url=$(<"$transfer/$part.url") total=$(<"$transfer/$part.bytes")
  while [ "$offset" -lt "$total" ]; do
    bytes=$((offset + size < total ? size : total - offset))
    request "$url" "range = \"$offset-$((offset + bytes - 1))\"" "max-filesize = $bytes" "output = \"$stream/piece\""
    [ "$(stat -c %s "$stream/piece")" = "$bytes" ] || fail 31 "the storage sent $(stat -c %s "$stream/piece") bytes of the object instead of $bytes"
    cat "$stream/piece" || return # 141 if the reader is gone
    offset=$((offset + bytes))
  done
  rm -f "$stream/piece"
}

# Readers of what passes `tee`: their exit codes count, which those of process substitutions would not.
observers=()
observe() { # NAME COMMAND...
  mkfifo "$stream/$1.pipe"
  "${@:2}" <"$stream/$1.pipe" >"$stream/$1" &
  observers+=($!)
}
observed() { local o; for o in "${observers[@]}"; do wait "$o" || fail 1 "counting the bytes failed"; done; }
pipeline_ended() { # STATUS
  [ "$1" = 0 ] || [ ! -L "$work/failed" ] || exit "$(readlink "$work/failed")"
  [ "$1" = 0 ] || fail 1 "the transfer ended with status $1"
}

back_up() { # COMMAND that writes the stream
  observe source_bytes wc -c
  observe sha256 sha256sum
  set +e
  "$@" | stage 1 tee tee "$stream/source_bytes.pipe" | stage 1 "compression failed" zstd -q -3 -c |
    stage 1 "encryption failed" age -R "$transfer/recipient" | stage 1 tee tee "$stream/sha256.pipe" | upload
  local status=$?
  set -e
  pipeline_ended $status
  observed
}
report_backup() {
  local bytes parts sum
  read -r bytes parts <"$stream/uploaded"
  read -r sum _ <"$stream/sha256"
  succeed "{\"bytes\":$bytes,\"sha256\":\"$sum\",\"source_bytes\":$(<"$stream/source_bytes"),\"parts\":$parts}"
}

fetch() { # COMMAND that reads the stream
  observe sha256 sha256sum
  observe source_bytes wc -c
  set +e
  download | stage 1 tee tee "$stream/sha256.pipe" |
    stage 30 "decryption failed, the key is wrong or the object is damaged" age -d -i "$transfer/identity" |
    stage 30 "decompression failed, the object is damaged" zstd -q -d -c | stage 1 tee tee "$stream/source_bytes.pipe" | "$@"
  local status=$?
  set -e
  pipeline_ended $status
  observed
  local sum
  read -r sum _ <"$stream/sha256"
  [ "$sum" = "$(<"$transfer/$part.sha256")" ] || fail 31 "the object's SHA-256 is $sum, not what it was when it was made"
}
report_restore() { succeed "{\"source_bytes\":$(<"$stream/source_bytes")}"; }

# The two parts of a restore tell each other how far they are.
mark() { say "$1" && : >"$shared/$part.$1"; }
await() { # PART STEP
  local waiting=1
  until [ -e "$shared/$1.$2" ]; do
    if [ -e "$shared/$1.failed" ]; then
      { read -r code && read -r sentence; } <"$shared/$1.failed"
      fail "$code" "$1: $sentence"
    fi
    if [ -e "$shared/$1.alive" ] && [ $(($(date +%s) - $(stat -c %Y "$shared/$1.alive"))) -gt 60 ]; then fail 1 "$1: ended without a report"; fi
    if [ $waiting = 1 ]; then waiting=0 && say "waiting until $1 is $2"; fi
    sleep 0.2
  done
}
