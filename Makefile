# Each target is a script in dev/; say `make help`.
.DEFAULT_GOAL := help
.PHONY: help up down reset logs test check soak fuzz bench deny fmt

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

up: ## start everything here and create the store `demo` (CLUSTER=auto|docker|embedded|current)
	@dev/up
down: ## stop what `make up` started; stores and data stay
	@dev/down
reset: ## stop it and delete its data
	@dev/reset
logs: ## follow the logs
	@dev/logs
test: ## every test there is
	@dev/test
check: ## the fast part of `make test`
	@dev/check
soak: ## servers killed at random under load (MINUTES=10 SERVERS=3)
	@SERVERS=$(SERVERS) dev/soak $(or $(MINUTES),10)
fuzz: ## generated inputs for everything that reads bytes from outside (SECONDS=60)
	@dev/fuzz $(or $(SECONDS),60)
bench: ## measure, next to bare helm
	@dev/bench
deny: ## licences, sources, banned and vulnerable crates
	@dev/tools cargo-deny >/dev/null
	@dev/audit crates || [ $$? = 77 ] # advisories need Internet access
fmt: ## format the Rust code
	cargo fmt --all
