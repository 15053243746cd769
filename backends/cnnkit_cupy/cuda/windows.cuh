// What the products of conv.cu read, and the readers that bring it into tiles.

// A block's shared memory.
template <class T, class Tile> struct Memory {
    union {
        Tiles<T, Tile> tiles;
        long long result[Tile::rows];  // when all sums are made: where each row's channels begin
    };
    Place place;
    Row rows[Tile::rows];
    // behind the last, three that are outside of every image: a step fetches behind the end
    Tap taps[Tile::taps + 3];
};

// -- what the product reads: `fetch` takes the next part of the depth into registers, `put` brings it
// into shared memory

template <class T, class Tile, Reading reading> struct WindowsAndFilters {
    using Held = Tiles<T, Tile>;
    static const int width = Held::width, half = Tile::threads / 2, pixels = Tile::rows / half;
    // steps of the product that are unrolled
    static const int unrolled = reading == pointwise && few_in_flight ? 1 : Held::depth;

    const Shape& shape;
    const Strides& by;
    Memory<T, Tile>& memory;
    const T *source, *filters;
    int r, s, c;  // tap and channel; of vectors, s is the tap's number
    int filter;   // where in the filters
    int left;     // how much of the depth
    Vector<T, width> seen[pixels], weights;

    // Vectors: two threads read the 32 bytes of a sector. Single elements: neighbours read
    // neighbouring pixels.
    __device__ static int row(int j) {
        return j * half + (reading == scalar ? threadIdx.x % half : threadIdx.x / 2);
    }
    __device__ static int part() { return reading == scalar ? threadIdx.x / half : threadIdx.x % 2; }
    __device__ static int filter_row() { return threadIdx.x / (Tile::columns / width); }
    __device__ static int filter_column() { return threadIdx.x % (Tile::columns / width) * width; }
    // Filters of one element are read as they are: (filter, channel), whose columns are filters, or channels
    // in an input gradient. Of a filter's channels two threads read a sector, as of a pixel's.
    __device__ static bool deep(const Shape& shape) { return reading == pointwise && !shape.gradient; }

    __device__ WindowsAndFilters(const T* source, const T* filters, const Strides& by, const Shape& shape,
                                 Memory<T, Tile>& memory, int first_column)
        : shape(shape), by(by), memory(memory), source(source), filters(filters), r(0), s(0), c(0) {
        const Place& place = memory.place;
        const Axis &vertical = place.vertical, &horizontal = place.horizontal;
        for (int i = threadIdx.x; i < Tile::rows; i += Tile::threads) {
            const Pixel at = place.pixel(i < place.rows ? i : 0);  // of a row too many nobody asks the sums
            const int h = at.h * vertical.scale + vertical.first,
                      w = at.w * horizontal.scale + horizontal.first;
            const long long image = at.n * by.n + static_cast<long long>(place.group) * shape.C * by.c;
            memory.rows[i] = {reading == scalar ? image : image + h * by.h + w * by.w, h, w};
        }
        const int taps = vertical.taps * horizontal.taps;
        if (reading == vector)
            for (int i = threadIdx.x; taps && i < taps + 3; i += Tile::threads) {
                const int h = i / horizontal.taps * vertical.step, w = i % horizontal.taps * horizontal.step;
                memory.taps[i] = {i < taps ? h : outside, w, 0,
                                  h * static_cast<int>(by.h) + w * static_cast<int>(by.w)};
            }
        __syncthreads();
        left = taps * shape.C;
        skip(part() * width);
        if (reading != pointwise) filter = filter_row() * shape.columns + filter_column();
        else {
            const int column = first_column + (deep(shape) ? static_cast<int>(threadIdx.x / 2)
                                                             : filter_column());
            filter = column >= shape.K ? -1 : deep(shape) ? static_cast<int>(threadIdx.x / 2) * shape.C
                     : filter_row() * shape.K + filter_column();
        }
    }

    __device__ void skip(int channels) {
        c += channels;
        if (reading == vector) {
            if (c >= shape.C) { c -= shape.C; s++; }
            // channels are at least half the depth: there is no third
            if (c >= shape.C) { c -= shape.C; s++; }
        }
        if constexpr (reading == scalar)
            while (c >= shape.C) {
                c -= shape.C;
                if (++s == memory.place.horizontal.taps) { s = 0; r++; }
            }
    }

    __device__ void fetch() {
        if (reading == scalar) {
            for (int e = 0; e < width; e++) {
                const Axis &vertical = memory.place.vertical, &horizontal = memory.place.horizontal;
                for (int j = 0; j < pixels; j++) {
                    const Row at = memory.rows[row(j)];
                    const int h = at.h + r * vertical.step, w = at.w + s * horizontal.step;
                    seen[j].of[e] = r < vertical.taps && inside(shape, h, w)
                                    ? source[at.at + h * by.h + w * by.w + c * by.c] : narrow<T>(0);
                }
                skip(1);
            }
            skip(Held::depth - width);
        } else {
            const Tap tap = reading == vector ? memory.taps[s] : Tap{};
            for (int j = 0; j < pixels; j++) {
                const Row at = memory.rows[row(j)];
                seen[j] = {};
                if (reading == pointwise ? c < shape.C : inside(shape, at.h + tap.h, at.w + tap.w))
                    seen[j] = load<width>(source + (at.at + (tap.offset + c)));
            }
            skip(Held::depth);
        }
        if constexpr (reading == pointwise) {
            weights = {};
            if (filter >= 0 && (deep(shape) ? c - Held::depth < shape.C : filter_row() < left))
                weights = load<width>(filters + (deep(shape) ? filter + c - Held::depth : filter));
            if (filter >= 0 && !deep(shape)) filter += Held::depth * shape.K;
        } else {
            weights = load<width>(filters + filter);
            filter += Held::depth * shape.columns;
        }
        left -= Held::depth;
    }

    __device__ void put(float* a, float* b) const {
        for (int j = 0; j < pixels; j++)
            for (int e = 0; e < width; e++) a[Held::at(part() * width + e, row(j))] = wide(seen[j].of[e]);
        if (deep(shape))
            for (int e = 0; e < width; e++)
                b[(part() * width + e) * Tile::columns + threadIdx.x / 2] = wide(weights.of[e]);
        else Held::put(b + filter_row() * Tile::columns + filter_column(), weights);
    }
};

