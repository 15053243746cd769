// The operands of an instruction: registers, numbers, special registers, variables, addresses.
#include <algorithm>

#include "ptx/kernel_parser.h"
#include "run/moves.h"
#include "run/spaces.h"

namespace soft {

static const std::map<std::string, Special> SPECIALS = {{"%tid.x", Special::tid_x},
                                                        {"%tid.y", Special::tid_y},
                                                        {"%tid.z", Special::tid_z},
                                                        {"%ntid.x", Special::ntid_x},
                                                        {"%ntid.y", Special::ntid_y},
                                                        {"%ntid.z", Special::ntid_z},
                                                        {"%ctaid.x", Special::ctaid_x},
                                                        {"%ctaid.y", Special::ctaid_y},
                                                        {"%ctaid.z", Special::ctaid_z},
                                                        {"%nctaid.x", Special::nctaid_x},
                                                        {"%nctaid.y", Special::nctaid_y},
                                                        {"%nctaid.z", Special::nctaid_z},
                                                        {"%laneid", Special::laneid},
                                                        {"%warpid", Special::warpid},
                                                        {"%nwarpid", Special::nwarpid},
                                                        {"%lanemask_eq", Special::lanemask_eq},
                                                        {"%lanemask_lt", Special::lanemask_lt},
                                                        {"%lanemask_le", Special::lanemask_le},
                                                        {"%lanemask_gt", Special::lanemask_gt},
                                                        {"%lanemask_ge", Special::lanemask_ge},
                                                        {"%dynamic_smem_size", Special::dynamic_smem_size},
                                                        {"%total_smem_size", Special::total_smem_size},
                                                        {"%smid", Special::zero}};

Operand KernelParser::filled(u64 bits, u8 size) {
    auto [found, fresh] = numbers_.insert({{bits, size}, 0});
    if (fresh) {
        found->second = room(size);
        kernel_->numbers.push_back({found->second, size, bits});
    }
    return {found->second, size, true, false};
}

Operand KernelParser::special(const std::string& name) {
    const auto known = SPECIALS.find(name);
    if (known == SPECIALS.end()) throw PtxError("the special register " + name + ", which this device lacks");
    auto [found, fresh] = specials_.insert({known->second, 0});
    if (fresh) {
        found->second = room(4);
        kernel_->specials.push_back({found->second, known->second});
    }
    return {found->second, 4, true, false};
}

Operand KernelParser::operand(const std::string& text, Type type) {
    if (text == "_") return {};
    if (text[0] == '!') {
        Operand inverse = operand(text.substr(1), type);
        inverse.negated = true;
        return inverse;
    }
    if (const Register* found = find_register(text))
        return {found->slot, static_cast<u8>(size_of(found->type)), true, false};
    if (text == "WARP_SZ") return filled(32, 4);
    if (text[0] == '%') return special(text);
    const u8 size = static_cast<u8>(std::max<u32>(size_of(type), type == Type::pred ? 4 : 2));
    Number parsed;
    if (number(text, parsed)) {
        if (type == Type::pred) {
            Operand bits = filled(parsed.bits ? ~Mask(0) : 0, 4);
            bits.size = 0;
            return bits;
        }
        if (parsed.is_double && size == 4)
            return filled(bits_as<u32>(static_cast<float>(bits_as<double>(parsed.bits))), 4);
        if (parsed.is_float && size == 8)
            return filled(bits_as<u64>(static_cast<double>(bits_as<float>(static_cast<u32>(parsed.bits)))),
                          8);
        return filled(size == 8 ? parsed.bits : parsed.bits & ((u64(1) << 8 * size) - 1), size);
    }
    if (const Variable* variable = find_variable(text))
        return filled(variable->offset + (variable->space == Space::param ? PARAMETERS : 0), size);
    if (const auto found = module_.globals.find(text); found != module_.globals.end())
        return filled(found->second.address, 8);
    if (module_.shared.count(text)) {  // extern: its place is known when the kernel has been read
        const u32 slot = room(size);
        dynamic_uses_.push_back({slot, size});
        return {slot, size, true, false};
    }
    throw PtxError("there is no " + text);
}

// [register + 4], [variable], [12]: the base into operand `at`, the rest into the instruction's number
void KernelParser::address(Instruction& made, size_t at, const std::string& text) {
    const std::string inner = stripped(text.substr(1, text.size() - 2));
    const size_t plus = inner.find_first_of("+-", 1);
    const std::string base = stripped(inner.substr(0, plus));
    if (plus != std::string::npos)
        made.number = std::strtoll(stripped(inner.substr(plus + (inner[plus] == '+'))).c_str(), nullptr, 0);
    const Variable* variable = find_register(base) ? nullptr : find_variable(base);
    if (variable && variable->space == Space::param && made.space == Space::param) {
        made.op[at] = filled(variable->offset, 8);
        return;
    }
    if (variable && made.space == Space::param) made.space = Space::local;  // of a call
    made.op[at] = operand(base, Type::b64);
}

void KernelParser::operands_of(Instruction& made, const Opcode& opcode,
                               const std::vector<std::string>& operands) {
    size_t at = 0;
    const auto add = [&](const std::string& text, Type type) {
        if (at == std::size(made.op)) throw PtxError("more operands than this device takes");
        made.op[at++] = operand(text, type);
    };
    if (opcode.base() == "mov" &&
        (starts_with(operands[1], "%clock") || starts_with(operands[1], "%globaltimer"))) {
        made.run = clock;
        return add(operands[0], made.type);
    }
    const bool shifts = opcode.base() == "shl" || opcode.base() == "shr";
    for (size_t i = 0; i < operands.size(); i++) {
        const std::string& text = operands[i];
        // narrow operands of instructions whose others are wide
        const Type type =
            (shifts && i == 2) || (opcode.base() == "bfe" && i >= 2) || (opcode.base() == "bfi" && i >= 3)
                ? Type::u32
            : opcode.has("wide") && i == 3      ? (size_of(made.type) == 2 ? Type::b32 : Type::b64)
            : opcode.base() == "slct" && i == 3 ? opcode.type
                                                : made.type;
        if (text[0] == '[') {
            address(made, at++, text);
        } else if (text[0] == '{') {
            for (const std::string& one : split(text.substr(1, text.size() - 2))) add(one, type);
        } else if (const size_t both = text.find('|'); both != std::string::npos) {
            add(stripped(text.substr(0, both)), type);
            made.op[14] = operand(stripped(text.substr(both + 1)), type);
        } else {
            add(text, type);
        }
    }
    if (made.flow == Flow::collective && at && opcode.base() != "mma" && opcode.base() != "ldmatrix")
        made.op[15] = made.op[at - 1];  // the last one says which lanes take part
    if (opcode.base() == "mov" && made.op[0].size != made.op[1].size) made.run = widened;
}

// mov.b32 {%rs1, %rs2}, %r1 and mov.b32 %r1, {%rs1, %rs2}
void KernelParser::move(Instruction& made, const Opcode& opcode, const std::vector<std::string>& operands) {
    const bool unpacks = operands[0][0] == '{';
    const std::string& list = operands[unpacks ? 0 : 1];
    const std::vector<std::string> parts = split(list.substr(1, list.size() - 2));
    const u32 part = size_of(opcode.type) / static_cast<u32>(parts.size());
    const Type narrow = part == 1 ? Type::b8 : part == 2 ? Type::b16 : Type::b32;
    made.run = unpacks ? unpack : pack;
    made.width = static_cast<u8>(parts.size());
    made.option = static_cast<u8>(part);
    made.op[0] = operand(operands[unpacks ? 1 : 0], opcode.type);
    for (size_t i = 0; i < parts.size(); i++) made.op[1 + i] = operand(parts[i], narrow);
}

}  // namespace soft
