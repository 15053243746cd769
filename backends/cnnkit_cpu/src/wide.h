// Convolution of many channels, which lie last in memory: x (N, H, W, C), y (N, P, Q, K), weight (K, C, R, S) as ever.
//
// Forward and the input's gradient are a product of pixels and packed filters (product.h) over an image with its padding
// around it; the filters' gradient is a sum of outer products over the pixels that a tap sees. Each function returns whether
// all results are finite; if not, the caller asks the kernels of conv_forward.h, which know what NaN and infinity may touch.
#pragma once

#include <atomic>

#include "product.h"

struct Wide {  // what the caller passes as an array of ints
    int C, K, R, S, H, W, P, Q, stride_h, stride_w, dilation_h, dilation_w, top, left;

    int pixels() const { return H * W; }
    int places() const { return P * Q; }
};

constexpr int LINE_FLOATS = 16;  // what begins a thread's own memory begins a cache line
static long whole(long floats) { return (floats + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS + LINE_FLOATS; }

// An image with zeros around it: rows and columns in front of the image's first pixel, and of all of it.
struct Frame {
    int before_h, before_w, rows, columns;

    long floats(int channels) const { return whole(static_cast<long>(rows) * columns * channels); }

    bool needed(int height, int width) const { return before_h || before_w || rows > height || columns > width; }

    // `to` has zeros around from an earlier copy. Pixels beyond the frame are left out.
    void fill(const float* x, int height, int width, int channels, float* to) const {
        const int down = rows - before_h < height ? rows - before_h : height;
        const int right = columns - before_w < width ? columns - before_w : width;
        if (right <= 0) return;  // nothing of the image is read
        for (int h = 0; h < down; h++)
            std::memcpy(to + (static_cast<long>(h + before_h) * columns + before_w) * channels, x + static_cast<long>(h) * width * channels,
                        static_cast<size_t>(right) * channels * sizeof(float));
    }
};

// A dense correlation over a frame: results (rows, columns), each reading `taps` from its own place.
struct Pass {
    std::vector<int> in, out, taps;
    int depth;
    Packing packing;
    const float* packed = nullptr;

    void places(int rows, int columns, long down, long right, long out_down, long out_right) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                in.push_back(static_cast<int>(i * down + j * right));
                out.push_back(static_cast<int>(i * out_down + j * out_right));
            }
    }
};

// Pixels of a large image whose channels stay in the cache together, in whole blocks of rows.
static int pixel_block(int depth) {
    const int pixels = (1 << 15) / depth;
    return (pixels < 8 * ROWS ? 8 * ROWS : pixels) / ROWS * ROWS;
}

// What all passes have in common.
struct Running {
    const std::vector<Pass>& passes;
    const Frame& frame;
    int N;
    const float* x;
    int height, width, channels;
    const float* bias;
    bool relu;
    float* y;
    long result;  // floats of an image of results
    bool framed = frame.needed(height, width);
    long image = static_cast<long>(height) * width * channels, framed_image = frame.floats(channels);

    void put_into_frames(int first, int some, float* frames) const {
        if (framed)
            for (int n = 0; n < some; n++) frame.fill(x + (first + n) * image, height, width, channels, frames + n * framed_image);
    }

    // Places from `begin` to `end` of some images, times a panel.
    void times_panel(const Pass& pass, int number, const float* panel, int first, int some, int begin, int end, const float* frames,
                     Floats& finite) const {
        const int k = number * PANEL, left = pass.packing.columns - k < PANEL ? pass.packing.columns - k : PANEL;
        for (int n = 0; n < some; n++) {
            const float* a = framed ? frames + n * framed_image : x + (first + n) * image;
            rows_times_panel(Left{a, pass.in.data() + begin, pass.taps.data(), end - begin, static_cast<int>(pass.taps.size()), pass.depth}, panel,
                             Result{y + (first + n) * result + k, pass.out.data() + begin, left, bias ? bias + k : nullptr, relu}, finite);
        }
    }
};

