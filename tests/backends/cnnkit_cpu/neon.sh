#!/usr/bin/env bash
# The C++ kernels on AArch64 without such a machine. Debian's Python for it is unpacked into a folder and emulated: it builds
# cnnkit's wheel with a cross compiler, checks every op of the table `cpu`, and runs the kernels' tests on the wheel.
# needs: Debian, apt-get install g++-aarch64-linux-gnu qemu-user, a PYTHON with pip, and a quarter of an hour
# usage: neon.sh PYTHON [pytest's arguments ...]
set -euo pipefail
python=$1
shift
root=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sysroot=$work/sysroot emulated=$work/sysroot/usr/bin/emulated

mkdir -p "$work"/apt/{lists,archives}/partial "$sysroot"
touch "$work/apt/status"  # nothing is installed: all that Python needs is fetched, and the machine's own packages are left alone
cat > "$work/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$work/apt";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
END
export APT_CONFIG=$work/apt.conf
apt-get -qq update
apt-get -qq install --download-only --no-install-recommends python3 libstdc++6 > "$work/apt.log"
for package in "$work"/apt/archives/*.deb; do dpkg-deb -x "$package" "$sysroot"; done

cat > "$emulated" <<END
#!/bin/sh
exec qemu-aarch64 -cpu neoverse-n1 -L "$sysroot" -0 "\$0" "$sysroot/usr/bin/python3" -P "\$@"
END
chmod +x "$emulated"
mkdir "$work/source"
cp -r "$root"/{pyproject.toml,setup.py,README.md,LICENSE,cnnkit,backends} "$work/source"
"$python" -m pip install -q --target "$work/tools" "setuptools>=77"
cd "$work/source"
PYTHONPATH=$work/tools "$emulated" -c "from setuptools import build_meta; build_meta.build_wheel('..')" > "$work/build.log" ||
    { cat "$work/build.log"; exit 1; }
"$python" -m pip install -q --target "$sysroot/usr/lib/python3/dist-packages" --only-binary=:all: --platform linux_aarch64 \
    --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 \
    --python-version "$("$emulated" -c 'import platform; print(platform.python_version())')" "$(echo "$work"/*.whl)[test]"

cd "$root"
"$emulated" -c "import cnnkit_cpu, platform; assert (platform.machine(), cnnkit_cpu.isas()) == ('aarch64', ('generic',))"
"$emulated" -m cnnkit backends
"$emulated" -m cnnkit check cpu
[ $# -gt 0 ] || set -- tests/backends/cnnkit_cpu -k "not are_bound"  # the emulator has a thread of its own, which that test counts
"$emulated" -m pytest -q -p no:cacheprovider "$@"
