# The cluster and the database of `make up`: which to use, how to start and stop them. Needs local.sh.
# shellcheck shell=bash disable=SC2034,SC2154

# Ignore variables that the caller's shell has from an earlier `. .storeplane/env`.
forget_own_settings() {
  [ "${DATABASE_URL:-}" != "$(stored DATABASE_URL)" ] || [ "$(kept postgres)" = given ] || unset DATABASE_URL
  [ "${KUBECONFIG:-}" != "$(stored KUBECONFIG)" ] || unset KUBECONFIG
}

choose_parts() {
  forget_own_settings
  cluster=${CLUSTER:-auto}
  case $cluster in
  auto)
    cluster=$(kept cluster)
    [ -n "$cluster" ] || if engine_answers; then cluster=docker; else cluster=embedded; fi
    ;;
  docker) engine_answers || fail "CLUSTER=docker, but no Docker engine with \`docker compose\` answers" ;;
  embedded | current) ;;
  *) fail "CLUSTER is auto, docker, embedded or current, not $cluster" ;;
  esac
  if [ "$(kept cluster)" != "$cluster" ] && [ -n "$(kept cluster)" ]; then
    fail "the stores of this checkout are in the cluster '$(kept cluster)'; \`make reset\` first, then CLUSTER=$cluster make up"
  fi
  if [ -n "${DATABASE_URL:-}" ]; then postgres=given; else
    postgres=$(kept postgres)
    case $postgres in
    '' | given) if engine_answers; then postgres=docker; else postgres=embedded; fi ;;
    esac
  fi
  keep cluster "$cluster"
  keep postgres "$postgres"
  case $cluster in
  docker) cluster_text='k3s in Docker' ;;
  embedded) cluster_text='embedded (real Kubernetes API, SIMULATED nodes)' ;;
  current) cluster_text="your current context" ;;
  esac
  case $postgres in
  docker) database_text='Postgres in Docker' ;;
  embedded) database_text='Postgres, embedded' ;;
  given) database_text='from DATABASE_URL' ;;
  esac
}

# Reports all missing prerequisites that cannot be installed automatically.
need_tools() {
  local missing=()
  command -v cargo >/dev/null || missing+=('cargo (Rust 1.95 or newer: https://rustup.rs)')
  command -v cc >/dev/null || missing+=('cc (Debian: gcc)')
  command -v python3 >/dev/null || missing+=('python3 with its venv module')
  [ "$cluster" != current ] || command -v kubectl >/dev/null || missing+=('kubectl, for CLUSTER=current')
  [ ${#missing[@]} = 0 ] && return
  printf '%s: missing prerequisites:\n' "$command_name" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
}

# helm (the one on PATH, if the server supports it) and grpcurl.
tools_up() {
  local helm='' grpcurl
  if command -v helm >/dev/null && helm version --template '{{.Version}}' 2>/dev/null | grep -Eq '^v(3\.(1[7-9]|[2-9][0-9])|4)\.'; then
    helm=$(command -v helm)
  else
    helm=$(dev/tools helm3)
  fi
  grpcurl=$(command -v grpcurl) || grpcurl=$(dev/tools grpcurl)
  printf '%s\n' "$helm" "$grpcurl" >"$state/tools"
}

postgres_up() {
  local url port
  case $postgres in
  given) url=$DATABASE_URL ;;
  embedded) url=$(dev/postgres up --dir "$state/postgres") ;;
  docker)
    port=$(kept_port postgres_port 15432)
    STOREPLANE_POSTGRES_PORT=$port compose up --detach --wait postgres
    url=postgres://storeplane:storeplane@127.0.0.1:$port/storeplane
    ;;
  esac
  (umask 077 && printf '%s\n' "$url" >"$state/database-url")
}

cluster_up() {
  umask 077 # kubeconfigs
  local file=$state/cluster/admin.kubeconfig port
  case $cluster in
  embedded) "$(dev/tools cluster)" up --dir "$state/cluster" --detach ;;
  docker)
    port=$(kept_port kubernetes_port 16443)
    STOREPLANE_KUBERNETES_PORT=$port STOREPLANE_SHOP_PORT=$(kept_port shop_port 8081) compose up --detach --wait k3s
    mkdir -p "$state/cluster"
    compose exec -T k3s cat /kubeconfig/k3s.yaml >"$file"
    sed -i "s|https://127.0.0.1:6443|https://127.0.0.1:$port|" "$file"
    images_into_k3s
    ;;
  current)
    # A copy, so that switching contexts later has no effect; renewed only with CLUSTER=current.
    [ "${CLUSTER:-auto}" = current ] || [ ! -f "$file" ] || return 0
    mkdir -p "$state/cluster"
    echo "context: $(kubectl config current-context)"
    kubectl config view --minify --flatten --raw >"$file"
    ;;
  esac
  printf '%s\n' "$file" >"$state/kubeconfig-path"
}