constexpr long FEW_PLACES = 128;  // of all images: a panel is packed by who needs it, and not kept

static bool few_places(const std::vector<Pass>& passes, int N) { return static_cast<long>(passes[0].in.size()) * N <= FEW_PLACES; }

// Run the passes over all images. Their filters are packed into room first, and a task takes some images, or some panels of one; or,
// of few places, a task packs a panel for itself and takes all images.
static bool run_passes(int threads, std::vector<Pass>& passes, const Frame& frame, int N, const float* x, int height, int width,
                       int channels, const float* weight, const float* bias, bool relu, float* y, long result, float* room) {
    const Running run{passes, frame, N, x, height, width, channels, bias, relu, y, result};
    const int count = panels(passes[0].packing.columns), all = static_cast<int>(passes.size());
    std::atomic<bool> bad{false};
    if (few_places(passes, N)) {
        long most = 0;
        for (const Pass& pass : passes) most = pass.packing.panel_floats() > most ? pass.packing.panel_floats() : most;
        float* frames = room + threads * whole(most);
        if (run.framed) {
            std::memset(frames, 0, N * run.framed_image * sizeof(float));
            run.put_into_frames(0, N, frames);
        }
        parallel(threads, static_cast<long>(all) * count, [&](long task, int thread) {
            const Pass& pass = passes[task / count];
            float* panel = room + thread * whole(most);
            pass.packing.panel(static_cast<int>(task % count), weight, panel);
            Floats finite{};
            run.times_panel(pass, static_cast<int>(task % count), panel, 0, N, 0, static_cast<int>(pass.in.size()), frames, finite);
            if (!all_zero(finite)) bad = true;
        });
        return !bad;
    }
    for (Pass& pass : passes) {
        pass.packed = room;
        room += pass.packing.floats();
    }
    parallel(threads, static_cast<long>(all) * count, [&](long task, int) {
        Pass& pass = passes[task / count];
        const int number = static_cast<int>(task % count);
        pass.packing.panel(number, weight, const_cast<float*>(pass.packed) + number * pass.packing.panel_floats());
    });
    room += (-reinterpret_cast<intptr_t>(room) & 63) / 4;
    // few pixels: several images, so that a panel is read less often; few images: some panels
    const int pixels = static_cast<int>(passes[0].in.size());
    const int together = pixels >= 128 || N < 4 ? 1 : 128 / pixels < N / 4 ? 128 / pixels : N / 4;
    const long groups = (N + together - 1) / together;
    const int parts = groups >= 8 ? 1 : static_cast<int>((8 + groups - 1) / groups < count ? (8 + groups - 1) / groups : count);
    const long own = run.framed ? run.framed_image * together : 0;
    if (run.framed)
        for (int t = 0; t < threads; t++) std::memset(room + t * own, 0, own * sizeof(float));
    parallel(threads, groups * parts, [&](long task, int thread) {
        const int first = static_cast<int>(task / parts) * together, part = static_cast<int>(task % parts);
        const int some = N - first < together ? N - first : together;
        float* frames = room + thread * own;
        run.put_into_frames(first, some, frames);
        Floats finite{};
        for (const Pass& pass : passes) {
            const int places = static_cast<int>(pass.in.size());
            const int block = some > 1 ? places : pixel_block(pass.depth);  // one after the other, so that all panels find it in the cache
            for (int i = 0; i < places; i += block)
                for (int panel = count * part / parts; panel < count * (part + 1) / parts; panel++)
                    run.times_panel(pass, panel, pass.packed + panel * pass.packing.panel_floats(), first, some, i,
                                    places - i < block ? places : i + block, frames, finite);
        }
        if (!all_zero(finite)) bad = true;
    });
    return !bad;
}

