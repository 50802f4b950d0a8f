# `make help` lists the targets. Needs Go 1.21 or later, which fetches the toolchain of go.mod; some targets say what else they need.
# Written for GNU make 3.81 (macOS) and later.

GO            ?= go
PYTHON        ?= python3
# The architecture of the functions that SAM deploys; template.yaml says arm64.
LAMBDA_GOARCH ?= arm64
FUZZTIME      ?= 30s
BENCHTIME     ?= 1s
# Flags of ./drill: `go run ./drill -help`.
DRILLFLAGS    ?=

GOLANGCI_LINT_VERSION = v2.15.0
GOVULNCHECK_VERSION   = v1.9.0

VERSION      := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
# The date is the commit's and not the clock's: the same commit gives the same bytes.
COMMIT       := $(shell git rev-parse HEAD 2>/dev/null)
COMMIT_DATE  := $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
TOOLS        := build/tools
GOLANGCI     := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK  := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)
VENV         := build/e2e-venv
VENV_READY   := $(VENV)/.ready
MINISTACK    := build/ministack-venv/.ready
PRECOMMIT    := build/precommit-venv/.ready
ATHENA       := build/athena-venv/.ready
CHECKOV      := build/checkov-venv

# No VCS stamp: the same source gives the same bytes, so a deployment uploads only what changed, and a checkout that
# belongs to another user still builds. lambda.norpc leaves out the RPC mode of the retired go1.x runtime, nethttpomithttp2 leaves
# out HTTP/2, which no service that is called here speaks: half a megabyte of each function. All targets share these settings,
# tests and the command line too, and so one build cache: the EC2 client alone takes a minute to compile.
export CGO_ENABLED := 0
# go.mod names the toolchain. A machine that says GOTOOLCHAIN=local would refuse to fetch it.
export GOTOOLCHAIN := auto
export GOFLAGS := $(strip $(GOFLAGS) -trimpath -buildvcs=false -tags=lambda.norpc,nethttpomithttp2)

# Go keeps modules and builds below HOME. If that is not set, they go into build/ ("." hides them from ./...).
ifeq ($(strip $(HOME)),)
export GOPATH  ?= $(CURDIR)/build/.go
export GOCACHE ?= $(CURDIR)/build/.go/cache
export GOFLAGS := $(GOFLAGS) -modcacherw
endif

LAMBDA_FLAGS = -ldflags "-s -w"

CLI_FLAGS = -ldflags "-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(COMMIT_DATE)"

# Writes the licence texts of everything that a binary links beside it, for the function's package.
LICENSES = $(GO) run ./cmd/licenses

.PHONY: help announce build lint-policy build-DetectFunction build-RemediateFunction build-SweepFunction build-SlackFunction build-HookFunction build-OutletsFunction package release-notes module-path test smoke race demo local pictures drill e2e lint \
	lint-template fuzz bench vuln verify deploy clean FORCE
.DEFAULT_GOAL := help

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

# The EC2 client takes most of a first build. Nothing is said where it is in Go's cache.
announce:
	@test -z "$$($(GO) list -f '{{.StaleReason}}' github.com/aws/aws-sdk-go-v2/service/ec2)" || \
	  echo "This is the first build: downloading and compiling the AWS SDK takes a minute or two. The next ones take seconds."

build: lint-policy ## Build the functions and the CLI for this machine into build/
	$(GO) build $(LAMBDA_FLAGS) -o build/DetectFunction/bootstrap ./functions/detect
	$(GO) build $(LAMBDA_FLAGS) -o build/RemediateFunction/bootstrap ./functions/remediate
	$(GO) build $(LAMBDA_FLAGS) -o build/SweepFunction/bootstrap ./functions/sweep
	$(GO) build $(LAMBDA_FLAGS) -o build/HookFunction/bootstrap ./functions/hook
	build/sgward policy package --quiet --into build/DetectFunction --into build/RemediateFunction --into build/SweepFunction --into build/HookFunction
	$(LICENSES) build/DetectFunction/bootstrap build/RemediateFunction/bootstrap build/SweepFunction/bootstrap build/HookFunction/bootstrap

# Go itself decides what is out of date.
build/sgward: FORCE announce
	$(GO) build $(CLI_FLAGS) -o $@ ./cmd/sgward

# An invalid policy must fail here and not in an account.
lint-policy: build/sgward
	build/sgward policy lint policy.yaml

# `sam build` calls build-<logical id> and takes what is in ARTIFACTS_DIR. Lambda runs it as another user: a umask of 077
# here must not keep that one out.
define artifact
	GOOS=linux GOARCH=$(LAMBDA_GOARCH) $(GO) build $(LAMBDA_FLAGS) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(1)
	$(if $(filter slack outlets,$(1)),,build/sgward policy package --quiet --into "$(ARTIFACTS_DIR)")
	$(LICENSES) "$(ARTIFACTS_DIR)/bootstrap"
	chmod -R a+rX "$(ARTIFACTS_DIR)"
endef

