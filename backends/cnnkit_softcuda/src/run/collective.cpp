// What the lanes of a warp do together: shfl, vote, match, redux, ldmatrix, mma.
#include <bit>

#include "ptx/decode.h"
#include "run/access.h"

namespace soft {

static void only_synchronise(Warp&, const Instruction&, Mask) {}

void fence(Warp& w, const Instruction&, Mask active) {
    if (active && w.block->launch.watch) w.block->launch.watch->fence();
}

// option: 'u'p, 'd'own, 'b'utterfly, 'i'ndex
static void shuffle(Warp& w, const Instruction& i, Mask active) {
    const u32 *b = w.values<u32>(i.op[2]), *c = w.values<u32>(i.op[3]);
    u32 values[32];
    memcpy(values, w.values<u32>(i.op[1]), sizeof values);
    Mask valid = 0;
    for_lanes(active, [&](int lane) {
        const int by = static_cast<int>(b[lane] & 31), clamp = static_cast<int>(c[lane] & 31),
                  segment = static_cast<int>(c[lane] >> 8 & 31);
        const int last = (lane & segment) | (clamp & ~segment), first = lane & segment;
        int from = i.option == 'u'   ? lane - by
                   : i.option == 'd' ? lane + by
                   : i.option == 'b' ? lane ^ by
                                     : first | (by & ~segment);
        const bool within = i.option == 'u' ? from >= last : from <= last;
        if (!within) from = lane;
        valid |= static_cast<Mask>(within) << lane;
        if (w.lanes >> from & 1 && !(active >> from & 1))
            w.block->fail(launch_failure, w, lane,
                          "takes the value of lane " + std::to_string(from) + ", which does not take part");
        w.values<u32>(i.op[0])[lane] = values[from];
    });
    w.set(i.op[14], valid, active);
}

// option: 0 all, 1 any, 2 uni, 3 ballot
static void vote(Warp& w, const Instruction& i, Mask active) {
    const Mask ballot = w.truth(i.op[1]) & active;
    if (i.option == 3) return set_lanes(w.values<u32>(i.op[0]), active, [&](int) { return ballot; });
    const bool is = i.option == 0   ? ballot == active
                    : i.option == 1 ? ballot != 0
                                    : ballot == 0 || ballot == active;
    w.set(i.op[0], is ? ~Mask(0) : 0, active);
}

template <class T>
static void match(Warp& w, const Instruction& i, Mask active) {
    T a[32];
    memcpy(a, w.values<T>(i.op[1]), sizeof a);
    Mask equal[32] = {};
    for_lanes(active, [&](int lane) {
        for_lanes(active, [&](int other) { equal[lane] |= static_cast<Mask>(a[lane] == a[other]) << other; });
    });
    const bool all = equal[__builtin_ctz(active)] == active;
    set_lanes(w.values<u32>(i.op[0]), active,
              [&](int lane) { return i.option ? equal[lane] : all ? active : 0; });
    w.set(i.op[14], all ? ~Mask(0) : 0, active);
}

template <class T>
static void reduce(Warp& w, const Instruction& i, Mask active) {
    const T* a = w.values<T>(i.op[1]);
    T result = a[__builtin_ctz(active)];
    for_lanes(active & (active - 1), [&](int lane) {
        const T x = a[lane];
        result = i.option == '+'   ? static_cast<T>(result + x)
                 : i.option == '<' ? std::min(result, x)
                 : i.option == '>' ? std::max(result, x)
                 : i.option == '&' ? result & x
                 : i.option == '|' ? result | x
                                   : result ^ x;
    });
    set_lanes(w.values<T>(i.op[0]), active, [&](int) { return result; });
}

static void active_lanes(Warp& w, const Instruction& i, Mask active) {
    set_lanes(w.values<u32>(i.op[0]), active, [&](int) { return active; });
}

// ldmatrix: matrices of 8 rows of 16 bytes; lane n of each group of eight has the address of a row.
static void load_matrices(Warp& w, const Instruction& i, Mask) {
    const char* rows[32];
    for (int lane = 0; lane < 8 * i.width; lane++)
        rows[lane] = place(w, i, lane, address_of(w, i, i.op[i.width], lane), 16, false, false);
    for (int m = 0; m < i.width; m++)
        for (int lane = 0; lane < 32; lane++) {
            u16 pair[2];
            for (int half = 0; half < 2; half++) {
                const int row = i.option ? lane % 4 * 2 + half : lane / 4,
                          column = i.option ? lane / 4 : lane % 4 * 2 + half;
                memcpy(pair + half, rows[8 * m + row] + 2 * column, 2);
            }
            memcpy(w.values<u32>(i.op[m]) + lane, pair, 4);
        }
}

// mma.m16n8kK: the fragments of Figures "MMA .m16n8k8/16 fragment layout" of the PTX manual.
// width: K; type: of A and B; option: bytes of a number of D.
static void multiply(Warp& w, const Instruction& i, Mask) {
    const int K = i.width, wide = i.type == Type::tf32 ? 1 : 2, a_regs = 16 * K / (32 * wide),
              b_regs = a_regs / 2, d_regs = i.option == 4 ? 4 : 2;
    const auto number = [&](const Operand& op, int lane, int part) -> float {
        if (i.type == Type::tf32)  // tensor cores do not round: the last 13 bits do not count
            return bits_as<float>(w.values<u32>(op)[lane] & 0xffffe000);
        return i.type == Type::f16 ? float(w.values<Half>(op)[2 * lane + part])
                                   : float(w.values<Bfloat>(op)[2 * lane + part]);
    };
    double a[16][16], b[16][8], d[16][8];
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < K; k++) {
            const int per_half = 4 * wide, inner = k % per_half;
            a[row][k] = number(i.op[d_regs + (row >= 8) + 2 * (k / per_half)], row % 8 * 4 + inner / wide,
                               inner % wide);
        }
    for (int k = 0; k < K; k++)
        for (int column = 0; column < 8; column++) {
            const int per_half = 4 * wide, inner = k % per_half;
            b[k][column] =
                number(i.op[d_regs + a_regs + k / per_half], column * 4 + inner / wide, inner % wide);
        }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            const int lane = row % 8 * 4 + column / 2, c = d_regs + a_regs + b_regs;
            double sum = i.option == 4
                             ? double(w.values<float>(i.op[c + (row >= 8) * 2 + column % 2])[lane])
                             : double(float(w.values<Half>(i.op[c + (row >= 8)])[2 * lane + column % 2]));
            for (int k = 0; k < K; k++) sum += a[row][k] * b[k][column];
            d[row][column] = sum;
        }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            const int lane = row % 8 * 4 + column / 2;
            if (i.option == 4)
                w.values<float>(i.op[(row >= 8) * 2 + column % 2])[lane] = static_cast<float>(d[row][column]);
            else
                w.values<Half>(i.op[row >= 8])[2 * lane + column % 2] = Half(d[row][column]);
        }
}