static long passes_room(const std::vector<Pass>& passes, const Frame& frame, int threads, int N, int channels) {
    long floats = 2 * LINE_FLOATS, most = 0;
    if (passes.empty()) return floats;
    for (const Pass& pass : passes) {
        floats += pass.packing.floats();
        most = pass.packing.panel_floats() > most ? pass.packing.panel_floats() : most;
    }
    if (few_places(passes, N)) return 2 * LINE_FLOATS + threads * whole(most) + N * frame.floats(channels);
    const int pixels = static_cast<int>(passes[0].in.size());
    return floats + threads * frame.floats(channels) * (pixels >= 128 ? 1 : 128 / pixels + 1);
}

// With few channels the taps of a row are one run of channels.
static std::vector<Pass> forward_passes(const Wide& g, Frame& frame) {
    frame = Frame{g.top, g.left, (g.P - 1) * g.stride_h + (g.R - 1) * g.dilation_h + 1, (g.Q - 1) * g.stride_w + (g.S - 1) * g.dilation_w + 1};
    const bool runs = g.C < W && g.dilation_w == 1;
    const int pitch = frame.needed(g.H, g.W) ? frame.columns : g.W;
    Pass pass;
    pass.depth = runs ? g.S * g.C : g.C;
    pass.places(g.P, g.Q, static_cast<long>(g.stride_h) * pitch * g.C, static_cast<long>(g.stride_w) * g.C, static_cast<long>(g.Q) * g.K, g.K);
    Packing& packing = pass.packing;
    packing.columns = g.K, packing.depth = g.C, packing.depth_apart = static_cast<long>(g.R) * g.S, packing.apart = g.C * packing.depth_apart;
    for (int r = 0; r < g.R; r++)
        for (int s = 0; s < g.S; s++) {
            if (!runs || s == 0) pass.taps.push_back((r * g.dilation_h * pitch + s * g.dilation_w) * g.C);
            packing.taps.push_back(packing.used++);
        }
    return {pass};
}

// The input's gradient: for each place modulo the stride a dense correlation with the taps that reach it. `empty`: some places
// have none.
static std::vector<Pass> input_passes(const Wide& g, Frame& frame, bool& empty) {
    struct Tap { int at, number; };
    const auto taps_of = [](int phase, int before, int stride, int dilation, int kernel) {
        std::vector<Tap> taps;
        for (int r = 0; r < kernel; r++)
            if ((phase + before - r * dilation) % stride == 0) taps.push_back({(phase + before - r * dilation) / stride, r});
        return taps;
    };
    const auto extent = [&](int length, int before, int stride, int dilation, int kernel, int outputs, int& first, int& count) {
        int low = 0, high = outputs - 1;
        for (int phase = 0; phase < stride && phase < length; phase++)
            for (const Tap& tap : taps_of(phase, before, stride, dilation, kernel)) {
                const int last = (length - 1 - phase) / stride + tap.at;
                low = tap.at < low ? tap.at : low;
                high = last > high ? last : high;
            }
        first = -low;
        count = high - low + 1;
    };
    extent(g.H, g.top, g.stride_h, g.dilation_h, g.R, g.P, frame.before_h, frame.rows);
    extent(g.W, g.left, g.stride_w, g.dilation_w, g.S, g.Q, frame.before_w, frame.columns);
    const int pitch = frame.needed(g.P, g.Q) ? frame.columns : g.Q;
    std::vector<Pass> passes;
    empty = false;
    for (int a = 0; a < g.stride_h && a < g.H; a++)
        for (int b = 0; b < g.stride_w && b < g.W; b++) {
            Pass pass;
            Packing& packing = pass.packing;
            pass.depth = packing.depth = g.K;
            packing.columns = g.C, packing.apart = static_cast<long>(g.R) * g.S, packing.depth_apart = g.C * packing.apart;
            packing.taps.assign(packing.apart, -1);
            for (const Tap& down : taps_of(a, g.top, g.stride_h, g.dilation_h, g.R))
                for (const Tap& right : taps_of(b, g.left, g.stride_w, g.dilation_w, g.S)) {
                    pass.taps.push_back(((down.at + frame.before_h) * pitch + right.at + frame.before_w) * g.K);
                    packing.taps[down.number * g.S + right.number] = packing.used++;
                }
            if (pass.taps.empty()) {
                empty = true;
                continue;
            }
            const int rows = (g.H - 1 - a) / g.stride_h + 1, columns = (g.W - 1 - b) / g.stride_w + 1;
            pass.places(rows, columns, static_cast<long>(pitch) * g.K, g.K, static_cast<long>(g.stride_h) * g.W * g.C, static_cast<long>(g.stride_w) * g.C);
            const int start = (a * g.W + b) * g.C;
            for (int& at : pass.out) at += start;
            passes.push_back(pass);
        }
    return passes;
}

