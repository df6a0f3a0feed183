# A shop installed from the chart by hand, without a control plane: for `faults` and `upgrades`, which set $shop and $current.
: "${KUBECONFIG:?names the kubeconfig of a cluster with real pods}"
helm=${HELM:-$(command -v helm || dev/tools helm3)} chart=charts/woocommerce
web=app.kubernetes.io/component=web,storeplane.io/page!=true # the shop's pods
k() { kubectl --namespace "$shop" "$@"; }
fail() { echo "FAILED $current: $*" >&2; exit 1; }
random_text() { od -An -tx1 -N16 /dev/urandom | tr -d ' \n'; }
upgrade() { "$helm" upgrade --install store "$chart" --namespace "$shop" --values "$chart/values-local.yaml" --set "store.id=$shop,store.adminEmail=owner@example.com" "$@" >/dev/null; }
ready() { k rollout status "$1" --timeout=180s >/dev/null || fail "$1 is not ready"; }
shop_ready() { ready statefulset/store-db && ready deployment/store; }
wp() { k exec deploy/store --container store -- wp "$@" 2>/dev/null; }
until_ok() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do [ $SECONDS -lt $end ] || fail "gave up on: $*"; sleep 1; done
}
# The namespace, deleted at the end, and the Secrets that the control plane would create.
create_namespace() {
  local key literals=()
  kubectl create namespace "$shop" >/dev/null
  trap 'kubectl delete namespace "$shop" --wait=false >/dev/null' EXIT
  k create secret generic store-db --from-literal=database=store --from-literal=username=store --from-literal=password="$(random_text)" --from-literal=root-password="$(random_text)" >/dev/null
  k create secret generic store-admin --from-literal=username=admin --from-literal=password="$(random_text)" >/dev/null
  for key in AUTH_KEY SECURE_AUTH_KEY LOGGED_IN_KEY NONCE_KEY AUTH_SALT SECURE_AUTH_SALT LOGGED_IN_SALT NONCE_SALT; do literals+=("--from-literal=$key=$(random_text)"); done
  k create secret generic store-salts "${literals[@]}" >/dev/null
}
