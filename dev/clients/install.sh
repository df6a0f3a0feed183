# Installs the dependencies of the clients into the tools' cache, in pinned versions. Sourced by `run`.
# shellcheck shell=bash
: "${root:?}"

cache=${STOREPLANE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/storeplane/bin}
clients=$root/dev/clients
broken=0

# The path of a folder of dependencies. Its name contains a hash of the files that pin them.
pinned() { # NAME FILE...
  local name=$1
  shift
  echo "$cache/clients-$name-$(cat "$@" | sha256sum | cut -c1-12)"
}
python_folder() { pinned python "$clients/python/requirements.txt"; }
node_folder() { pinned node "$clients"/node/package{,-lock}.json; }
go_program() { pinned go "$clients"/go/*.go "$clients"/go/go.{mod,sum}; }

# Runs COMMAND with a temporary path and moves the result to TARGET: complete or not at all, and once for all checkouts.
install_once() { # TARGET COMMAND...
  local target=$1
  shift
  [ ! -e "$target" ] || return 0
  mkdir -p "$cache"
  (
    exec 7>"$cache/.lock-$(basename "$target")"
    flock 7
    [ ! -e "$target" ] || exit 0
    info "installing $(basename "$target")" >&2
    rm -rf "$target.new"
    "$@" "$target.new" && mv -T "$target.new" "$target"
  )
}
install_python() { # FOLDER: of packages alone, so that it can be moved
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary=:all: --target "$1" --requirement "$clients/python/requirements.txt"
}
install_node() { # FOLDER
  local bin
  bin=$(dirname "$(dev/tools node)")
  mkdir -p "$1" && cp "$clients"/node/package{,-lock}.json "$1"
  PATH=$bin:$PATH npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$1"
}
install_go() { # PROGRAM
  local go
  go=$(dev/tools go)
  (cd "$clients/go" && GOFLAGS=-buildvcs=false nice "$go" build -trimpath -ldflags '-s -w' -o "$1" .)
}

pip_here() { python3 -m pip --version >/dev/null 2>&1; }
node_here() { dev/tools node >/dev/null 2>&1; }
go_here() { dev/tools go >/dev/null 2>&1; }
buf_here() { dev/tools buf >/dev/null 2>&1; }

# If npm's wrapper was found, the program behind it: it starts ten times faster.
buf_program() {
  local found
  found=$(dev/tools buf)
  set -- "$(dirname "$found")"/../@bufbuild/buf-*/bin/buf
  if [ -x "$1" ]; then echo "$1"; else echo "$found"; fi
}

# The run fails if a client cannot be installed although its toolchain is available.
clients_install() {
  pip_here && { install_once "$(python_folder)" install_python || broken=$((broken + 1)); }
  node_here && { install_once "$(node_folder)" install_node || broken=$((broken + 1)); }
  go_here && { install_once "$(go_program)" install_go || broken=$((broken + 1)); }
  go_here && { dev/tools grpcurl grpcurl-1.8 >/dev/null || broken=$((broken + 1)); }
  [ "$broken" = 0 ]
}
