# A thin front for meson: `make run` shows Slipway at work, `make test` proves it.
BUILD ?= build
PREFIX ?= /usr
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: all build run test lint bench asan install clean

all: build

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	tools/packages.sh build
	meson setup $(BUILD) -Dtests=false --prefix $(PREFIX)

run: build
	tools/packages.sh build run
	demo/run.sh $(BUILD)

test:
	tools/packages.sh build test
	meson setup build-test $(if $(wildcard build-test/build.ninja),--reconfigure)
	ninja -C build-test
	tools/test.sh build-test

lint:
	tools/packages.sh build test
	tools/lint.sh

# The unit tests and fuzz corpora once more under AddressSanitizer and UBSan.
asan:
	tools/packages.sh build test
	meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false \
	    $(if $(wildcard build-asan/build.ninja),--reconfigure)
	ninja -C build-asan
	ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	    tools/test.sh build-asan --suite unit --suite fuzz

bench:
	tools/packages.sh build run bench
	meson setup build-bench -Dtests=false -Dbuildtype=release $(if $(wildcard build-bench/build.ninja),--reconfigure)
	ninja -C build-bench
	bench/run.sh build-bench

install: build
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf build build-test build-asan build-bench