static bool matrices(const Opcode& o, Instruction& i) {
    if (o.base() == "ldmatrix") {
        if (!o.has("m8n8") || o.type != Type::b16) return false;
        i.width = o.has("x4") ? 4 : o.has("x2") ? 2 : 1;
        i.option = o.has("trans");
        i.space = Space::shared;
        i.run = load_matrices;
        i.type = Type::b32;
        return true;
    }
    const std::string shape = o.one_of({"m16n8k4", "m16n8k8", "m16n8k16"});
    if (shape.empty() || o.has("sp") || !o.has("row") || !o.has("col")) return false;
    const std::vector<std::string> types(o.parts.end() - 4, o.parts.end());  // D, A, B, C
    i.type = type_of(types[1]);
    if (types[1] != types[2] || types[0] != types[3] ||
        (i.type != Type::f16 && i.type != Type::bf16 && i.type != Type::tf32))
        return false;
    i.width = static_cast<u8>(std::stoul(shape.substr(6)));
    i.option = types[0] == "f32" ? 4 : 2;
    i.run = multiply;
    return (types[0] == "f32" || types[0] == "f16") && i.width != (i.type == Type::tf32 ? 16 : 4);
}

bool decode_collective(const Opcode& o, Instruction& i) {
    const std::string& base = o.base();
    i.flow = Flow::collective;
    if ((base == "bar" || base == "barrier") && o.has("warp")) {
        i.run = only_synchronise;
        i.type = Type::b32;
        return true;
    }
    if (base == "shfl" && o.has("sync")) {
        const std::string how = o.one_of({"up", "down", "bfly", "idx"});
        i.option = static_cast<u8>(how[0]);
        i.run = shuffle;
        return true;
    }
    if (base == "vote" && o.has("sync")) {
        i.option = o.has("all") ? 0 : o.has("any") ? 1 : o.has("uni") ? 2 : 3;
        i.type = Type::b32;
        i.run = vote;
        return true;
    }
    if (base == "match" && o.has("sync")) {
        i.option = o.has("any");
        i.run = size_of(i.type) == 8 ? match<u64> : match<u32>;
        return true;
    }
    if (base == "redux" && o.has("sync") && i.type != Type::f32) {
        const std::string how = o.one_of({"add", "min", "max", "and", "or", "xor"});
        i.option = static_cast<u8>(how == "add"   ? '+'
                                   : how == "min" ? '<'
                                   : how == "max" ? '>'
                                   : how == "and" ? '&'
                                   : how == "or"  ? '|'
                                                  : '^');
        i.run = i.type == Type::s32 ? reduce<s32> : reduce<u32>;
        return true;
    }
    if ((base == "ldmatrix" || base == "mma") && matrices(o, i)) return true;
    i.flow = Flow::none;
    if (base == "activemask") i.run = active_lanes;
    return base == "activemask";
}

}  // namespace soft
