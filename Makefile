.PHONY: deploy test test-full lint audit bench artifacts staging-up staging-down

# Builds crmctl and brings the CRM up on http://127.0.0.1:8000.
deploy:
	scripts/setup deploy
	cargo build --release --locked --bin crmctl
	target/release/crmctl deploy local

# Installs what the tests need, starts private servers and runs everything.
test:
	scripts/with-services scripts/test

# What takes long: a million simulated stories instead of ten thousand, a run struck at every place of its journal,
# fifty thousand requests while releases come and go.
test-full: test
	scripts/test-full

# Dependencies against known vulnerabilities, licences, bans and sources.
audit:
	scripts/setup audit
	scripts/audit

# Figures beside their limits; takes a release build.
bench:
	benches/spine
	benches/reliability
	benches/zero-failures
	benches/crm
	benches/staging

# The servers that end-to-end tests deploy, the breakable one included (CRM_FAULT).
artifacts:
	scripts/build-artifacts

# A staging of its own on this machine: engine, registry, sshd, PostgreSQL and Redis from Debian packages (root). Then:
# target/debug/crmctl deploy staging --yes
staging-up:
	scripts/staging up

staging-down:
	scripts/staging down

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