template <class T, class Tile, Reading reading> struct WindowsAndGradients {
    using Held = Tiles<T, Tile>;
    // threads that read for one pixel
    static const int width = Held::width, lanes = Tile::threads / Held::depth;
    // vectors of the input each of them reads
    static const int runs = Tile::rows / width / lanes;
    static const int unrolled = Held::depth;

    const Shape& shape;
    const Strides &x_by, &dy_by;
    const Tap* taps;  // of every vector of rows, its first
    const T *x, *dy;
    int k, last, left;  // the filter, the group's last one, and pixels of the slice
    Pixel at;
    Vector<T, width> seen[runs], gradients;

    __device__ static int pixel() { return threadIdx.x / lanes; }
    __device__ static int run(int j) { return j * lanes + threadIdx.x % lanes; }
    __device__ static int column() { return threadIdx.x % lanes * width; }

    __device__ static Tap tap_of(long long row, const Strides& by, const Shape& shape, int group) {
        const int c = row % shape.C, tap = row / shape.C, r = tap / shape.S;
        const int h = r * shape.dilation_h, w = tap % shape.S * shape.dilation_w;
        if (r >= shape.R) return {outside, 0, 0, 0};
        if (reading == scalar) return {h, w, c, group * shape.C};
        return {h, w, c, h * static_cast<int>(by.h) + w * static_cast<int>(by.w) + group * shape.C + c};
    }

    __device__ WindowsAndGradients(const T* x, const T* dy, const Strides& x_by,
                                   const Strides& dy_by, const Shape& shape,
                                   const Tap* taps, int group, int slice, int first_column)
        : shape(shape), x_by(x_by), dy_by(dy_by), taps(taps), x(x), dy(dy) {
        last = (group + 1) * shape.K - 1;
        k = group * shape.K + first_column + column();
        if (k > last) k = group * shape.K;  // of a column too many nobody asks the sums
        const long long first = slice * shape.slice_pixels,
                        rest = static_cast<long long>(shape.N) * shape.P * shape.Q - first;
        left = static_cast<int>(rest < shape.slice_pixels ? rest : shape.slice_pixels);
        at = pixel_of(pixel() < left ? first + pixel() : 0, shape.P, shape.Q);
    }

    __device__ void fetch() {
        const bool in_range = left > pixel();
        const int top = at.h * shape.stride_h - shape.top, start = at.w * shape.stride_w - shape.left;
        const T *image = x + at.n * x_by.n, *gradient = dy + at.n * dy_by.n;
        gradients = {};
        if constexpr (reading == vector) {
            const int corner = top * static_cast<int>(x_by.h) + start * static_cast<int>(x_by.w);
            for (int j = 0; j < runs; j++) {
                const Tap tap = taps[run(j)];
                seen[j] = {};
                if (in_range && inside(shape, top + tap.h, start + tap.w))
                    seen[j] = load<width>(image + (corner + tap.offset));
            }
            const int offset = at.h * static_cast<int>(dy_by.h) + at.w * static_cast<int>(dy_by.w) + k;
            if (in_range) gradients = load<width>(gradient + offset);
        } else {
            for (int j = 0; j < runs; j++) {
                Tap tap = taps[run(j)];
                seen[j] = {};
                for (int e = 0; e < width; e++) {
                    const int h = top + tap.h, w = start + tap.w;
                    if (in_range && inside(shape, h, w))
                        seen[j].of[e] = image[h * x_by.h + w * x_by.w + (tap.offset + tap.c) * x_by.c];
                    if (++tap.c < shape.C) continue;
                    tap.c = 0;
                    tap.w += shape.dilation_w;
                    if (tap.w < shape.S * shape.dilation_w) continue;
                    tap.w = 0;
                    tap.h += shape.dilation_h;
                }
            }
            for (int e = 0; e < width; e++)
                if (in_range) gradients.of[e] = gradient[at.h * dy_by.h + at.w * dy_by.w
                                                      + (k + e < last ? k + e : last) * dy_by.c];
        }
        left -= Held::depth;
        move_on(at, Held::depth, shape.P, shape.Q);
    }

    __device__ void put(float* a, float* b) const {
        for (int j = 0; j < runs; j++) Held::put(a + Held::at(pixel(), run(j) * width), seen[j]);
        Held::put(b + pixel() * Tile::columns + column(), gradients);
    }
};
