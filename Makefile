# The targets that people and CI use. Everything is built by CMake; see CMakePresets.json.

CI_FLAGS := $(if $(CI),-DPARACLIP_WERROR=ON)

.PHONY: all setup build test demo parity bench asan tsan fuzz docs format

all: build

setup:
	@scripts/setup

build: setup
	@cmake --preset release --log-level=WARNING $(CI_FLAGS)
	@cmake --build --preset release

# Every test that this machine can run; those that need the shared data say so and are skipped.
test: build
	@ctest --preset release

# The whole method on small drawn scenes, about five minutes on two cores after the build.
demo: build
	@build/release/paraclip demo

# The comparisons with transformers and open_clip, made live.
parity: build
	@scripts/setup --references
	@scripts/parity

# Speed and memory beside the peers', on the captions and photos in DATA: nothing else should run for its 45 minutes.
# ONLY=train,query runs some of its parts; see bench/run.py.
DATA := ../shared/data
bench: build
	@scripts/setup --references
	@cmake --preset release --log-level=WARNING -DPARACLIP_BENCH=ON
	@cmake --build --preset release
	@.deps/references/bin/python bench/run.py --build build/release --data $(DATA) $(if $(ONLY),--only $(ONLY))

asan tsan: setup
	@cmake --preset $@ --log-level=WARNING
	@cmake --build --preset $@
	@ctest --preset $@ -L unit

# A minute for each reader of foreign bytes, from the golden files on.
fuzz: setup
	@cmake -B build/fuzz -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Release \
	  -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DPARACLIP_FUZZ=ON \
	  "-DPARACLIP_SANITIZE=fuzzer-no-link;address;undefined"
	@ninja -C build/fuzz fuzz
	@for target in build/fuzz/fuzz/fuzz_*; do [ -x $$target ] && [ -f $$target ] || continue; \
	  mkdir -p build/fuzz/corpus/$$(basename $$target); \
	  $$target -max_total_time=60 build/fuzz/corpus/$$(basename $$target) || exit 1; done

docs: setup
	@doxygen docs/Doxyfile

format:
	@clang-format -i $$(git ls-files '*.h' '*.cc')
