#include "ptx/kernel_parser.h"

#include <algorithm>

#include "run/spaces.h"

namespace soft {

KernelParser::KernelParser(const ModuleText& module, const Declared& entry)
    : module_(module), entry_(entry) {}

std::shared_ptr<Kernel> KernelParser::parse() {
    kernel_->name = entry_.name;
    scopes_.emplace_back();
    kernel_parameters();
    size_t at = entry_.directives.find(".maxntid");
    if (at == std::string::npos) at = entry_.directives.find(".reqntid");
    if (at != std::string::npos) {
        u64 threads = 1;
        for (const std::string& part : split(entry_.directives.substr(at + 8)))
            if (const u64 n = std::strtoull(part.c_str(), nullptr, 10)) threads *= n;
        kernel_->most_threads = static_cast<u32>(threads);
    }
    body(entry_);
    Instruction last;
    last.flow = Flow::exit;
    push(last, "ret", entry_.line);
    kernel_->shared_bytes = (kernel_->shared_bytes + 15) / 16 * 16;
    for (const auto& [slot, size] : dynamic_uses_)  // what launches add lies behind all else
        kernel_->numbers.push_back({slot, size, kernel_->shared_bytes});
    return kernel_;
}

void KernelParser::kernel_parameters() {
    for (const std::string& text : split(entry_.parameters)) declare_variable(text, Space::param);
}

void KernelParser::body(const Declared& function) {
    functions_.emplace_back();
    scopes_.emplace_back();
    for (const Statement& one : statements(module_.text, function.body, function.line)) statement(one);
    scopes_.pop_back();
    Function done = std::move(functions_.back());
    functions_.pop_back();
    const auto target = [&](const std::string& label) {
        const auto found = done.labels.find(label);
        if (found == done.labels.end()) throw PtxError("there is no label " + label);
        return found->second;
    };
    for (const auto& [at, label] : done.jumps) {
        Instruction& jump = kernel_->code[at];
        if (jump.flow == Flow::branch)
            jump.number = target(label);
        else
            for (const std::string& one : done.tables.at(label)) jump.targets.push_back(target(one));
    }
    for (u32 at : done.returns) kernel_->code[at].number = static_cast<s64>(kernel_->code.size());
}

void KernelParser::statement(const Statement& statement) {
    const std::string& text = statement.text;
    try {
        if (text == "{") {
            scopes_.emplace_back();
        } else if (text == "}") {
            scopes_.pop_back();
        } else if (text.back() == ':') {
            label_ = text.substr(0, text.size() - 1);
            functions_.back().labels[label_] = static_cast<u32>(kernel_->code.size());
        } else if (text[0] == '.') {
            directive(text);
        } else {
            instruction(text, statement.line);
        }
    } catch (const PtxError& error) {
        if (std::string(error.what()).rfind("line ", 0) == 0) throw;
        throw PtxError("line " + std::to_string(statement.line) + " of its PTX, `" + text +
                       "`: " + error.what());
    }
}

void KernelParser::directive(const std::string& text) {
    if (starts_with(text, ".reg"))
        declare_registers(text.substr(4));
    else if (starts_with(text, ".local") || starts_with(text, ".param"))
        declare_variable(text, Space::local);
    else if (starts_with(text, ".shared"))
        declare_variable(text, Space::shared);
    else if (starts_with(text, ".branchtargets"))
        functions_.back().tables[label_] = split(text.substr(14));
    else if (!starts_with(text, ".pragma") && !starts_with(text, ".loc") &&
             !starts_with(text, ".callprototype"))
        throw PtxError("a directive that this device lacks");
}

u32 KernelParser::room(u8 size) {
    const u32 at = kernel_->register_bytes;
    kernel_->register_bytes += size ? size * 32u : 64u;  // a predicate takes a line of the cache as well
    return at;
}

void KernelParser::declare_registers(const std::string& text) {
    size_t at = 0;
    const Type type = type_of(word_at(text, at).substr(1));
    const auto declare = [&](const std::string& name) {
        scopes_.back().registers[name] = {room(static_cast<u8>(size_of(type))), type};
    };
    for (const std::string& name : split(text.substr(at))) {
        const size_t range = name.find('<');
        if (range == std::string::npos) {
            declare(name);
            continue;
        }
        const u64 count = std::strtoull(name.c_str() + range + 1, nullptr, 10);
        for (u64 i = 0; i < count; i++) declare(name.substr(0, range) + std::to_string(i));
    }
}

// ".local .align 8 .b8 name[24]", ".param .b64 name", ".param .u64 .ptr .global .align 4 name"
void KernelParser::declare_variable(const std::string& text, Space space) {
    u32 alignment = 0, element = 0;
    std::string name;
    for (size_t at = 0; at < text.size();) {
        const std::string word = word_at(text, at);
        if (word.empty()) break;
        if (word == ".align") {
            const u32 wanted = static_cast<u32>(std::stoul(word_at(text, at)));
            if (name.empty() && !alignment && element == 0) alignment = wanted;
        } else if (word[0] != '.') {
            name = word;
        } else if (const Type type = type_of(word.substr(1)); type != Type::none) {
            element = size_of(type);
        }
    }
    const size_t bracket = text.find('[');
    const u32 count = bracket == std::string::npos
                          ? 1
                          : static_cast<u32>(std::strtoul(text.c_str() + bracket + 1, nullptr, 10));
    alignment = std::max(alignment, element);
    u32& bytes = space == Space::param    ? kernel_->parameter_bytes
                 : space == Space::shared ? kernel_->shared_bytes
                                          : kernel_->local_bytes;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    scopes_.back().variables[name] = {space, bytes};
    if (space == Space::param) kernel_->parameters.push_back({bytes, element * count});
    bytes += element * count;
}

void KernelParser::push(Instruction made, const std::string& text, u32 line) {
    made.index = static_cast<u32>(kernel_->code.size());
    made.line = line;
    kernel_->code.push_back(std::move(made));
    kernel_->text.push_back(text);
}

void KernelParser::instruction(const std::string& text, u32 line) {
    Instruction made;
    size_t at = 0;
    if (text[0] == '@') {
        made.guard.negated = text[1] == '!';
        at = made.guard.negated ? 2 : 1;
        const std::string name = word_at(text, at);
        const Register* predicate = find_register(name);
        if (!predicate) throw PtxError("there is no register " + name);
        made.guard.slot = predicate->slot;
        made.guard.named = true;
    }
    const size_t first = text.find_first_not_of(" \t\r\n", at);
    size_t end = text.find_first_of(" \t\r\n", first);
    if (end == std::string::npos) end = text.size();
    const Opcode opcode(text.substr(first, end - first));
    const std::string rest = text.substr(end);
    if (opcode.base() == "call") return call(rest, line, made.guard);
    const std::vector<std::string> operands = split(rest);
    made.type = opcode.type;
    made.from = opcode.first;
    made.flushes = opcode.has("ftz");
    made.saturates = opcode.has("sat");
    if (opcode.base() == "membar" || opcode.base() == "fence") {
        if (opcode.has("cta") || opcode.has("proxy")) return;
        made.run = fence;
        return push(made, text, line);
    }
    static const char* const nothing[] = {"prefetch",  "prefetchu", "discard",       "applypriority",
                                          "nanosleep", "pragma",    "griddepcontrol"};
    if (std::find(std::begin(nothing), std::end(nothing), opcode.base()) != std::end(nothing)) return;
    static const char* const flows[] = {"bra", "brx", "ret", "exit", "trap", "bar", "barrier"};
    const bool flows_on = std::find(std::begin(flows), std::end(flows), opcode.base()) == std::end(flows);
    if (!flows_on && !opcode.has("warp")) {
        flow(made, opcode, operands);
    } else if (opcode.base() == "mov" && (operands[0][0] == '{' || operands[1][0] == '{')) {
        move(made, opcode, operands);
    } else {
        if (!(decode_memory(opcode, made) || decode_collective(opcode, made) ||
              decode_conversion(opcode, made) || decode_comparison(opcode, made) ||
              decode_bits(opcode, made) || decode_arithmetic(opcode, made)))
            throw PtxError("an instruction that this device lacks");
        operands_of(made, opcode, operands);
    }
    push(made, text, line);
}

void KernelParser::flow(Instruction& made, const Opcode& opcode, const std::vector<std::string>& operands) {
    const u32 at = static_cast<u32>(kernel_->code.size());
    Function& function = functions_.back();
    if (opcode.base() == "bra") {
        made.flow = Flow::branch;
        function.jumps.push_back({at, operands[0]});
    } else if (opcode.base() == "brx") {
        made.flow = Flow::table;
        made.op[0] = operand(operands[0], Type::u32);
        function.jumps.push_back({at, operands[1]});
    } else if (opcode.base() == "ret" &&
               functions_.size() > 1) {  // out of a function that became part of this
        made.flow = Flow::branch;
        function.returns.push_back(at);
    } else if (opcode.base() == "ret" || opcode.base() == "exit") {
        made.flow = Flow::exit;
    } else if (opcode.base() == "trap") {
        made.flow = Flow::trap;
    } else if (opcode.has("sync") && operands.size() <= 1 && (operands.empty() || operands[0] == "0")) {
        made.flow = Flow::barrier;
    } else {
        throw PtxError("a barrier that is not one of the whole block");
    }
}

// Calls become part of the kernel: what the function calls its parameters are names of the caller's
// variables.
void KernelParser::call(const std::string& text, u32 line, const Operand& guard) {
    std::vector<std::string> parts = split(text), results, arguments;
    const auto inner = [](const std::string& list) { return split(list.substr(1, list.size() - 2)); };
    if (!parts.empty() && parts[0][0] == '(') {
        results = inner(parts[0]);
        parts.erase(parts.begin());
    }
    if (parts.size() > 1) arguments = inner(parts[1]);
    const std::string& name = parts[0];
    if (name == "__assertfail") {
        Instruction trap;
        trap.flow = Flow::trap;
        trap.guard = guard;
        return push(trap, "assert", line);
    }
    const auto found = module_.functions.find(name);
    if (found == module_.functions.end() || found->second.body == std::string::npos)
        throw PtxError("a call of " + name + ", which this device lacks");
    if (guard.named) throw PtxError("a call with a predicate");
    if (++depth_ > 64) throw PtxError("calls in a circle");
    Scope aliases;
    const auto alias = [&](const std::string& list, const std::vector<std::string>& actual) {
        const std::vector<std::string> formal = split(list);
        for (size_t i = 0; i < formal.size(); i++) {
            const size_t end = formal[i].find('[');
            const std::string declared = stripped(formal[i].substr(0, end));
            const Variable* variable = find_variable(actual.at(i));
            if (!variable) throw PtxError("there is no variable " + actual[i]);
            aliases.variables[declared.substr(declared.find_last_of(" \t\n") + 1)] = *variable;
        }
    };
    alias(found->second.results, results);
    alias(found->second.parameters, arguments);
    scopes_.push_back(std::move(aliases));
    body(found->second);
    scopes_.pop_back();
    depth_--;
}

const KernelParser::Register* KernelParser::find_register(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
        if (const auto found = scope->registers.find(name); found != scope->registers.end())
            return &found->second;
    return nullptr;
}

const KernelParser::Variable* KernelParser::find_variable(const std::string& name) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
        if (const auto found = scope->variables.find(name); found != scope->variables.end())
            return &found->second;
    if (const auto found = shared_.find(name); found != shared_.end()) return &found->second;
    if (const auto found = module_.shared.find(name); found != module_.shared.end() && found->second.second) {
        u32& bytes = kernel_->shared_bytes;  // a kernel has those of the module's that it uses
        bytes = (bytes + found->second.first - 1) / found->second.first * found->second.first;
        shared_[name] = {Space::shared, bytes};
        bytes += found->second.second;
        return &shared_[name];
    }
    return nullptr;
}

}  // namespace soft
