# Everything is done in .venv, made from the lock files by deploy/bootstrap.py. Any python3 >= 3.11 will do to begin with.

PYTHON ?= python3

.PHONY: demo demo-docker demo-reset lock test test-images

demo: ## The whole hub on this machine, with demo people, proposals and data
	@$(PYTHON) deploy/bootstrap.py demo
	@exec .venv/bin/python deploy/demo/demo.py local

demo-docker: ## The same with containers
	@$(PYTHON) deploy/bootstrap.py demo
	@exec .venv/bin/python deploy/demo/demo.py docker

demo-reset: ## Forget the demo: its people's homes, its data, its database
	@.venv/bin/python deploy/demo/demo_reset.py

lock: ## Make the lock files anew
	@$(PYTHON) deploy/bootstrap.py dev
	@$(PYTHON) deploy/lock.py

test: ## Everything: installs what it needs, fast tests first
	@exec $(PYTHON) tests/run.py

test-images: ## Every image built and proven (Docker; half an hour the first time); sizes and times go into the docs
	@$(PYTHON) deploy/bootstrap.py dev
	@.venv/bin/panosc-hub images build all --verify --record
	@.venv/bin/panosc-hub images docs
