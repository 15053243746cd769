#!/usr/bin/env bash
# The conformance cases of the C++ kernels, one build for each vector width, with every access to memory checked.
# usage: sanitize.sh PYTHON [instruction set ...]
set -euo pipefail
python=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../../../backends/cnnkit_cpu/src" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
declare -A flags=([generic]="" [avx2]="-mavx2 -mfma" [avx512]="-mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl")
for isa in "${@:-avx2}"; do
    # shellcheck disable=SC2086
    g++ -std=c++17 -O1 -g1 -pthread -fPIC -shared -fvisibility=hidden -fno-math-errno -fno-trapping-math \
        -Wno-psabi -fsanitize=address,undefined -fno-sanitize-recover=undefined ${flags[$isa]} -I"$sources" \
        "$sources/$isa.cpp" -o "$work/libcnnkit_$isa.so"
    LD_PRELOAD="$(g++ -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 "$python" "$here/sanitized.py" "$work" "$isa"
done
