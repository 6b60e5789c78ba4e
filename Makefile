# Every target prepares .venv by itself; `make demo` and `make test` are all that a fresh machine needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two files at once, each with threads of its own: without "passive" these spin while they wait for each other.
# Tests in the browser, few and long, come first: last, one process would do them while the other waits.
TWO := -n 2 --dist loadfile
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg

.PHONY: demo test notebooks site lab app check bench clean

demo: $(STAMP)  ## the main job: predict, evaluate, draw
	$(BIN)/wbkit demo

test: $(STAMP)  ## all tests, then every notebook run again and its output compared; both, whatever the first says
	@status=0; \
	export OMP_WAIT_POLICY=passive; \
	$(BIN)/python -m pytest $(TWO) --no-loadscope-reorder || status=1; \
	env -u MPLBACKEND $(BIN)/python -m pytest $(NBVAL) $(TWO) notebooks || status=1; \
	exit $$status

notebooks: $(STAMP)  ## run all notebooks in place, for commits
	$(BIN)/python tools/notebooks.py run
	$(BIN)/python tools/gallery.py --thumbnails

site: $(STAMP)  ## the notebooks as pages that open offline: outputs/site/index.html
	$(BIN)/python tools/gallery.py

lab: $(STAMP)  ## JupyterLab
	$(BIN)/jupyter lab

app: $(STAMP)  ## the explorers alone, as a page in your browser
	$(BIN)/voila app/explorers.ipynb

check: $(STAMP)  ## style and lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(STAMP)  ## speed and memory, side by side with peers
	$(BIN)/python -m benchmarks

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wbkit needs Python 3.11 or later; call make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks,test]'
	@touch $@

clean:  ## what the other targets installed; outputs/ stays: training runs lie there
	rm -rf $(VENV) .venv-peers build *.egg-info
