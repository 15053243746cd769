// PTX as text: comments, statements, lists of operands.
#pragma once
#include <string>
#include <vector>

#include "ptx/numbers.h"

namespace soft {

std::string stripped(const std::string& text);  // without space around it
std::string without_comments(std::string text);  // lines stay where they are
std::vector<std::string> split(const std::string& text, char separator = ',');  // not within brackets
bool starts_with(const std::string& text, const std::string& prefix);
std::string word_at(const std::string& text, size_t& at);  // skips space before it

struct Statement {
    std::string text;  // "{", "}", "label:", or a statement without its semicolon
    u32 line;
};
// the statements between the braces of a body; `at` is behind the opening one
std::vector<Statement> statements(const std::string& text, size_t at, u32 line);

// a number as PTX writes it: 12, -1, 0x1fU, 0f3F800000 (the bits of a float), 0d... (of a double)
struct Number {
    u64 bits;
    bool is_float, is_double;
};
bool number(const std::string& text, Number& result);

}  // namespace soft
