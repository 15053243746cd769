// A convolution of images whose channels lie last in memory, x (N, H, W, C), y (N, P, Q, K), weight (K, C, R,
// S) as ever: its sizes, and an image with its padding around it. For the matrix product and for Winograd's
// algorithm.
#pragma once

#include "core/blocking.h"

struct ConvShape {  // what the caller passes as an array of ints
    int C, K, R, S, H, W, P, Q, stride_h, stride_w, dilation_h, dilation_w, top, left;

    int pixels() const { return H * W; }
    int places() const { return P * Q; }
};

// An image with zeros around it: rows and columns in front of the image's first pixel, and of all of it.
struct Frame {
    int before_h, before_w, rows, columns;

    long floats(int channels) const { return whole_lines(static_cast<long>(rows) * columns * channels); }

    bool needed(int height, int width) const {
        return before_h || before_w || rows > height || columns > width;
    }

    // `to` has zeros around from an earlier copy. Pixels beyond the frame are left out.
    void fill(const float* x, int height, int width, int channels, float* to) const {
        fill_rows(0, rows, x, height, width, channels, to);
    }

    // The same for those pixels that come into the frame's rows from `first` to `end`.
    void fill_rows(int first, int end, const float* x, int height, int width, int channels,
                   float* to) const {
        const int from = first > before_h ? first - before_h : 0;
        const int down = end - before_h < height ? end - before_h : height;
        const int right = columns - before_w < width ? columns - before_w : width;
        if (right <= 0) return;  // nothing of the image is read
        for (int h = from; h < down; h++)
            std::memcpy(to + (static_cast<long>(h + before_h) * columns + before_w) * channels,
                        x + static_cast<long>(h) * width * channels,
                        static_cast<size_t>(right) * channels * sizeof(float));
    }
};
