// A dense correlation of images with packed filters, as matrix products: pixels times filters. Convolution
// forward is one such *pass*, the input's gradient one for each place modulo the stride (correlations.h).
#pragma once

#include <atomic>

#include "conv/product/multiply.h"
#include "conv/product/shape.h"
#include "core/parallel.h"

// A dense correlation over a frame: results (rows, columns), each reading `taps` from its own place.
struct Pass {
    std::vector<int> in, out, taps;
    int depth;
    long in_step = 0, out_step = 0;  // from place to place, where there is one tap and they lie evenly
    Packing packing;
    const float* packed = nullptr;

    void places(int rows, int columns, int down, int right, int out_down, int out_right) {
        in.resize(static_cast<size_t>(rows) * columns), out.resize(in.size());
        for (int i = 0; i < rows; i++) {
            int *to = in.data() + static_cast<long>(i) * columns,
                *result = out.data() + static_cast<long>(i) * columns;
            for (int j = 0; j < columns; j++)
                to[j] = i * down + j * right, result[j] = i * out_down + j * out_right;
        }
        if (taps.size() == 1 && (rows == 1 || (down == columns * right && out_down == columns * out_right)))
            in_step = right, out_step = out_right;
    }
};

// Pixels of a large image whose channels stay in the cache together, in whole blocks of rows.
static int pixel_block(int depth) {
    const int pixels = (1 << 15) / depth;
    return (pixels < 8 * ROWS ? 8 * ROWS : pixels) / ROWS * ROWS;
}

// The arguments that all passes have in common.
struct PassArguments {
    const std::vector<Pass>& passes;
    const Frame& frame;
    int N;
    const float* x;
    int height, width, channels;
    const float* bias;
    const Finish& finish;
    float* y;
    long result;  // floats of an image of results
    bool framed = frame.needed(height, width);
    long image = static_cast<long>(height) * width * channels, framed_image = frame.floats(channels);

    void put_into_frames(int first, int some, float* frames) const {
        if (framed)
            for (int n = 0; n < some; n++)
                frame.fill(x + (first + n) * image, height, width, channels, frames + n * framed_image);
    }

    // The frames of all images, by all threads: some rows of one to a task.
    void fill_all_frames(int threads, float* frames) const {
        const long row = static_cast<long>(frame.columns) * channels;
        const int together = row < BLOCK ? static_cast<int>(BLOCK / row) : 1;
        const long parts = (frame.rows + together - 1) / together;
        parallel(threads_for(threads, N * framed_image), N * parts, [&](long task, int) {
            const long n = task / parts;
            const int first = static_cast<int>(task % parts) * together,
                      end = frame.rows - first < together ? frame.rows : first + together;
            float* to = frames + n * framed_image;
            std::memset(to + first * row, 0,
                        ((end == frame.rows ? framed_image : end * row) - first * row) * sizeof(float));
            frame.fill_rows(first, end, x + n * image, height, width, channels, to);
        });
    }

    // Places from `begin` to `end` of some images, times a panel.
    void times_panel(const Pass& pass, int number, const float* panel, int first, int some, int begin,
                     int end, const float* frames, Floats& finite) const {
        const int k = number * PANEL,
                  left = pass.packing.columns - k < PANEL ? pass.packing.columns - k : PANEL;
        for (int n = 0; n < some; n++) {
            const float* a = framed ? frames + n * framed_image : x + (first + n) * image;
            rows_times_panel(
                Left{a, pass.in.data() + begin, pass.taps.data(), end - begin,
                     static_cast<int>(pass.taps.size()), pass.depth, pass.in_step},
                panel,
                Result{y + (first + n) * result + k, pass.out.data() + begin, pass.out_step, left,
                       bias ? bias + k : nullptr, finish,
                       finish.addend ? finish.addend + (first + n) * result + k : nullptr},
                finite);
        }
    }
};

constexpr long FEW_PLACES = 128;  // of all images: a panel is packed by who needs it, and not kept

static bool few_places(const std::vector<Pass>& passes, int N) {
    return static_cast<long>(passes[0].in.size()) * N <= FEW_PLACES;
}

// How the work of a pass is cut into tasks, by its size alone. With few pixels a task takes several images,
// so that a panel is read less often; with few images, some panels, and some of the pixels.
struct Cut {
    static constexpr int TASKS = 8, LEAST_PIXELS = 4 * ROWS;
    int together, parts, pieces;  // images of a task; shares of the panels, and of the pixels
    long batches;

    Cut(const Pass& pass, int N) {
        const int pixels = static_cast<int>(pass.in.size()), count = panels(pass.packing.columns);
        together = pixels >= 128 || N < 4 ? 1 : 128 / pixels < N / 4 ? 128 / pixels : N / 4;
        batches = (N + together - 1) / together;
        const int wanted = static_cast<int>((TASKS + batches - 1) / batches);
        parts = wanted < count ? wanted : count;
        const int more = (wanted + parts - 1) / parts, most = pixels / LEAST_PIXELS;
        pieces = more < most ? more : most < 1 ? 1 : most;
    }
    long tasks() const { return batches * parts * pieces; }
};

