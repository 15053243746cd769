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

// The arguments that all passes have in common.
struct PassArguments {
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
            for (int n = 0; n < some; n++)
                frame.fill(x + (first + n) * image, height, width, channels, frames + n * framed_image);
    }

    // Places from `begin` to `end` of some images, times a panel.
    void times_panel(const Pass& pass, int number, const float* panel, int first, int some, int begin,
                     int end, const float* frames, Floats& finite) const {
        const int k = number * PANEL,
                  left = pass.packing.columns - k < PANEL ? pass.packing.columns - k : PANEL;
        for (int n = 0; n < some; n++) {
            const float* a = framed ? frames + n * framed_image : x + (first + n) * image;
            rows_times_panel(Left{a, pass.in.data() + begin, pass.taps.data(), end - begin,
                                  static_cast<int>(pass.taps.size()), pass.depth},
                             panel,
                             Result{y + (first + n) * result + k, pass.out.data() + begin, left,
                                    bias ? bias + k : nullptr, relu},
                             finite);
        }
    }
};

constexpr long FEW_PLACES = 128;  // of all images: a panel is packed by who needs it, and not kept

static bool few_places(const std::vector<Pass>& passes, int N) {
    return static_cast<long>(passes[0].in.size()) * N <= FEW_PLACES;
}

// Compute the passes over all images. Their filters are packed into room first, and a task takes some images,
// or some panels of one; or, of few places, a task packs a panel for itself and takes all images.
static bool compute_passes(int threads, std::vector<Pass>& passes, const Frame& frame, int N, const float* x,
                           int height, int width, int channels, const float* weight, const float* bias,
                           bool relu, float* y, long result, float* room) {
    const PassArguments common{passes, frame, N, x, height, width, channels, bias, relu, y, result};
    const int count = panels(passes[0].packing.columns), all = static_cast<int>(passes.size());
    std::atomic<bool> bad{false};
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
            float* panel = room + thread * whole_lines(most);
            pass.packing.panel(static_cast<int>(task % count), weight, panel);
            Floats finite{};
            common.times_panel(pass, static_cast<int>(task % count), panel, 0, N, 0,
                               static_cast<int>(pass.in.size()), frames, finite);
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
        pass.packing.panel(number, weight,
                           const_cast<float*>(pass.packed) + number * pass.packing.panel_floats());
    });
    room += (-reinterpret_cast<intptr_t>(room) & 63) / 4;
    // few pixels: several images, so that a panel is read less often; few images: some panels
    const int pixels = static_cast<int>(passes[0].in.size());
    const int together = pixels >= 128 || N < 4 ? 1 : 128 / pixels < N / 4 ? 128 / pixels : N / 4;
    const long batches = (N + together - 1) / together;
    const int parts =
        batches >= 8
            ? 1
            : static_cast<int>((8 + batches - 1) / batches < count ? (8 + batches - 1) / batches : count);
    const long thread_floats = common.framed ? common.framed_image * together : 0;
    if (common.framed)
        for (int t = 0; t < threads; t++)
            std::memset(room + t * thread_floats, 0, thread_floats * sizeof(float));
    parallel(threads, batches * parts, [&](long task, int thread) {
        const int first = static_cast<int>(task / parts) * together, part = static_cast<int>(task % parts);
        const int some = N - first < together ? N - first : together;
        float* frames = room + thread * thread_floats;
        common.put_into_frames(first, some, frames);
        Floats finite{};
        for (const Pass& pass : passes) {
            const int places = static_cast<int>(pass.in.size());
            // one after the other, so that all panels find it in the cache
            const int block = some > 1 ? places : pixel_block(pass.depth);
            for (int i = 0; i < places; i += block)
                for (int panel = count * part / parts; panel < count * (part + 1) / parts; panel++)
                    common.times_panel(pass, panel, pass.packed + panel * pass.packing.panel_floats(), first,
                                       some, i, places - i < block ? places : i + block, frames, finite);
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
    const int pixels = static_cast<int>(passes[0].in.size());
    return floats + threads * frame.floats(channels) * (pixels >= 128 ? 1 : 128 / pixels + 1);
}
