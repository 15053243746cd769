// A module's text: where its functions are, and its variables.
#include <algorithm>
#include <regex>

#include "ptx/kernel_parser.h"

namespace soft {

static const std::map<std::string, Type> TYPES = {
    {"b8", Type::b8},       {"u8", Type::u8},         {"s8", Type::s8},     {"b16", Type::b16},
    {"u16", Type::u16},     {"s16", Type::s16},       {"f16", Type::f16},   {"bf16", Type::bf16},
    {"b32", Type::b32},     {"u32", Type::u32},       {"s32", Type::s32},   {"f32", Type::f32},
    {"f16x2", Type::f16x2}, {"bf16x2", Type::bf16x2}, {"tf32", Type::tf32}, {"b64", Type::b64},
    {"u64", Type::u64},     {"s64", Type::s64},       {"f64", Type::f64},   {"pred", Type::pred}};

Type type_of(const std::string& name) {
    const auto found = TYPES.find(name);
    return found == TYPES.end() ? Type::none : found->second;
}

u32 size_of(Type type) {
    if (type <= Type::s8) return 1;
    if (type <= Type::bf16) return 2;
    if (type <= Type::tf32) return 4;
    return type <= Type::f64 ? 8 : 0;
}

std::string Kernel::source_line(u32 index) const {
    return "line " + std::to_string(code[index].line) + " of its PTX, `" + text[index] + "`";
}

Opcode::Opcode(const std::string& all) : text(all) {
    std::string part;
    for (char c : all + ".") {
        if (c != '.') {
            part += c;
            continue;
        }
        for (size_t colons; (colons = part.find("::")) != std::string::npos;) part.erase(colons, 2);
        parts.push_back(part);
        if (const Type found = type_of(part); found != Type::none && parts.size() > 1) {
            first = type;
            type = found;
        }
        part.clear();
    }
}

bool Opcode::has(const std::string& part) const {
    return std::find(parts.begin() + 1, parts.end(), part) != parts.end();
}

std::string Opcode::one_of(std::initializer_list<const char*> names) const {
    for (const char* name : names)
        if (has(name)) return name;
    return "";
}

static size_t end_of_body(const std::string& text,
                          size_t at) {  // the closing brace; `at` is behind the opening one
    for (int depth = 1; at < text.size(); at++) {
        depth += (text[at] == '{') - (text[at] == '}');
        if (depth == 0) break;
    }
    return at;
}

// .entry name (parameters) .maxntid 256, 1, 1 { ... and .func (results) name (parameters) { ...
static std::map<std::string, Declared> functions_of(const std::string& text) {
    std::map<std::string, Declared> found;
    for (size_t at = 0; (at = text.find_first_of(".{", at)) != std::string::npos;) {
        if (text[at] == '{') {  // a body, or what a variable begins with
            at = end_of_body(text, at + 1);
            continue;
        }
        const std::string word = word_at(text, at);
        if (word != ".entry" && word != ".func") continue;
        Declared function;
        function.entry = word == ".entry";
        const auto bracketed = [&] {
            const size_t first = text.find('(', at), last = text.find(')', first);
            at = last + 1;
            return text.substr(first + 1, last - first - 1);
        };
        const auto next = [&] { return text[text.find_first_not_of(" \t\r\n", at)]; };
        if (next() == '(') function.results = bracketed();
        function.name = word_at(text, at);
        if (next() == '(') function.parameters = bracketed();
        const size_t end = text.find_first_of("{;", at);
        function.directives = text.substr(at, end - at);
        at = end;
        if (end != std::string::npos && text[end] == '{') {
            function.body = end + 1;
            function.line =
                1 + static_cast<u32>(std::count(text.begin(), text.begin() + static_cast<long>(end), '\n'));
        }
        if (function.body != std::string::npos || !found.count(function.name))
            found[function.name] = function;
    }
    return found;
}

static const std::regex VARIABLE(
    R"(\.(global|const|shared)\s+(?:\.attribute\([^)]*\)\s+)?(?:\.align\s+(\d+)\s+)?)"
    R"((?:\.v([24])\s+)?\.(\w+)\s+([\w$]+)((?:\[\d*\])*)\s*(?:=\s*(\{[^}]*\}|[^;{]+))?\s*;)");

static void initialise(char* memory, size_t size, u32 element, std::string values, const std::string& name) {
    if (values.empty()) return;
    std::erase_if(values, [](char c) { return c == '{' || c == '}'; });
    size_t at = 0;
    for (const std::string& value : split(values)) {
        Number parsed;
        if (!number(value, parsed))
            throw PtxError("the variable " + name + " begins with " + value + ", which is not a number");
        if (at + element > size) break;
        memcpy(memory + at, &parsed.bits, element);
        at += element;
    }
}

Module::Module(std::string text, Allocate allocate) : text_(without_comments(std::move(text))) {
    const std::map<std::string, Declared> functions = functions_of(text_);
    std::string outside;  // the text without bodies, in which only the module's variables are left
    size_t copied = 0;
    std::map<size_t, size_t> bodies;
    for (const auto& [name, function] : functions)
        if (function.body != std::string::npos) bodies[function.body] = end_of_body(text_, function.body);
    for (const auto& [first, last] : bodies) {
        outside += text_.substr(copied, first - copied);
        copied = last;
    }
    outside += text_.substr(copied);
    std::map<std::string, std::pair<u32, u32>> shared;
    for (std::sregex_iterator found(outside.begin(), outside.end(), VARIABLE), end; found != end; ++found) {
        const std::smatch& m = *found;
        const u32 element = size_of(type_of(m[4])),
                  vector = m[3].length() ? static_cast<u32>(std::stoul(m[3])) : 1;
        u64 count = vector;
        const std::string dimensions = m[6];
        for (size_t at = 0; (at = dimensions.find('[', at)) != std::string::npos; at++)
            count *= std::strtoull(dimensions.c_str() + at + 1, nullptr, 10);
        const u32 alignment = m[2].length() ? static_cast<u32>(std::stoul(m[2])) : element * vector;
        if (m[1] == "shared") {
            shared[m[5]] = {alignment, static_cast<u32>(count * element)};
            continue;
        }
        const size_t size = std::max<size_t>(count * element, 1);
        char* memory = static_cast<char*>(allocate(size));
        memset(memory, 0, size);
        initialise(memory, size, element, m[7], m[5]);
        globals_[m[5]] = {reinterpret_cast<u64>(memory), size};
    }
    const ModuleText all{text_, functions, globals_, shared};
    for (const auto& [name, function] : functions) {
        if (!function.entry) continue;
        try {
            kernels_[name] = KernelParser(all, function).parse();
        } catch (const PtxError& error) {  // the module's other kernels may run
            errors_[name] = error.what();
        }
    }
}

std::shared_ptr<Kernel> Module::kernel(const std::string& name) {
    if (errors_.count(name)) throw PtxError(name + ": " + errors_[name]);
    const auto found = kernels_.find(name);
    if (found == kernels_.end()) throw PtxError("the module has no kernel " + name);
    return found->second;
}

}  // namespace soft
