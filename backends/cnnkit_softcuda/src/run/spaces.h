// Where shared, local and parameter memory lie among generic addresses: where no host's memory is.
#pragma once
#include "ptx/numbers.h"

namespace soft {

constexpr u64 SHARED = u64(1) << 62, LOCAL = SHARED | u64(1) << 61, PARAMETERS = SHARED | u64(1) << 60;
constexpr u64 WINDOW = u64(1) << 32;  // bytes of each

}  // namespace soft
