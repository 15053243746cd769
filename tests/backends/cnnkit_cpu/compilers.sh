#!/usr/bin/env bash
# The C++ kernels by other compilers: every instruction set is built, and those of this processor pass the conformance cases.
# needs: the compilers; in Debian 12 apt-get install g++-11 clang-14
# usage: compilers.sh PYTHON [compiler ...]
set -euo pipefail
python=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../../backends/cnnkit_cpu/src" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- g++-11 clang++-14
declare -A flags=([generic]="" [avx2]="-mavx2 -mfma" [avx512]="-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl")
for compiler in "$@"; do
    mkdir "$work/$compiler"
    pids=()
    for isa in avx512 avx2 generic; do  # side by side
        # shellcheck disable=SC2086
        "$compiler" -std=c++17 -O1 -g0 -pthread -fPIC -shared -fvisibility=hidden -fno-math-errno -fno-trapping-math -Wno-psabi \
            -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now,-z,noexecstack \
            ${flags[$isa]} -I"$sources" "$sources/$isa.cpp" -o "$work/$compiler/libcnnkit_$isa.so" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    "$python" "$here/sanitized.py" "$work/$compiler"
done
