# Sourced by the benches: a release build and an environment of its own in a temporary directory.
# Afterwards the working directory is its checkout, with one commit and nothing deployed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
scripts/setup bench
cargo build --release --locked --quiet --bin crmctl
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --quiet --target x86_64-unknown-linux-gnu \
  --package crm-backend --bin crm-server
target=${CARGO_TARGET_DIR:-target}
crmctl=$(realpath "$target/release/crmctl")
server=$(realpath "$target/x86_64-unknown-linux-gnu/release/crm-server")

work=$(mktemp -d /tmp/crmctl-bench.XXXXXX)
chmod 755 "$work"
export CRMCTL_STATE_DIR=$work/state
cleanup() { (cd "$work/checkout" && "$crmctl" down local --purge --yes >/dev/null 2>&1) || true; rm -rf "$work"; }
trap cleanup EXIT
mkdir -p "$work/checkout/backend"
cp -r "$root/config" "$work/checkout/"
cp -r "$root/backend/migrations" "$work/checkout/backend/"
cd "$work/checkout"
sed -i "s#profile = \"release\"#artifact = \"$server\"#; s#:8000#:18765#" config/environments/local.toml
git init --quiet && git add --all
commit() { git -c user.name=bench -c user.email=bench@example.invalid commit --quiet --allow-empty --message "$1"; }
commit first

ms() { echo $((($(date +%s%N) - $1) / 1000000)); }
row() { printf '%-58s %12s   limit %s\n' "$1" "$2" "$3"; }
seconds_of() { jq -r --arg step "$1" 'select(.event == "step.finished" and .step == $step) | .seconds' "$work/events"; }
