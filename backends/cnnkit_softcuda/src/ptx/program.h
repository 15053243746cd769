// A kernel as it is run: instructions whose operands are places in a warp's registers.
//
// A register of PTX holds one value for each of a warp's 32 lanes, one beside the other; a predicate is a bit
// for each lane. Numbers and special registers (%tid) that instructions name are registers too, which are
// filled before the kernel runs.
#pragma once
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ptx/numbers.h"

namespace soft {

struct Warp;
struct Instruction;
using Mask = u32;  // a bit for each lane
using Handler = void (*)(Warp&, const Instruction&, Mask active);

enum class Type : u8 {
    b8,
    u8,
    s8,
    b16,
    u16,
    s16,
    f16,
    bf16,
    b32,
    u32,
    s32,
    f32,
    f16x2,
    bf16x2,
    tf32,
    b64,
    u64,
    s64,
    f64,
    pred,
    none
};
enum class Space : u8 { generic, global, shared, local, param, constant };
enum class Flow : u8 { none, branch, table, exit, barrier, collective, trap };

struct Operand {
    u32 slot = 0;  // bytes from the start of the warp's registers
    u8 size = 0;  // bytes of a lane; 0: a predicate, or nothing
    bool named = false;  // false: "_", or no operand
    bool negated = false;
};

struct Instruction {
    Handler run = nullptr;
    Flow flow = Flow::none;
    Type type = Type::none, from = Type::none;
    Space space = Space::generic;
    u8 width = 1;  // values of a vector
    u8 option = 0;  // what else a handler has to know
    bool flushes = false, saturates = false, weak = true;  // weak: an access that is not atomic
    s64 number = 0;  // an offset, a target, a table of bits
    Operand guard;
    Operand op[16];  // results first
    u32 index = 0;  // in the kernel
    u32 line = 0;  // of the PTX
    std::vector<u32> targets;
};

struct Filled {
    u32 slot;
    u8 size;
    u64 bits;
};  // a register with a number in all lanes

// values: what only the running device knows; others are made at the start of a launch or a block
enum class Special : u8 {
    tid_x,
    tid_y,
    tid_z,
    ntid_x,
    ntid_y,
    ntid_z,
    ctaid_x,
    ctaid_y,
    ctaid_z,
    nctaid_x,
    nctaid_y,
    nctaid_z,
    laneid,
    warpid,
    nwarpid,
    lanemask_eq,
    lanemask_lt,
    lanemask_le,
    lanemask_gt,
    lanemask_ge,
    dynamic_smem_size,
    total_smem_size,
    zero
};

struct Parameter {
    u32 offset, size;
};

struct Kernel {
    std::string name;
    std::vector<Instruction> code;
    std::vector<std::string> text;  // of each instruction, for messages
    std::vector<Parameter> parameters;
    std::vector<Filled> numbers;
    std::vector<std::pair<u32, Special>> specials;
    u32 parameter_bytes = 0, register_bytes = 0, local_bytes = 0;
    u32 shared_bytes = 0;  // without what a launch adds
    u32 most_threads = 1024;  // of a block, by .maxntid
    std::string source_line(u32 index) const;  // "line 12: add.f32 ..."
};

struct Global {
    u64 address;
    size_t size;
};

struct PtxError : std::runtime_error {
    using runtime_error::runtime_error;
};

// A module: its text, and the variables that its kernels share.
class Module {
public:
    using Allocate = void* (*)(size_t);
    Module(std::string text, Allocate allocate);
    std::shared_ptr<Kernel> kernel(const std::string& name);  // PtxError if there is none
    const std::map<std::string, Global>& globals() const { return globals_; }
    const std::string& text() const { return text_; }

private:
    std::string text_;
    std::map<std::string, Global> globals_;
    std::map<std::string, std::shared_ptr<Kernel>> kernels_;
    std::map<std::string, std::string> errors_;  // of kernels with instructions that this device lacks
};

u32 size_of(Type type);
Type type_of(const std::string& name);  // Type::none if it is no type

}  // namespace soft