build-DetectFunction: lint-policy
	$(call artifact,detect)

build-RemediateFunction: lint-policy
	$(call artifact,remediate)

build-SweepFunction: lint-policy
	$(call artifact,sweep)

build-HookFunction: lint-policy
	$(call artifact,hook)

build-SlackFunction:
	$(call artifact,slack)

build-OutletsFunction:
	$(call artifact,outlets)

# A release, from the same targets that SAM calls. FUNCTION_ARCHS are Lambda's names, CLI_PLATFORMS Go's; fewer of them for a trial:
# make package FUNCTION_ARCHS=x86_64 CLI_PLATFORMS=linux-amd64
FUNCTION_ARCHS ?= arm64 x86_64
CLI_PLATFORMS  ?= linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64 windows-arm64
STAGING        := build/package
DIST           := dist
FUNCTIONS      := Detect Remediate Sweep Slack Hook Outlets

package: announce ## Make a release in dist/: zips, command line, template for CloudFormation, checksums (Go and make only)
	rm -rf "$(STAGING)" "$(DIST)"
	@set -e; for arch in $(FUNCTION_ARCHS); do \
	  for function in $(FUNCTIONS); do \
	    name=$$(echo $$function | tr '[:upper:]' '[:lower:]'); \
	    mkdir -p "$(STAGING)/functions/$$name-$$arch"; \
	    $(MAKE) --no-print-directory build-$${function}Function LAMBDA_GOARCH=$$(echo $$arch | sed s/x86_64/amd64/) \
	      ARTIFACTS_DIR="$(STAGING)/functions/$$name-$$arch"; \
	  done; \
	done; \
	for platform in $(CLI_PLATFORMS); do $(MAKE) --no-print-directory package-cli-$$platform; done
	$(GO) run ./cmd/package -from "$(STAGING)" -to "$(DIST)" -version $(VERSION) -date "$(COMMIT_DATE)"

# package-cli-OS-ARCH
package-cli-%: program = $(STAGING)/cli/$*/sgward$(if $(filter windows-%,$*),.exe)
package-cli-%:
	GOOS=$(word 1,$(subst -, ,$*)) GOARCH=$(word 2,$(subst -, ,$*)) $(GO) build $(CLI_FLAGS) -o "$(program)" ./cmd/sgward
	$(LICENSES) "$(program)"

# For a release: what CHANGELOG.md says of VERSION.
release-notes:
	@mkdir -p build
	@awk -v version="[$(VERSION:v%=%)]" '/^## / {on = index($$0, version) > 0; next} on' CHANGELOG.md >build/release-notes.md
	@grep -q . build/release-notes.md || { echo "CHANGELOG.md has no section ## [$(VERSION:v%=%)]: write it before the tag" >&2; exit 1; }

# Imports only: other texts with the name sgward, such as rule ids of reports, stay as they are.
module-path: ## Give the module another path: make module-path MODULE=example.com/you/sgward (needs git and perl)
	@test -n "$(MODULE)" || { echo "MODULE is not set: make module-path MODULE=example.com/you/sgward" >&2; exit 2; }
	@old=$$($(GO) list -m) && $(GO) mod edit -module "$(MODULE)" && git ls-files -z '*.go' | \
	  old=$$old new="$(MODULE)" xargs -0 perl -pi -e 's{^(\s*(?:import\s+)?(?:[\w.]+\s+)?")\Q$$ENV{old}\E/(?=[^"]*"\s*$$)}{$$1$$ENV{new}/}'
	gofmt -l -w .

test: ## Run the tests (Go and make only)
	$(GO) test -count=1 ./...

# The test logs the commands that it runs.
smoke: build ## Run every command of the built CLI and of the tutorial against sgward local (Go and make only)
	$(GO) test -count=1 -v -run '^TestSmoke$$' ./internal/cli -built

# What a test builds is built as everywhere else, from the same cache. "make test" has vetted the tests.
# -short: tests of pure functions draw fewer examples, and one of ten thousand rules is left out.
race: ## Run the tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -vet=off -count=1 -exec 'env CGO_ENABLED=0' ./...

demo: build ## Watch sgward close openings, on this machine, without AWS
	build/sgward demo

local: build ## Keep the pipeline running here for any AWS client (Ctrl-C ends it)
	build/sgward local

pictures: build ## Make the pictures of README.md anew (Chromium or Chrome)
	$(GO) run ./docs/pictures

drill: build ## Openings, attackers and faults at once, and what must hold (Go and make only)
	$(GO) run ./drill $(DRILLFLAGS)

e2e: $(VENV_READY) $(MINISTACK) $(PRECOMMIT) $(ATHENA) lint-policy ## Deploy template.yaml to an emulator, run action and hooks (Python 3.10+, JDK 17, Maven)
	$(VENV)/bin/python -m pytest e2e