# The shop images are not published: build them, import them into k3s, and pin them there: when its disk fills, the kubelet removes
# unused images that are not pinned, and it could not pull these again.
images_into_k3s() {
  local name image
  for name in store store-db medusa medusa-db; do
    [ -f "images/$name/Dockerfile" ] || continue
    image=docker.io/storeplane/$name:$(image_tag "$name")
    docker image inspect "$image" >/dev/null 2>&1 || docker build --tag "$image" "images/$name"
    if ! compose exec -T k3s ctr -n k8s.io images ls -q | grep -qxF "$image"; then
      docker save "$image" | compose exec -T k3s ctr -n k8s.io images import -
    fi
    compose exec -T k3s ctr -n k8s.io images label "$image" io.cri-containerd.pinned=pinned
  done
}
image_tag() { dev/versions | sed -n "s/^$1=//p"; } # NAME

cluster_down() {
  case $(kept cluster) in
  embedded) [ ! -d "$state/cluster" ] || "$(dev/tools cluster)" down --dir "$state/cluster" ;;
  docker) ! engine_answers || compose stop k3s ;;
  esac
}
postgres_down() {
  case $(kept postgres) in
  embedded) [ ! -d "$state/postgres" ] || dev/postgres down --dir "$state/postgres" ;;
  docker) ! engine_answers || compose stop postgres ;;
  esac
}

postgres_delete() {
  case $(kept postgres) in
  embedded) [ ! -d "$state/postgres" ] || dev/postgres delete --dir "$state/postgres" ;;
  esac
}

# The storage of backups: a folder, and a port of the server from which and to which pods transfer them, with the stores' values that let them.
# A configuration of your own (STOREPLANE_CONFIG) has its own storage, or none.
configure_backups() { # PORT
  local host
  server_config=${STOREPLANE_CONFIG:-} chart_values=${STOREPLANE_CHART_VALUES:-values-local.yaml}
  if [ -n "$server_config" ]; then
    backups_text="as $server_config says"
  elif ! host=$(backup_host); then
    backups_text='none: set STOREPLANE_BACKUP_HOST'
  else
    server_config=$state/server.toml
    backups_text='.storeplane/backups    (encrypted with key.txt there)'
    mkdir -p "$state/backups"
    chmod 700 "$state/backups"
    printf '%s\n' '[backups]' 'storage = "volume"' '[backups.volume]' "path = \"$state/backups\"" "listen = \"$host:$1\"" \
      "url = \"http://$host:$1\"" >"$server_config"
    [ "$cluster" != embedded ] || return 0 # nothing is sent there
    printf 'backup: {egress: [{to: [{ipBlock: {cidr: %s/32}}], ports: [{port: %s}]}]}\n' "$host" "$1" >"$state/store-values.yaml"
    chart_values+=,$state/store-values.yaml
  fi
}
backup_host() { # this machine's address as pods reach it
  local gateway
  if [ -n "${STOREPLANE_BACKUP_HOST:-}" ]; then echo "$STOREPLANE_BACKUP_HOST"; return; fi
  case $cluster in
  embedded) echo 127.0.0.1 ;; # its pods do not run
  docker)
    # The engine may run in a virtual machine: then this is not an address of this one.
    gateway=$(docker network inspect --format '{{(index .IPAM.Config 0).Gateway}}' storeplane_default 2>/dev/null)
    [ -n "$gateway" ] && hostname -I 2>/dev/null | grep -qwF "$gateway" && echo "$gateway"
    ;;
  *) return 1 ;;
  esac
}

write_env() { # ADDR TOKEN
  local name
  (umask 077 && : >"$state/env.new")
  {
    for name in STOREPLANE_ADDR STOREPLANE_TOKEN DATABASE_URL KUBECONFIG; do
      case $name in
      STOREPLANE_ADDR) printf '%s=%s\n' $name "$1" ;;
      STOREPLANE_TOKEN) printf '%s=%s\n' $name "$2" ;;
      *) printf '%s=%s\n' $name "$(plain_or_quoted "${!name}")" ;;
      esac
    done
    echo 'export STOREPLANE_ADDR STOREPLANE_TOKEN DATABASE_URL KUBECONFIG'
  } >"$state/env.new"
  mv "$state/env.new" "$state/env"
}
plain_or_quoted() { # quotes only if the shell needs it
  case $1 in
  *[!A-Za-z0-9_./:@%=,+-]*) printf "'%s'" "${1//\'/\'\\\'\'}" ;;
  *) printf '%s' "$1" ;;
  esac
}