EXPORT long wide_forward_room(const Wide* g, int threads, int N) {
    Frame frame;
    const std::vector<Pass> passes = forward_passes(*g, frame);
    return passes_room(passes, frame, threads, N, g->C);
}

EXPORT int wide_forward(int threads, const Wide* g, int N, const float* x, const float* weight, const float* bias, int relu, float* y,
                        float* room) {
    Frame frame;
    std::vector<Pass> passes = forward_passes(*g, frame);
    return run_passes(threads, passes, frame, N, x, g->H, g->W, g->C, weight, bias, relu, y, static_cast<long>(g->places()) * g->K, room);
}

EXPORT long wide_input_room(const Wide* g, int threads, int N) {
    Frame frame;
    bool empty;
    const std::vector<Pass> passes = input_passes(*g, frame, empty);
    return passes_room(passes, frame, threads, N, g->K);
}

EXPORT int wide_input(int threads, const Wide* g, int N, const float* dy, const float* weight, float* dx, float* room) {
    Frame frame;
    bool empty;
    std::vector<Pass> passes = input_passes(*g, frame, empty);
    const long image = static_cast<long>(g->pixels()) * g->C;
    if (empty) std::memset(dx, 0, N * image * sizeof(float));
    if (passes.empty()) return true;
    return run_passes(threads, passes, frame, N, dy, g->P, g->Q, g->K, weight, nullptr, false, dx, image, room);
}

// The filters' gradient: for each tap and channel a sum over pixels of dy, in blocks of pixels that stay in the cache.
//
// Where the weights are few, a task takes some of the pixels and all weights, and what the tasks have found is added up; else
// a task takes some weights and all pixels.
constexpr int GRADIENT_CHANNELS = 32;        // of a task, where there are many weights
constexpr long FEW_WEIGHTS = 1 << 18;        // sums of one task that stay in the cache
constexpr int GRADIENT_PARTS = 8;            // tasks, where there are few weights
constexpr int GRADIENT_PIXELS = 512;         // in a block

static int padded_filters(int K) { return (K + W - 1) / W * W; }

struct Run {  // places of one axis whose tap lies in the image
    int first, last;
};
static Run seen(int outputs, int stride, int offset, int length) {  // 0 <= p * stride + offset < length
    const int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride, past = length - offset;
    const int last = past <= 0 ? 0 : (past + stride - 1) / stride;
    return {first, last < outputs ? last : outputs};
}

struct Gradient {
    const Wide& g;
    bool runs, framed;  // the taps of a row are one run of channels, as in forward_passes; in images with zeros around
    Frame frame;
    int Kp, taps, depth, together, rows, downs, units, parts;
    long weights, image, result;

    Gradient(const Wide& plan, int N) : g(plan) {
        forward_passes(g, frame);
        runs = g.C < W && g.dilation_w == 1 && g.S > 1;
        framed = runs && frame.needed(g.H, g.W);
        Kp = padded_filters(g.K), taps = runs ? g.R : g.R * g.S, depth = runs ? g.S * g.C : g.C;
        weights = static_cast<long>(taps) * depth * Kp;
        image = framed ? frame.floats(g.C) : static_cast<long>(g.pixels()) * g.C, result = static_cast<long>(g.places()) * Kp;
        together = g.places() >= 256 ? 1 : 256 / g.places();  // small images are added up together, and large ones in parts
        rows = g.places() <= GRADIENT_PIXELS ? g.P : (GRADIENT_PIXELS / g.Q > 1 ? GRADIENT_PIXELS / g.Q : 1);
        downs = (g.P + rows - 1) / rows, units = (N + together - 1) / together * downs;
        parts = weights > FEW_WEIGHTS ? 1 : units < GRADIENT_PARTS ? units : GRADIENT_PARTS;
    }

