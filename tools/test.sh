#!/bin/sh
# Run meson's tests and close with one line that counts them.
#   usage: tools/test.sh BUILD_DIR [meson test arguments]
set -u
build=$1
shift
status=0
meson test -C "$build" --no-rebuild --print-errorlogs "$@" || status=$?
python3 - "$build/meson-logs/testlog.json" <<'PYTHON' || status=1
import json
import sys

results = [json.loads(line)["result"] for line in open(sys.argv[1])]
passed = sum(r in ("OK", "EXPECTEDFAIL") for r in results)
skipped = results.count("SKIP")
failed = len(results) - passed - skipped
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed != 0 or passed == 0)
PYTHON
exit $status
