// Filters packed for matrix products: the right matrix in *panels* of PANEL columns, [tap][depth][column],
// zeros after the last.
#pragma once

#include <vector>

#include "core/blocking.h"
#include "core/transpose.h"

// Rows and vectors of columns at a time: ROWS * COLUMNS sums, COLUMNS vectors and a broadcast fit the
// registers.
constexpr int ROWS = REGISTERS == 32 ? 14 : 6;
constexpr int COLUMNS = 2;
constexpr int PANEL = COLUMNS * W;

INLINE int panels(int columns) { return (columns + PANEL - 1) / PANEL; }
INLINE int vectors_of(int columns) { return columns >= PANEL ? COLUMNS : (columns + W - 1) / W; }

// Which weights make the panels. Those of one column and one depth lie together, `area` of them; from column
// to column it is `apart` floats, from depth to depth `depth_apart`.
struct Packing {
    std::vector<int> taps;  // of each of the area: the tap that it is, or -1
    int used = 0;           // taps
    int columns, depth;
    long apart, depth_apart;

    int area() const { return static_cast<int>(taps.size()); }
    long panel_floats() const { return static_cast<long>(used) * depth * PANEL; }
    long floats() const { return panels(columns) * panel_floats(); }

    // Some of the depth at a time: what is written stays in the cache meanwhile.
    static constexpr int DEPTHS = 8;
    void panel(int number, const float* weight, float* to) const {
        const long width = vectors_of(columns - number * PANEL) * W;
        for (int d = 0; d < depth; d += DEPTHS)
            part(number, weight, d, d + DEPTHS < depth ? d + DEPTHS : depth, depth * width, width,
                 to + d * width);
    }

    // Depths from d0 to d1 of a panel: neighbouring taps and depths go `tap_step` and `depth_step` floats
    // apart.
    void part(int number, const float* weight, int d0, int d1, long tap_step, long depth_step,
              float* to) const {
        const int first = number * PANEL, filled = columns - first < PANEL ? columns - first : PANEL;
        weight += first * apart;
        for (int j = 0; j < filled; j += W, to += W, weight += W * apart) {
            const int rows = filled - j < W ? filled - j : W;
            if (apart == 1) {  // columns lie together
                for (int d = d0; d < d1; d++) {
                    const float* from = weight + d * depth_apart;
                    store(to + (d - d0) * depth_step, rows == W ? load(from) : load_part(from, rows));
                }
            } else if (depth_apart == area()) {
                turn(weight, rows, static_cast<long>(d0) * area(), static_cast<long>(d1) * area(), tap_step,
                     depth_step, to);
            } else {
                for (int d = d0; d < d1; d++)
                    turn(weight + d * depth_apart, rows, 0, area(), tap_step, depth_step,
                         to + (d - d0) * depth_step);
            }
        }
    }

private:
    // Weights from f0, which is the first of its depth, to f1 of W columns, turned over by vectors.
    void turn(const float* weight, int rows, long f0, long f1, long tap_step, long depth_step,
              float* to) const {
        int at = 0;
        for (long f = f0; f < f1; f += W) {
            const int count = f1 - f < W ? static_cast<int>(f1 - f) : W;
            Floats v[W];
            for (int j = 0; j < W; j++) {
                const float* from = weight + j * apart + f;
                v[j] = j >= rows ? Floats{} : count == W ? load(from) : load_part(from, count);
                __builtin_prefetch(from + (f1 - f0));  // rows lie far apart
            }
            transpose(v);
            for (int i = 0; i < count; i++) {
                if (taps[at] >= 0) store(to + taps[at] * tap_step, v[i]);
                if (++at == area()) at = 0, to += depth_step;
            }
        }
    }
};
