// Convolution and its input's gradient with the channels last in memory, as matrix products of pixels and
// packed filters (passes.h). Chosen from about 16 filters on, where the sums are not worth Winograd's
// transforms (choice.py compares costs).
//
// Each function returns whether all results are finite; if not, Python asks conv_forward of channels_first.h,
// which knows what NaN and infinity may touch.
#pragma once

#include "conv/product/passes.h"
#include "interface.h"

// Forward: one pass. With few channels the taps of a row are read together, as S * C neighbouring numbers.
static std::vector<Pass> forward_passes(const ConvShape& g, Frame& frame) {
    frame = Frame{g.top, g.left, (g.P - 1) * g.stride_h + (g.R - 1) * g.dilation_h + 1,
                  (g.Q - 1) * g.stride_w + (g.S - 1) * g.dilation_w + 1};
    const bool joined = g.C < W && g.dilation_w == 1;
    const int pitch = frame.needed(g.H, g.W) ? frame.columns : g.W;
    Pass pass;
    pass.depth = joined ? g.S * g.C : g.C;
    Packing& packing = pass.packing;
    packing.columns = g.K, packing.depth = g.C, packing.depth_apart = static_cast<long>(g.R) * g.S,
    packing.apart = g.C * packing.depth_apart;
    for (int r = 0; r < g.R; r++)
        for (int s = 0; s < g.S; s++) {
            if (!joined || s == 0) pass.taps.push_back((r * g.dilation_h * pitch + s * g.dilation_w) * g.C);
            packing.taps.push_back(packing.used++);
        }
    pass.places(g.P, g.Q, g.stride_h * pitch * g.C, g.stride_w * g.C, g.Q * g.K, g.K);
    std::vector<Pass> passes;
    passes.push_back(std::move(pass));
    return passes;
}

// The input's gradient: for each place modulo the stride a dense correlation with the taps that reach it.
// `empty`: some places have none.
static std::vector<Pass> input_passes(const ConvShape& g, Frame& frame, bool& empty) {
    struct Tap {
        int at, number;
    };
    const auto taps_of = [](int phase, int before, int stride, int dilation, int kernel) {
        std::vector<Tap> taps;
        for (int r = 0; r < kernel; r++)
            if ((phase + before - r * dilation) % stride == 0)
                taps.push_back({(phase + before - r * dilation) / stride, r});
        return taps;
    };
    const auto extent = [&](int length, int before, int stride, int dilation, int kernel, int outputs,
                            int& first, int& count) {
        int low = 0, high = outputs - 1;
        for (int phase = 0; phase < stride && phase < length; phase++)
            for (const Tap& tap : taps_of(phase, before, stride, dilation, kernel)) {
                const int highest = (length - 1 - phase) / stride + tap.at;
                low = tap.at < low ? tap.at : low;
                high = highest > high ? highest : high;
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
            packing.columns = g.C, packing.apart = static_cast<long>(g.R) * g.S,
            packing.depth_apart = g.C * packing.apart;
            packing.taps.assign(packing.apart, -1);
            for (const Tap& down : taps_of(a, g.top, g.stride_h, g.dilation_h, g.R))
                for (const Tap& right : taps_of(b, g.left, g.stride_w, g.dilation_w, g.S)) {
                    pass.taps.push_back(((down.at + frame.before_h) * pitch + right.at + frame.before_w) *
                                        g.K);
                    packing.taps[down.number * g.S + right.number] = packing.used++;
                }
            if (pass.taps.empty()) {
                empty = true;
                continue;
            }
            const int rows = (g.H - 1 - a) / g.stride_h + 1, columns = (g.W - 1 - b) / g.stride_w + 1;
            pass.places(rows, columns, pitch * g.K, g.K, g.stride_h * g.W * g.C, g.stride_w * g.C);
            const int start = (a * g.W + b) * g.C;
            for (int& at : pass.out) at += start;
            passes.push_back(std::move(pass));
        }
    return passes;
}

EXPORT long product_forward_room(const ConvShape* g, int threads, int N) {
    Frame frame;
    const std::vector<Pass> passes = forward_passes(*g, frame);
    return passes_room(passes, frame, threads, N, g->C);
}

EXPORT long product_forward_filters_size(const ConvShape* g) {
    Frame frame;
    return forward_passes(*g, frame)[0].packing.floats();
}

EXPORT void product_forward_filters(int threads, const ConvShape* g, const float* weight, float* filters) {
    Frame frame;
    pack_passes(threads, forward_passes(*g, frame), weight, filters);
}

EXPORT int product_forward(int threads, const ConvShape* g, int N, const float* x, const float* weight,
                           const float* filters, const float* bias, const float* addend, int function,
                           float a, float b, float* y, float* room) {
    Frame frame;
    std::vector<Pass> passes = forward_passes(*g, frame);
    return compute_passes(threads, passes, frame, N, x, g->H, g->W, g->C, weight, filters, bias,
                          Finish(addend, function, a, b), y, static_cast<long>(g->places()) * g->K, room);
}

EXPORT long product_input_gradient_room(const ConvShape* g, int threads, int N) {
    Frame frame;
    bool empty;
    const std::vector<Pass> passes = input_passes(*g, frame, empty);
    return passes_room(passes, frame, threads, N, g->K);
}

EXPORT int product_input_gradient(int threads, const ConvShape* g, int N, const float* dy,
                                  const float* weight, float* dx, float* room) {
    Frame frame;
    bool empty;
    std::vector<Pass> passes = input_passes(*g, frame, empty);
    const long image = static_cast<long>(g->pixels()) * g->C;
    if (empty) std::memset(dx, 0, N * image * sizeof(float));
    if (passes.empty()) return true;
    return compute_passes(threads, passes, frame, N, dy, g->P, g->Q, g->K, weight, nullptr, nullptr,
                          Finish(nullptr, NO_FUNCTION, 0, 0), dx, image, room);
}