    long room(int N) const {
        return parts * weights + (Kp != g.K ? whole(N * result) : 0) + (framed ? whole(N * image) : 0) + 2 * LINE_FLOATS;
    }

    // ... of MR channels and NV vectors of filters, in a function of its own as in product.h.
    template <int MR, int NV>
    __attribute__((noinline)) void add_block(const float* x, const float* dy, int n0, int n1, int p0, int p1, int count, int pitch, float* to) const {
        Floats sum[MR][NV];
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < NV; v++) sum[i][v] = load(to + static_cast<long>(i) * Kp + v * W);
        for (int n = n0; n < n1; n++)
            for (int p = p0; p < p1; p++)
                outer<MR, NV>(x + n * image + static_cast<long>(p) * g.stride_h * pitch * g.C, static_cast<long>(g.stride_w) * g.C,
                              dy + n * result + static_cast<long>(p) * g.Q * Kp, Kp, count, sum);
        for (int i = 0; i < MR; i++)
            for (int v = 0; v < NV; v++) store(to + static_cast<long>(i) * Kp + v * W, sum[i][v]);
    }

    // Add to sums [channel][filter], from channel c0 to c1 of a tap, what the pixels of units u0 to u1 give.
    void add(int N, const float* x, const float* dy, int tap, int c0, int c1, long u0, long u1, float* sums) const {
        const int r = runs ? tap : tap / g.S, s = runs ? 0 : tap % g.S, pitch = framed ? frame.columns : g.W;
        const int down = r * g.dilation_h - (framed ? 0 : g.top), right = s * g.dilation_w - (framed ? 0 : g.left);
        const Run p_run = seen(g.P, g.stride_h, down, framed ? frame.rows : g.H);
        const Run q_run = runs ? Run{0, g.Q} : seen(g.Q, g.stride_w, right, g.W);
        for (long u = u0; u < u1; u++) {
            const int n0 = static_cast<int>(u / downs) * together, n1 = n0 + together < N ? n0 + together : N;
            const int row = static_cast<int>(u % downs) * rows, p0 = row < p_run.first ? p_run.first : row;
            const int p1 = row + rows < p_run.last ? row + rows : p_run.last;
            for (int k0 = 0; k0 < Kp; k0 += PANEL)
                constant<COLUMNS>(vectors_of(Kp - k0), [&](auto vectors) {
                    for (int c = c0; c < c1;) {
                        const int take = even_share(c1 - c, ROWS);
                        constant<ROWS>(take, [&](auto some) {
                            add_block<decltype(some)::value, decltype(vectors)::value>(
                                x + (static_cast<long>(q_run.first * g.stride_w + right) + static_cast<long>(down) * pitch) * g.C + c,
                                dy + static_cast<long>(q_run.first) * Kp + k0, n0, n1, p0, p1, q_run.last - q_run.first, pitch,
                                sums + static_cast<long>(c - c0) * Kp + k0);
                        });
                        c += take;
                    }
                });
        }
    }
};

EXPORT long wide_weight_room(const Wide* g, int N) { return Gradient(*g, N).room(N); }

