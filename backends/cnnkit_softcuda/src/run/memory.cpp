// ld, st, atom, red, cp.async, cvta: every access is checked before it is made.
#include "ptx/decode.h"
#include "run/access.h"
#include "run/spaces.h"

namespace soft {

static const char* kind(Space space) {
    return space == Space::shared  ? "shared memory"
           : space == Space::local ? "local memory"
           : space == Space::param ? "a parameter"
                                   : "global memory";
}

// The host's address of `bytes` at a lane's address, or a fault.
char* place(Warp& w, const Instruction& i, int lane, u64 address, u32 bytes, bool writes, bool atomic) {
    Block& block = *w.block;
    Space space = i.space;
    if (address & (bytes - 1))
        block.fail(misaligned_address, w, lane,
                   std::string(writes ? "writes " : "reads ") + std::to_string(bytes) + " bytes of " +
                       kind(space) + " at an address that is not a multiple of " + std::to_string(bytes));
    if (space == Space::generic && address >= SHARED && address < SHARED + WINDOW)
        space = Space::shared, address -= SHARED;
    else if (space == Space::generic && address >= LOCAL && address < LOCAL + WINDOW)
        space = Space::local, address -= LOCAL;
    else if (space == Space::param && address >= PARAMETERS)
        address -= PARAMETERS;
    else if (space == Space::generic && address >= PARAMETERS && address < PARAMETERS + WINDOW)
        space = Space::param, address -= PARAMETERS;
    char* start;
    u64 size;
    switch (space) {
        case Space::shared: start = block.shared.data(), size = block.shared.size(); break;
        case Space::local:
            size = block.launch.kernel.local_bytes;
            start = w.local + lane * size;
            break;
        case Space::param:
            size = block.launch.kernel.parameter_bytes;
            start = const_cast<char*>(block.launch.parameters);
            break;
        default: {
            Range& known = block.ranges[i.index];
            if (address - known.start >= known.size && !block.launch.find(address, known)) {
                known = {};
                block.fail(illegal_address, w, lane,
                           std::string(writes ? "writes " : "reads ") + std::to_string(bytes) + " bytes " +
                               block.launch.describe(address, bytes));
            }
            if (address - known.start + bytes > known.size)
                block.fail(illegal_address, w, lane,
                           std::string(writes ? "writes " : "reads ") + std::to_string(bytes) + " bytes " +
                               block.launch.describe(known.start + known.size, bytes));
            if (block.launch.watch)
                block.launch.watch->global(w, i, lane, known, address, bytes, writes, atomic || !i.weak);
            return reinterpret_cast<char*>(address);
        }
    }
    if (address >= size || address + bytes > size)
        block.fail(illegal_address, w, lane,
                   std::string(writes ? "writes " : "reads ") + std::to_string(bytes) + " bytes of " +
                       kind(space) + " at " + std::to_string(static_cast<s64>(address)) + ", and there are " +
                       std::to_string(size));
    if (space == Space::shared && block.launch.watch)
        block.launch.watch->shared(w, i, lane, static_cast<u32>(address), bytes, writes, atomic || !i.weak);
    return start + address;
}

u64 address_of(Warp& w, const Instruction& i, const Operand& base, int lane) {
    if (base.size == 8) return w.values<u64>(base)[lane] + static_cast<u64>(i.number);
    return static_cast<u32>(w.values<u32>(base)[lane] + static_cast<u32>(i.number));
}

static void load(Warp& w, const Instruction& i, Mask active) {
    const Operand& base = i.op[i.width];
    const u32 bytes = size_of(i.type);
    const bool is_signed = i.type == Type::s8 || i.type == Type::s16 || i.type == Type::s32;
    for_lanes(active, [&](int lane) {
        const char* from = place(w, i, lane, address_of(w, i, base, lane), bytes * i.width, false, false);
        for (u32 v = 0; v < i.width; v++, from += bytes) {
            const Operand& to = i.op[v];
            if (!to.named) continue;
            char* target = w.registers + to.slot + lane * to.size;
            if (to.size == bytes) {
                memcpy(target, from, bytes);
                continue;
            }
            u64 value = 0;
            memcpy(&value, from, bytes);
            if (is_signed)
                value = static_cast<u64>(static_cast<s64>(value << (64 - 8 * bytes)) >> (64 - 8 * bytes));
            memcpy(target, &value, to.size);
        }
    });
}

static void store(Warp& w, const Instruction& i, Mask active) {
    const u32 bytes = size_of(i.type);
    for_lanes(active, [&](int lane) {
        char* to = place(w, i, lane, address_of(w, i, i.op[0], lane), bytes * i.width, true, false);
        for (u32 v = 0; v < i.width; v++, to += bytes) {
            const Operand& from = i.op[1 + v];
            memcpy(to, w.registers + from.slot + lane * from.size, bytes);
        }
    });
}

// cvta: option 1 takes from the window of a space to generic addresses, 2 back
static void change_space(Warp& w, const Instruction& i, Mask active) {
    const u64 window = i.space == Space::shared  ? SHARED
                       : i.space == Space::local ? LOCAL
                       : i.space == Space::param ? PARAMETERS
                                                 : 0;
    u64 values[32];
    read(w, i.op[1], values);
    for (u64& value : values)
        value = i.option == 1 ? (window ? (value & (WINDOW - 1)) + window : value) : value - window;
    write(w, i.op[0], values, active);
}
static void is_space(Warp& w, const Instruction& i, Mask active) {
    const u64* a = w.values<u64>(i.op[1]);
    Mask result = 0;
    for (int l = 0; l < 32; l++) {
        const Space is = a[l] < PARAMETERS ? Space::global
                         : a[l] < SHARED   ? Space::param
                         : a[l] < LOCAL    ? Space::shared
                                           : Space::local;
        result |= static_cast<Mask>(is == i.space) << l;
    }
    w.set(i.op[0], result, active);
}

enum Change : u8 {
    add,
    smallest,
    largest,
    exchange,
    compare,
    conjunction,
    disjunction,
    difference,
    increase,
    decrease
};

template <class T>
static T changed(T old, T b, T c, u8 how) {
    if constexpr (is_float<T> && sizeof(T) == 2) {
        if (how == add) return T(static_cast<float>(old) + static_cast<float>(b));
        return how == exchange
                   ? b
                   : T(how == smallest ? std::fmin(float(old), float(b)) : std::fmax(float(old), float(b)));
    } else {
        switch (how) {
            case add: return static_cast<T>(old + b);
            case smallest: return b < old ? b : old;
            case largest: return old < b ? b : old;
            case exchange: return b;
            case compare: return old == b ? c : old;
            case increase: return old >= b ? T(0) : static_cast<T>(old + 1);
            case decrease: return old == T(0) || old > b ? b : static_cast<T>(old - 1);
            default: break;
        }
        if constexpr (!is_float<T>)
            return static_cast<T>(how == conjunction ? old & b : how == disjunction ? old | b : old ^ b);
        return old;
    }
}

// option: the change; width: where the address is (0 for red, which has no result)
template <class T, int count = 1>
static void atomic(Warp& w, const Instruction& i, Mask active) {
    const Operand &base = i.op[i.width], &b = i.op[i.width + 1], &c = i.op[i.width + 2];
    for_lanes(active, [&](int lane) {
        char* at = place(w, i, lane, address_of(w, i, base, lane), sizeof(T) * count, true, true);
        for (int v = 0; v < count; v++) {
            T old, other = w.values<T>(b)[lane * count + v], third{};
            memcpy(&old, at + v * sizeof(T), sizeof(T));
            if (i.option == compare) third = w.values<T>(c)[lane];
            const T result = changed(old, other, third, i.option);
            memcpy(at + v * sizeof(T), &result, sizeof(T));
            if (i.width && i.op[0].named) w.values<T>(i.op[0])[lane * count + v] = old;
        }
    });
}

static Handler atomic_handler(Type type) {
    switch (type) {
        case Type::s32: return atomic<s32>;
        case Type::u32:
        case Type::b32: return atomic<u32>;
        case Type::s64: return atomic<s64>;
        case Type::u64:
        case Type::b64: return atomic<u64>;
        case Type::f32: return atomic<float>;
        case Type::f64: return atomic<double>;
        case Type::f16: return atomic<Half>;
        case Type::bf16: return atomic<Bfloat>;
        case Type::f16x2: return atomic<Half, 2>;
        case Type::bf16x2: return atomic<Bfloat, 2>;
        case Type::u16:
        case Type::b16: return atomic<u16>;
        default: return nullptr;
    }
}

// cp.async: option 0 copies (when its group is waited for), 1 ends a group, 2 waits for all but the last few
// groups
static void copy_later(Warp& w, const Instruction& i, Mask active) {
    Instruction shared = i, global = i;
    shared.space = Space::shared;
    global.space = Space::global;
    const u32 bytes = *w.values<u32>(i.op[2]);
    shared.number = i.op[4].named ? s64(*w.values<u64>(i.op[4])) : 0;
    for_lanes(active, [&](int lane) {
        if (w.copies[lane].empty()) w.copies[lane].emplace_back();
        const u64 to = address_of(w, shared, i.op[0], lane), from = address_of(w, global, i.op[1], lane);
        u32 given = bytes;  // or the bytes that are there; or nothing, where a predicate says so
        if (i.op[3].named && i.op[3].size) given = w.values<u32>(i.op[3])[lane];
        else if (i.op[3].named && w.truth(i.op[3]) >> lane & 1) given = 0;
        memset(place(w, shared, lane, to, bytes, true, false), 0xff, bytes);  // what is read too early is NaN
        if (given) place(w, global, lane, from, bytes, false, false);
        w.copies[lane].back().push_back({to, from, bytes, given});
    });
}
static void end_copies(Warp& w, const Instruction& i, Mask active) {
    const u64 kept = i.option == 1 ? ~u64(0) : i.op[0].named ? *w.values<u64>(i.op[0]) : 0;
    for_lanes(active, [&](int lane) {
        auto& groups = w.copies[lane];
        if (i.option == 1 || i.option == 3) groups.emplace_back();
        while (groups.size() > 1 && groups.size() - 1 > kept) {
            for (const Copy& copy : groups.front()) {
                char* to = w.block->shared.data() + (copy.to & (WINDOW - 1));
                memset(to, 0, copy.bytes);
                memcpy(to, reinterpret_cast<const char*>(copy.from), copy.given);
            }
            groups.erase(groups.begin());
        }
    });
}

static Space space_of(const Opcode& o) {
    const std::string name =
        o.one_of({"global", "shared", "sharedcta", "local", "param", "paramentry", "paramfunc", "const"});
    return name == "global"  ? Space::global
           : name[0] == 's'  ? Space::shared
           : name == "local" ? Space::local
           : name[0] == 'p'  ? Space::param
           : name == "const" ? Space::constant
                             : Space::generic;
}

bool decode_memory(const Opcode& o, Instruction& i) {
    const std::string& base = o.base();
    if (base != "ld" && base != "ldu" && base != "st" && base != "atom" && base != "red" && base != "cvta" &&
        base != "isspacep" && base != "cp")
        return false;
    i.space = space_of(o);
    i.weak = o.one_of({"volatile", "relaxed", "acquire", "release", "mmio"}).empty();
    if (base == "cp") {
        if (!o.has("async") || o.has("bulk") || o.has("mbarrier")) return false;
        i.option = o.has("commit_group") ? 1 : o.has("wait_group") ? 2 : o.has("wait_all") ? 3 : 0;
        i.run = i.option ? end_copies : copy_later;
        i.type = i.option ? Type::u64 : Type::u32;
    } else if (base == "cvta") {
        i.option = o.has("to") ? 2 : 1;
        i.run = change_space;
    } else if (base == "isspacep") {
        i.type = Type::u64;
        i.run = is_space;
    } else if (base == "atom" || base == "red") {
        static const std::map<std::string, u8> changes = {
            {"add", add},      {"min", smallest},    {"max", largest},    {"exch", exchange},
            {"cas", compare},  {"and", conjunction}, {"or", disjunction}, {"xor", difference},
            {"inc", increase}, {"dec", decrease}};
        const std::string change =
            o.one_of({"add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"});
        if (change.empty() || o.has("v2") || o.has("v4")) return false;
        i.option = changes.at(change);
        i.width = base == "atom";
        i.run = atomic_handler(i.type);
    } else {
        i.width = o.has("v8") ? 8 : o.has("v4") ? 4 : o.has("v2") ? 2 : 1;
        i.run = base == "st" ? store : load;
    }
    return i.run != nullptr;
}

}  // namespace soft
