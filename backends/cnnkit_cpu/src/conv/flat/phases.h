// Images copied into the phases of geometry.h, and gradients of images copied back.
#pragma once

#include "conv/flat/geometry.h"

// Where the pixels of an axis go, one after the other: their phase, and their cell in it.
struct Walk {
    int phase, cell;
    const int step;

    explicit Walk(const Axis& axis)
        : phase(axis.before % axis.step), cell(axis.before / axis.step), step(axis.step) {}
    void next() {
        if (++phase == step) phase = 0, cell++;
    }
};

// The cells of phase t of a row that are pixels: the first, the last, and the first's pixel; the others are
// `step` apart.
struct Cells {
    int first, last, pixel;

    Cells(const Axis& w, int t) {
        const int past = w.length - 1 + w.before - t;
        first = t >= w.before ? 0 : (w.before - t + w.step - 1) / w.step;
        last = past < 0 ? -1 : past / w.step < w.cells ? past / w.step : w.cells - 1;
        pixel = first * w.step + t - w.before;
    }
};

// Copy an image into phases; `phases` is zero where there is padding, and stays so.
static void split(const Geometry& g, const float* x, float* phases) {
    const Axis &h = g.h, &w = g.w;
    for (int t = 0; t < w.phases; t++) {
        const Cells cells(w, t);
        const int count = cells.last + 1 - cells.first;
        if (count <= 0) continue;
        for (int c = 0; c < g.C; c++) {
            Walk row(h);
            const float* from = x + static_cast<long>(c) * h.length * w.length + cells.pixel;
            for (int i = 0; i < h.length; i++, row.next(), from += w.length) {
                if (row.phase >= h.phases || row.cell >= h.cells) continue;
                float* to = phases + static_cast<long>(c) * g.channel + (row.phase * w.phases + t) * g.plane +
                            row.cell * g.pitch + cells.first;
                if (w.step == 1)
                    copy_row(from, to, count);
                else if (w.step == 2)
                    for (int j = 0; j < count; j++) to[j] = from[2 * j];
                else
                    for (int j = 0; j < count; j++) to[j] = from[static_cast<long>(j) * w.step];
            }
        }
    }
}

// The reverse of `split` for one channel: pixels that no window reads get 0.
static void join(const Geometry& g, const float* phases, float* x) {
    const Axis &h = g.h, &w = g.w;
    if (h.phases < h.step || w.phases < w.step || h.cells * h.step < h.length + h.before ||
        w.cells * w.step < w.length + w.before)
        std::memset(x, 0, static_cast<size_t>(h.length) * w.length * sizeof(float));
    for (int t = 0; t < w.phases; t++) {
        const Cells cells(w, t);
        const int count = cells.last + 1 - cells.first;
        if (count <= 0) continue;
        Walk row(h);
        float* to = x + cells.pixel;
        for (int i = 0; i < h.length; i++, row.next(), to += w.length) {
            if (row.phase >= h.phases || row.cell >= h.cells) continue;
            const float* from = phases + (row.phase * w.phases + t) * g.plane + row.cell * g.pitch +
                                cells.first;
            if (w.step == 1)
                copy_row(from, to, count);
            else if (w.step == 2)
                for (int j = 0; j < count; j++) to[2 * j] = from[j];
            else
                for (int j = 0; j < count; j++) to[static_cast<long>(j) * w.step] = from[j];
        }
    }
}
