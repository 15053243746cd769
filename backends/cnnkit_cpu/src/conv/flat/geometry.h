// A convolution and the pooling after it as one flat loop: where everything lies in memory. Images are (N, C,
// H, W).
//
// An image is copied once into *phases* (phases.h): with T = stride * pooling stride, pixel (h, w) of the
// padded image goes to phase (h % T, w % T), place (h / T, w / T). Then whatever output (i, j) of the pooled
// map reads - filter element (r, s) under element (a, b) of the pooling window - lies at the same offset from
// its own place i * pitch + j, for all outputs at once. So vectors run over the places of a whole map, rows
// one after the other, at any kernel size, stride, padding, dilation and pooling; between two rows lie `halo`
// places whose results are thrown away. Pooling alone (pool/planes.h) has the same geometry.
#pragma once

#include <new>
#include <vector>

#include "core/blocking.h"
#include "interface.h"

enum Pool { NO_POOL, MAX_POOL, AVG_POOL };

struct Axis {
    int length, kernel, stride, dilation, before;  // the image, the filter
    // the pooling window's size, stride and dilation (1, 1, 1 without pooling)
    int window, every, apart;
    int outputs;  // of the pooled map
    int step, phases, halo, cells;

    void finish() {
        step = stride * every;
        int reach = (window - 1) * apart * stride + (kernel - 1) * dilation;
        phases = reach + 1 < step ? reach + 1 : step;
        halo = reach / step;
        cells = outputs + halo;
    }
    // What filter element r under window element a reads, from the output's own place: its phase and its
    // cell.
    int at(int a, int r) const { return a * apart * stride + r * dilation; }
    int phase(int a, int r) const { return at(a, r) % step; }
    int cell(int a, int r) const { return at(a, r) / step; }
};

struct Geometry {
    int C, K, groups, relu, pool;
    Axis h, w;
    // channels and filters of a group, elements of a filter, elements of a pooling window
    int Cg, Kg, taps, windows;
    // places of a row and of a phase, and how many of them from the first output to the last
    int pitch, plane, places;
    int phases, channel;  // phases of an image, and floats of a channel
    long image;           // floats of an image's phases, and what vectors read beyond
    int padded;           // `places` rounded up to whole vectors
    // [window][c, r, s]: what a window's element reads, in the phases of a group's channels
    std::vector<int> offsets;

    // The input's gradient reads the output's, spread over the pooling windows: [window][k] of `spread`
    // floats each.
    int margin, spread;
    struct Back {
        std::vector<int> offset;  // [k, window, r, s]: from a place of the phase to the output's place
        std::vector<int> weight;  // ... and the filter element, counted from the group's first filter
        int first, end;           // places of the phase that are pixels, and not padding
    };
    std::vector<Back> back;  // for each phase

    int P() const { return h.outputs; }
    int Q() const { return w.outputs; }
};

constexpr int SLACK = 4 * W;  // what the micro-kernels may read beyond the end of an array

static void finish(Geometry& g) {
    g.h.finish();
    g.w.finish();
    g.Cg = g.C / g.groups;
    g.Kg = g.K / g.groups;
    int R = g.h.kernel, S = g.w.kernel;
    g.taps = g.Cg * R * S;
    g.windows = g.h.window * g.w.window;
    g.pitch = g.w.cells;
    g.plane = g.h.cells * g.pitch;
    g.places = (g.P() - 1) * g.pitch + g.Q();
    g.padded = round_up(g.places, W);
    g.phases = g.h.phases * g.w.phases;
    g.channel = g.phases * g.plane;
    g.image = (static_cast<long>(g.C) * g.channel + W - 1) / W * W + SLACK;
    // so that whole vectors begin where a cache line does
    g.margin = round_up(g.h.halo * g.pitch + g.w.halo, W);
    g.spread = g.margin + round_up(g.plane, W) + SLACK;
    g.back.resize(g.phases);
    for (int phase = 0; phase < g.phases; phase++) {
        const int down = phase / g.w.phases, before = g.h.before - down,
                  after = g.h.before + g.h.length - 1 - down;
        const int first = before <= 0 ? 0 : (before + g.h.step - 1) / g.h.step,
                  end = after < 0 ? 0 : after / g.h.step + 1;
        g.back[phase].first = (first < g.h.cells ? first : g.h.cells) * g.pitch;
        g.back[phase].end = (end < g.h.cells ? end : g.h.cells) * g.pitch;
    }
    g.offsets.reserve(static_cast<size_t>(g.windows) * g.taps);
    for (int a = 0; a < g.h.window; a++)
        for (int b = 0; b < g.w.window; b++)
            for (int c = 0; c < g.Cg; c++)
                for (int r = 0; r < R; r++)
                    for (int s = 0; s < S; s++)
                        g.offsets.push_back(c * g.channel +
                                            (g.h.phase(a, r) * g.w.phases + g.w.phase(b, s)) * g.plane +
                                            g.h.cell(a, r) * g.pitch + g.w.cell(b, s));
    for (int k = 0; k < g.Kg; k++)
        for (int a = 0; a < g.h.window; a++)
            for (int b = 0; b < g.w.window; b++)
                for (int r = 0; r < R; r++)
                    for (int s = 0; s < S; s++) {
                        Geometry::Back& to = g.back[g.h.phase(a, r) * g.w.phases + g.w.phase(b, s)];
                        int shift = g.h.cell(a, r) * g.pitch + g.w.cell(b, s);
                        to.offset.push_back(((a * g.w.window + b) * g.K + k) * g.spread + g.margin - shift);
                        to.weight.push_back(k * g.taps + r * S + s);
                    }
}

// h and w: length, kernel, stride, dilation, padding before, pooling window, its stride, its dilation,
// outputs.
EXPORT Geometry* conv_geometry_new(int C, int K, int groups, int relu, int pool, const int* h, const int* w) {
    Geometry* g = new (std::nothrow) Geometry{};
    if (!g) return nullptr;
    g->C = C, g->K = K, g->groups = groups, g->relu = relu, g->pool = pool;
    int n = 0;
    for (Axis* axis : {&g->h, &g->w}) {
        const int* v = n++ ? w : h;
        *axis = Axis{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], 0, 0, 0, 0};
    }
    try {
        finish(*g);
    } catch (const std::bad_alloc&) {
        delete g;
        return nullptr;
    }
    return g;
}

EXPORT void conv_geometry_free(Geometry* g) { delete g; }