EXPORT int wide_weight(int threads, const Wide* plan, int N, const float* x, const float* dy, float* dweight, float* room) {
    const Wide& g = *plan;
    const Gradient work(g, N);
    const int Kp = work.Kp, area = g.R * g.S;
    float* sums = room;  // [part][tap][c][k]
    room += work.parts * work.weights;
    if (Kp != g.K) {  // whole vectors for each pixel
        parallel(threads, N, [&](long n, int) {
            for (int i = 0; i < g.places(); i++)
                for (int k = 0; k < Kp; k++) room[n * work.result + static_cast<long>(i) * Kp + k] = k < g.K ? dy[(n * g.places() + i) * g.K + k] : 0;
        });
        dy = room;
        room += whole(N * work.result);
    }
    if (work.framed) {
        parallel(threads, N, [&](long n, int) {
            std::memset(room + n * work.image, 0, work.image * sizeof(float));
            work.frame.fill(x + n * g.pixels() * g.C, g.H, g.W, g.C, room + n * work.image);
        });
        x = room;
    }
    if (work.parts > 1) {
        parallel(threads, work.parts, [&](long part, int) {
            float* own = sums + part * work.weights;
            std::memset(own, 0, work.weights * sizeof(float));
            const long end = static_cast<long>(work.units) * (part + 1) / work.parts;
            for (long u = static_cast<long>(work.units) * part / work.parts; u < end; u++)
                for (int tap = 0; tap < work.taps; tap++)
                    work.add(N, x, dy, tap, 0, work.depth, u, u + 1, own + static_cast<long>(tap) * work.depth * Kp);
        });
    } else {
        const int blocks = (work.depth + GRADIENT_CHANNELS - 1) / GRADIENT_CHANNELS;
        parallel(threads, static_cast<long>(work.taps) * blocks, [&](long task, int) {
            const int tap = static_cast<int>(task / blocks), c0 = static_cast<int>(task % blocks) * GRADIENT_CHANNELS;
            const int c1 = c0 + GRADIENT_CHANNELS < work.depth ? c0 + GRADIENT_CHANNELS : work.depth;
            float* own = sums + (static_cast<long>(tap) * work.depth + c0) * Kp;
            std::memset(own, 0, static_cast<size_t>(c1 - c0) * Kp * sizeof(float));
            work.add(N, x, dy, tap, c0, c1, 0, work.units, own);
        });
    }
    std::atomic<bool> bad{false};
    parallel(threads, static_cast<long>(area) * g.C, [&](long row, int) {  // [tap][c]
        float* own = sums + row * Kp;
        Floats finite{};
        for (int k = 0; k < Kp; k += W) {
            Floats sum = load(own + k);
            for (int part = 1; part < work.parts; part++) sum += load(own + part * work.weights + k);
            store(own + k, sum);
            finite += sum * splat(0.0f);
        }
        if (!all_zero(finite)) bad = true;
    });
    parallel(threads, g.K, [&](long k, int) {
        for (int c = 0; c < g.C; c++)
            for (int tap = 0; tap < area; tap++) dweight[(k * g.C + c) * area + tap] = sums[(static_cast<long>(tap) * g.C + c) * Kp + k];
    });
    return !bad;
}

// The sum over all pixels of each channel, by spans of a fixed length that meet in double precision; room for a float for each.
constexpr long TOTAL_ROWS = 512;
EXPORT long channel_totals_room(long pixels, int C) { return (pixels + TOTAL_ROWS - 1) / TOTAL_ROWS * C; }

EXPORT void channel_totals(int threads, long pixels, int C, const float* dy, float* result, float* room) {
    const long spans = (pixels + TOTAL_ROWS - 1) / TOTAL_ROWS;
    parallel(pixels * C < 16384 ? 1 : threads, spans, [&](long span, int) {
        const long end = (span + 1) * TOTAL_ROWS < pixels ? (span + 1) * TOTAL_ROWS : pixels;
        float* __restrict sum = room + span * C;
        for (int c = 0; c < C; c++) sum[c] = 0;
        for (long i = span * TOTAL_ROWS; i < end; i++)
            for (int c = 0; c < C; c++) sum[c] += dy[i * C + c];
    });
    for (int c = 0; c < C; c++) {
        double all = 0;
        for (long span = 0; span < spans; span++) all += room[span * C + c];
        result[c] = static_cast<float>(all);
    }
}
