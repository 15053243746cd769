// Values between registers of different widths.
#pragma once
#include "ptx/program.h"

namespace soft {

void pack(Warp& warp, const Instruction& instruction, Mask active);
void unpack(Warp& warp, const Instruction& instruction, Mask active);

void widened(Warp& warp, const Instruction& instruction, Mask active);  // mov between widths
void clock(Warp& warp, const Instruction& instruction, Mask active);  // mov from %clock64

}  // namespace soft
