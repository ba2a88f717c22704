# What people do with this repository. `make` alone lists it.
#
# The packages that a target needs are installed by apt if they are missing and you are root;
# otherwise the command to install them is printed.

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help demo test ansible collection versions soak pulls fuzz bench docs pictures browser load release \
	packages packages-all ci

help:
	@echo 'make demo    show it on a throw-away supervisord: plan, apply, roll back, refuse (half a minute)'
	@echo 'make test    run every test, against a real supervisord, logrotate, sudo and sshd'
	@echo 'make ansible test the Ansible collection: with ansible-core 2.19 and 2.17, and by ansible-test sanity'
	@echo 'make collection build the Ansible collection, in dist/'
	@echo 'make soak    kill chains of verbs at random steps, cut the power: SOAK_ROUNDS=300 SOAK_SEED=7 make soak'
	@echo 'make pulls   have 200 hosts of one store pull at the same moment'
	@echo 'make fuzz    make up input for a reader of text: TARGET=inventory SECONDS=300 make fuzz'
	@echo 'make versions run the tests on each release of supervisord that is promised (from PyPI)'
	@echo 'make bench   measure it against supervisord itself, supervisorctl, a script and Ansible, for the README'
	@echo 'make docs    make a site of docs/ in target/site'
	@echo 'make pictures draw the pictures of the guide anew'
	@echo 'make browser look at the web view in Chromium: axe, keyboard, phone, without a script'
	@echo 'make load    keep 200 pages of the web view open for an hour: LOAD_MINUTES=60 make load'
	@echo 'make release make what is published, in dist/: tarballs, packages, an apt repository, install.sh'
	@echo 'make packages make it and try it: installed, upgraded and purged in a throw-away Debian 12'
	@echo 'make packages-all  the same in Debian 11, 12 and 13, and built twice to compare the bytes'
	@echo 'make ci      everything that must hold before a merge'

demo:
	@tools/packages.sh supervisord=supervisor logrotate=logrotate
	$(CARGO) build
	@examples/demo.sh $(TARGET_DIR)/debug/supervisor-sync

# The real parts of the tests.
PARTS = supervisord=supervisor logrotate=logrotate sshd=openssh-server ssh=openssh-client sudo=sudo \
	python3=python3 zsh=zsh fish=fish man=man-db groff=groff script=bsdutils tmux=tmux ip=iproute2 \
	promtool=prometheus curl=curl jq=jq git=git nginx=nginx-light openssl=openssl strace=strace \
	faketime=faketime strip=binutils

test:
	@tools/packages.sh $(PARTS)
	tools/ansible.sh
	tools/moto.sh
	REQUIRE_E2E=1 REQUIRE_ANSIBLE=1 $(CARGO) test

# Which releases of ansible-core the collection is tested with: 2.19 is in target/ansible.
ANSIBLES = ansible ansible-2.17

# What Ansible itself says of the collection takes some minutes, most of them once.
ansible:
	@tools/packages.sh $(PARTS)
	for one in "" 2.17 docs; do tools/ansible.sh $$one || exit 1; done
	tools/ansible-checks.sh
	for one in $(ANSIBLES); do \
		ANSIBLE_VENV=$(CURDIR)/target/$$one REQUIRE_E2E=1 REQUIRE_ANSIBLE=1 \
			$(CARGO) test --test it -- ansible:: tried::from_a_playbook || exit 1; \
	done

collection:
	tools/ansible.sh
	LC_ALL=C.UTF-8 target/ansible/bin/ansible-galaxy collection build ansible --output-path dist --force

SOAK_SEED ?= 1
SOAK_ROUNDS ?= 100

soak:
	@tools/packages.sh supervisord=supervisor logrotate=logrotate
	SOAK_SEED=$(SOAK_SEED) SOAK_ROUNDS=$(SOAK_ROUNDS) REQUIRE_E2E=1 \
		$(CARGO) test --test it chain::any_chain -- --nocapture
	POWER_CUT_SEED=$(SOAK_SEED) POWER_CUT_SAMPLES=$(SOAK_ROUNDS) \
		$(CARGO) test --test it power_cut:: -- --nocapture
	MODEL_SEED=$(SOAK_SEED) MODEL_CASES=$$((10 * $(SOAK_ROUNDS))) MODEL_REAL_CASES=$(SOAK_ROUNDS) \
		REQUIRE_E2E=1 $(CARGO) test --test it model:: -- --nocapture

TARGET ?= inventory
SECONDS ?= 60

# What is made up goes to fuzz/corpus, what breaks something to fuzz/artifacts. Stable Rust is enough
# without a sanitizer, and safe code needs none.
fuzz:
	@cargo fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked
	@mkdir -p fuzz/corpus/$(TARGET)
	$(CARGO) fuzz run --sanitizer none $(TARGET) fuzz/corpus/$(TARGET) tests/corpus/$(TARGET) -- \
		-max_total_time=$(SECONDS) -timeout=10 -max_len=8192

# One release: make versions VERSIONS=4.0.4. Another interpreter: make versions PYTHON=/usr/bin/python3.9
versions:
	@tools/packages.sh $(PARTS)
	tools/moto.sh
	tools/versions.sh $(VERSIONS)

# Only a part: make bench BENCH=contenders. To leave the README as it is: cargo bench
bench:
	@tools/packages.sh supervisord=supervisor logrotate=logrotate jq=jq python3=python3 \
		sshd=openssh-server ssh=openssh-client
	tools/ansible.sh
	UPDATE_README=1 $(CARGO) bench --bench ratios -- $(BENCH)

# Hosts of one store that pull at the same moment; the suite has 24.
pulls:
	@tools/packages.sh supervisord=supervisor ssh-keygen=openssh-client
	PULL_HOSTS=200 REQUIRE_E2E=1 $(CARGO) test --test it pulls::others::many_hosts -- --nocapture

pictures:
	@tools/packages.sh supervisord=supervisor logrotate=logrotate
	UPDATE_PICTURES=1 REQUIRE_E2E=1 $(CARGO) test --test it pictures::

# UPDATE_PICTURES=1 make browser draws the pictures of the web view anew.
browser:
	@tools/packages.sh supervisord=supervisor chromium=chromium node=nodejs npm=npm
	cd tests/browser && npm ci
	REQUIRE_E2E=1 $(CARGO) test --test it web::browser -- --include-ignored

# The suite has them open until some thousand were loaded.
LOAD_MINUTES ?= 60

load:
	@tools/packages.sh $(PARTS)
	LOAD_MINUTES=$(LOAD_MINUTES) REQUIRE_E2E=1 $(CARGO) test --test it web::load -- --nocapture

docs:
	@mdbook --version >/dev/null 2>&1 || \
		$(CARGO) install mdbook --version 0.5.4 --locked --no-default-features --features search
	tools/docs.sh

release:
	@tools/packages.sh /usr/share/doc/python3-venv=python3-venv cc=build-essential git=git gpg=gpg \
		dpkg-deb=dpkg apt-ftparchive=apt-utils ssh-keygen=openssh-client
	packaging/release.sh

# What makes and checks packages, and what runs a binary for another CPU.
PACKAGERS = supervisord=supervisor mmdebstrap=mmdebstrap lintian=lintian unshare=util-linux curl=curl \
	objcopy=binutils qemu-aarch64-static=qemu-user-static \
	/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1=libc6-arm64-cross

packages: release
	@tools/packages.sh $(PACKAGERS)
	$(CARGO) test --test packages

packages-all: release
	@tools/packages.sh $(PACKAGERS)
	$(CARGO) test --test packages -- --include-ignored

ci:
	.ci/run