// Pack the filters of the passes, one after the other.
static void pack_passes(int threads, const std::vector<Pass>& passes, const float* weight, float* to) {
    const int count = panels(passes[0].packing.columns);
    std::vector<float*> begin;
    for (const Pass& pass : passes) {
        begin.push_back(to);
        to += pass.packing.floats();
    }
    parallel(threads, static_cast<long>(passes.size()) * count, [&](long task, int) {
        const Packing& packing = passes[task / count].packing;
        const int number = static_cast<int>(task % count);
        packing.panel(number, weight, begin[task / count] + number * packing.panel_floats());
    });
}

// Compute the passes over all images. Without `filters`, which are packed already, `weight` is packed into
// room first; or, of few places, a task packs a panel for itself and takes all images.
static bool compute_passes(int threads, std::vector<Pass>& passes, const Frame& frame, int N, const float* x,
                           int height, int width, int channels, const float* weight, const float* filters,
                           const float* bias, const Finish& finish, float* y, long result, float* room) {
    const PassArguments common{passes, frame, N, x, height, width, channels, bias, finish, y, result};
    const int count = panels(passes[0].packing.columns), all = static_cast<int>(passes.size());
    std::atomic<bool> bad{false};
    const float* packed = filters;
    for (Pass& pass : passes)
        if (packed) {
            pass.packed = packed;
            packed += pass.packing.floats();
        }
    if (few_places(passes, N)) {
        long most = 0;
        for (const Pass& pass : passes)
            most = pass.packing.panel_floats() > most ? pass.packing.panel_floats() : most;
        float* frames = room + threads * whole_lines(most);
        if (common.framed) {
            std::memset(frames, 0, N * common.framed_image * sizeof(float));
            common.put_into_frames(0, N, frames);
        }
        parallel(threads, static_cast<long>(all) * count, [&](long task, int thread) {
            const Pass& pass = passes[task / count];
            const int number = static_cast<int>(task % count);
            float* thread_panel = room + thread * whole_lines(most);
            if (!filters) pass.packing.panel(number, weight, thread_panel);
            const float* panel =
                filters ? pass.packed + number * pass.packing.panel_floats() : thread_panel;
            Floats finite{};
            common.times_panel(pass, number, panel, 0, N, 0, static_cast<int>(pass.in.size()), frames,
                               finite);
            if (!all_zero(finite)) bad = true;
        });
        return !bad;
    }
    if (!filters) {
        pack_passes(threads, passes, weight, room);
        for (Pass& pass : passes) {
            pass.packed = room;
            room += pass.packing.floats();
        }
    }
    room += (-reinterpret_cast<intptr_t>(room) & 63) / 4;
    const Cut cut(passes[0], N);
    const long frame_floats = common.framed ? common.framed_image : 0;
    const long thread_floats = cut.pieces > 1 ? 0 : frame_floats * cut.together;
    if (common.framed && cut.pieces > 1)
        common.fill_all_frames(threads, room);
    else if (common.framed)
        std::memset(room, 0, threads * thread_floats * sizeof(float));
    parallel(threads, cut.tasks(), [&](long task, int thread) {
        const int piece = static_cast<int>(task % cut.pieces),
                  part = static_cast<int>(task / cut.pieces % cut.parts),
                  first = static_cast<int>(task / cut.pieces / cut.parts) * cut.together;
        const int some = N - first < cut.together ? N - first : cut.together;
        float* frames = room + thread * thread_floats;
        if (cut.pieces > 1)
            frames = room + first * frame_floats;
        else
            common.put_into_frames(first, some, frames);
        Floats finite{};
        for (const Pass& pass : passes) {
            const long places = static_cast<long>(pass.in.size());
            const int begin = static_cast<int>(places * piece / cut.pieces),
                      end = static_cast<int>(places * (piece + 1) / cut.pieces);
            // one after the other, so that all panels find it in the cache
            const int block = some > 1 ? end - begin : pixel_block(pass.depth);
            for (int i = begin; i < end; i += block)
                for (int panel = count * part / cut.parts; panel < count * (part + 1) / cut.parts; panel++)
                    common.times_panel(pass, panel, pass.packed + panel * pass.packing.panel_floats(), first,
                                       some, i, end - i < block ? end : i + block, frames, finite);
        }
        if (!all_zero(finite)) bad = true;
    });
    return !bad;
}

static long passes_room(const std::vector<Pass>& passes, const Frame& frame, int threads, int N,
                        int channels) {
    long floats = 2 * LINE, most = 0;
    if (passes.empty()) return floats;
    for (const Pass& pass : passes) {
        floats += pass.packing.floats();
        most = pass.packing.panel_floats() > most ? pass.packing.panel_floats() : most;
    }
    if (few_places(passes, N)) return 2 * LINE + threads * whole_lines(most) + N * frame.floats(channels);
    const Cut cut(passes[0], N);
    return floats + frame.floats(channels) * (cut.pieces > 1 ? N : threads * cut.together);
}
