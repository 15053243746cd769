// One kernel's text -> its instructions. Device functions that it calls become part of it.
#pragma once
#include <functional>
#include <map>

#include "ptx/decode.h"
#include "ptx/text.h"

namespace soft {

struct Declared {  // .entry or .func, before its body is read
    std::string name, parameters, results, directives;
    size_t body = std::string::npos;  // behind the opening brace; npos: only declared
    u32 line = 0;
    bool entry = false;
};

struct ModuleText {
    const std::string& text;
    const std::map<std::string, Declared>& functions;
    const std::map<std::string, Global>& globals;
    const std::map<std::string, std::pair<u32, u32>>& shared;  // name -> alignment and size; size 0: extern
};

class KernelParser {
public:
    KernelParser(const ModuleText& module, const Declared& entry);
    std::shared_ptr<Kernel> parse();

private:
    struct Variable {
        Space space;
        u64 offset;
    };
    struct Register {
        u32 slot;
        Type type;
    };
    struct Scope {
        std::map<std::string, Register> registers;
        std::map<std::string, Variable> variables;
    };
    struct Function {  // the entry, or a call of a device function
        std::map<std::string, u32> labels;
        std::vector<std::pair<u32, std::string>> jumps;
        std::map<std::string, std::vector<std::string>> tables;
        std::vector<u32> returns;  // instructions that leave it
    };

    void kernel_parameters();
    void body(const Declared& function);
    void statement(const Statement& statement);
    void directive(const std::string& text);
    void declare_registers(const std::string& text);
    void declare_variable(const std::string& text, Space space);
    void instruction(const std::string& text, u32 line);
    void flow(Instruction& made, const Opcode& opcode, const std::vector<std::string>& operands);
    void move(Instruction& made, const Opcode& opcode, const std::vector<std::string>& operands);
    void call(const std::string& text, u32 line, const Operand& guard);
    void operands_of(Instruction& made, const Opcode& opcode, const std::vector<std::string>& operands);
    void address(Instruction& made, size_t at, const std::string& text);
    void push(Instruction made, const std::string& text, u32 line);

    Operand operand(const std::string& text, Type type);
    Operand filled(u64 bits, u8 size);
    Operand special(const std::string& name);
    const Register* find_register(const std::string& name) const;
    const Variable* find_variable(const std::string& name);
    u32 room(u8 size);

    const ModuleText& module_;
    const Declared& entry_;
    std::shared_ptr<Kernel> kernel_ = std::make_shared<Kernel>();
    std::vector<Scope> scopes_;
    std::vector<Function> functions_;
    std::map<std::string, Variable> shared_;
    std::vector<std::string> dynamic_;  // extern shared arrays: placed when all others are
    std::vector<std::pair<u32, u8>> dynamic_uses_;
    std::map<std::pair<u64, u8>, u32> numbers_;
    std::map<Special, u32> specials_;
    std::string label_;  // of a .branchtargets that follows
    int depth_ = 0;
};

}  // namespace soft