lint: $(GOLANGCI) ## gofmt and golangci-lint, which has go vet
	@unformatted=$$($(GO) list -f '{{.Dir}}' ./... | tr '\n' '\0' | xargs -0 gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted with gofmt:" >&2; echo "$$unformatted" >&2; exit 1; fi
	$(GOLANGCI) run

# A finding of checkov that does not hold here has its reason in the Metadata of the resource.
lint-template: $(VENV_READY) $(CHECKOV)/.ready ## cfn-lint, sam validate and checkov, of a release too (Python 3.10+)
	@mkdir -p build
	$(GO) run ./cmd/package -template build/sgward.yaml -version $(VERSION)
	$(VENV)/bin/cfn-lint -- template.yaml alerts.yaml dashboard.yaml build/sgward.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(VENV)/bin/sam validate --lint --template template.yaml
	$(CHECKOV)/bin/checkov --quiet --compact --skip-download --framework cloudformation --file template.yaml alerts.yaml dashboard.yaml build/sgward.yaml

fuzz: ## Fuzz every target for FUZZTIME (30s) each
	@found=0; \
	for package in $$($(GO) list ./...); do \
	  targets=$$($(GO) test -list '^Fuzz' $$package) || exit 1; \
	  for target in $$(echo "$$targets" | grep '^Fuzz'); do \
	    found=1; echo "$$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$package || exit 1; \
	  done; \
	done; \
	if [ $$found = 0 ]; then echo "no fuzz target found" >&2; exit 1; fi

bench: build $(VENV_READY) ## Measure code and functions (Python 3.10+ for the comparison with boto3)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	$(GO) run ./bench

# govulncheck exits with 3 for findings, and with 1 for errors. OFFLINE=skip ignores that the
# database could not be fetched, and nothing else.
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities (needs the internet)
	@status=0; $(GOVULNCHECK) ./... 2>build/vuln.log || status=$$?; cat build/vuln.log >&2; \
	if [ "$(OFFLINE)" = skip ] && [ $$status = 1 ] && grep -q '^govulncheck: fetching vulnerabilities: ' build/vuln.log; then \
	  echo "SKIPPED: the database of vulnerabilities cannot be reached from here; nothing was looked for"; exit 0; fi; \
	exit $$status

verify: ## Check that go.mod is tidy and that everything is committed
	$(GO) mod tidy -diff
	@changes=$$(git status --porcelain) || exit 1; \
	if [ -n "$$changes" ]; then echo "uncommitted changes:" >&2; echo "$$changes" >&2; exit 1; fi

# SAM asks for parameters by their names and shows no label, so they come first. Its answers go into a file that is not
# tracked: samconfig.toml stays as it is, and so does the version.
deploy: ## Build and deploy with SAM (asks for the parameters)
	@command -v sam >/dev/null || { \
	  echo "make deploy needs the SAM CLI, and there is no sam in PATH. Install it with one of" >&2; \
	  echo "  brew install aws-sam-cli" >&2; \
	  echo "  python3 -m pip install aws-sam-cli" >&2; \
	  echo "  https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/install-sam-cli.html" >&2; exit 1; }
	sam build
	@test -f samconfig.local.toml || cp samconfig.toml samconfig.local.toml
	@echo; echo "SAM asks for each parameter by its name; Enter keeps the value in brackets. They mean:"; echo
	@awk '/^    ParameterLabels:/ {on = 1; next} on && !NF {exit} \
	  on {name = $$1; sub(/:$$/, "", name); sub(/^[^{]*[{]default: */, ""); sub(/[}] *$$/, ""); gsub(/"/, ""); printf "  %-18s %s\n", name, $$0}' template.yaml
	@echo; echo "With AlertEmail, AlertTopicArn, AlertTopicName, SlackWebhookSecretArn and the channels of Slack and Teams all empty, alerts are not sent to anyone. Your answers are kept in samconfig.local.toml."; echo
	sam deploy --guided --config-file samconfig.local.toml

clean: ## Remove everything that the other targets made
	rm -rf build dist .aws-sam e2e/.pytest_cache e2e/__pycache__

# Each tool is built with the toolchain of go.mod and not of its own: a linter refuses a language newer than its Go.
$(GOLANGCI): go.mod
	GOTOOLCHAIN=$$($(GO) env GOVERSION) GOBIN="$(CURDIR)/$(TOOLS)" $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(GOVULNCHECK): go.mod
	GOTOOLCHAIN=$$($(GO) env GOVERSION) GOBIN="$(CURDIR)/$(TOOLS)" $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(TOOLS)/govulncheck $@

# The lock files pin everything with hashes, and only wheels are installed: building a source archive would fetch more.
$(VENV_READY): e2e/requirements.txt
$(MINISTACK): e2e/ministack/requirements.txt
$(PRECOMMIT): e2e/precommit/requirements.txt
$(ATHENA): e2e/athena/requirements.txt
$(CHECKOV)/.ready: e2e/checkov/requirements.txt
$(VENV_READY) $(MINISTACK) $(PRECOMMIT) $(ATHENA) $(CHECKOV)/.ready:
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $<
	$(@D)/bin/python -m pip check
	touch $@
