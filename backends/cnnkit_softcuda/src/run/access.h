// The one way from an address of a kernel to memory.
#pragma once
#include "run/block.h"
#include "run/watch.h"

namespace soft {

char* place(Warp& warp, const Instruction& instruction, int lane, u64 address, u32 bytes, bool writes,
            bool atomic);
u64 address_of(Warp& warp, const Instruction& instruction, const Operand& base, int lane);

}  // namespace soft
