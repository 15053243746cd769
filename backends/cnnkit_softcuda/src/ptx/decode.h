// From the name of an instruction to the function that runs it.
#pragma once
#include <initializer_list>

#include "ptx/program.h"

namespace soft {

struct Opcode {
    std::string text;  // "add.ftz.f32"
    std::vector<std::string> parts;  // {"add", "ftz", "f32"}
    Type type = Type::none;  // the last type: of the operands
    Type first = Type::none;  // the type before it, if there are two (cvt: of the result)
    explicit Opcode(const std::string& text);
    const std::string& base() const { return parts[0]; }
    bool has(const std::string& part) const;
    std::string one_of(std::initializer_list<const char*> names) const;  // "" if it has none
};

// Fill `run` and what it needs; the operands are filled by the parser. False: not of this family.
bool decode_arithmetic(const Opcode& opcode, Instruction& instruction);
bool decode_bits(const Opcode& opcode, Instruction& instruction);
bool decode_comparison(const Opcode& opcode, Instruction& instruction);
bool decode_conversion(const Opcode& opcode, Instruction& instruction);
bool decode_memory(const Opcode& opcode, Instruction& instruction);
bool decode_collective(const Opcode& opcode, Instruction& instruction);

// A fence between blocks: told to who watches races.
void fence(Warp& warp, const Instruction& instruction, Mask active);

}  // namespace soft
