#include "ptx/text.h"

#include <cctype>
#include <cstdlib>

namespace soft {

static bool word_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}

std::string stripped(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::string without_comments(std::string text) {
    for (size_t i = 0; i + 1 < text.size(); i++) {
        if (text[i] == '"') {
            while (++i < text.size() && text[i] != '"') i += text[i] == '\\';
        } else if (text[i] == '/' && text[i + 1] == '/') {
            while (i < text.size() && text[i] != '\n') text[i++] = ' ';
        } else if (text[i] == '/' && text[i + 1] == '*') {
            while (i < text.size() && !(text[i] == '*' && i + 1 < text.size() && text[i + 1] == '/')) {
                if (text[i] != '\n') text[i] = ' ';
                i++;
            }
            if (i + 1 < text.size()) text[i] = text[i + 1] = ' ';
        }
    }
    return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::string part;
    int depth = 0;
    for (char c : text) {
        depth += (c == '{' || c == '[' || c == '(') - (c == '}' || c == ']' || c == ')');
        if (c == separator && depth == 0) {
            parts.push_back(stripped(part));
            part.clear();
        } else {
            part += c;
        }
    }
    if (!stripped(part).empty()) parts.push_back(stripped(part));
    return parts;
}

bool starts_with(const std::string& text, const std::string& prefix) {
    return text.compare(0, prefix.size(), prefix) == 0;
}

std::string word_at(const std::string& text, size_t& at) {
    while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) at++;
    const size_t first = at;
    while (at < text.size() && word_character(text[at])) at++;
    return text.substr(first, at - first);
}

std::vector<Statement> statements(const std::string& text, size_t at, u32 line) {
    std::vector<Statement> found;
    std::string current;
    u32 first_line = line;
    int depth = 0, inner = 0;  // braces of blocks; braces and the like within a statement
    for (; at < text.size(); at++) {
        const char c = text[at];
        const bool fresh = stripped(current).empty();
        if (c == '\n') line++;
        if (fresh && (c == '{' || c == '}')) {
            if (c == '}' && depth-- == 0) break;
            depth += c == '{';
            found.push_back({std::string(1, c), line});
            current.clear();
        } else if (c == ';' && inner == 0) {
            if (!fresh) found.push_back({stripped(current), first_line});
            current.clear();
        } else if (c == ':' && inner == 0 && current.find_first_of(" \t,@[{") == std::string::npos) {
            found.push_back({stripped(current) + ":", line});
            current.clear();
        } else if (!(fresh && std::isspace(static_cast<unsigned char>(c)))) {
            if (fresh) first_line = line;
            inner += (c == '{' || c == '(' || c == '[') - (c == '}' || c == ')' || c == ']');
            current += c;
            if (c == '\n' && (starts_with(current, ".loc") || starts_with(current, ".pragma")))
                current.clear();
        }
    }
    return found;
}

bool number(const std::string& text, Number& result) {
    const char* start = text.c_str();
    char* end = nullptr;
    if (text.size() == 10 && (starts_with(text, "0f") || starts_with(text, "0F"))) {
        result = {std::strtoull(start + 2, &end, 16), true, false};
    } else if (text.size() == 18 && (starts_with(text, "0d") || starts_with(text, "0D"))) {
        result = {std::strtoull(start + 2, &end, 16), false, true};
    } else if (!text.empty() && (std::isdigit(static_cast<unsigned char>(text[0])) || text[0] == '-')) {
        result = {
            text[0] == '-' ? u64(-s64(std::strtoull(start + 1, &end, 0))) : std::strtoull(start, &end, 0),
            false, false};
        if (end && *end == 'U') end++;
    }
    return end && end != start && *end == 0;
}

}  // namespace soft
