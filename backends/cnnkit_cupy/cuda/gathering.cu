// Look-ups by position: rows of a table gathered, and rows added into a table. A table is (before, size,
// row), what is looked up in it (before, count, row).

struct Rows { long long before, size, count, row; };

// One number a thread. A position outside the table reads nothing: it gives NaN.
template <class T> __global__ void __launch_bounds__(256)
take(const T* x, const long long* index, T* y, Rows r) {
    const long long i = blockIdx.x * 256LL + threadIdx.x;
    if (i >= r.before * r.count * r.row) return;
    const long long k = i % r.row, place = i / r.row % r.count, b = i / (r.row * r.count);
    const long long position = index[place];
    const bool inside = position >= 0 && position < r.size;
    y[i] = inside ? x[(b * r.size + position) * r.row + k] : narrow<T>(__uint_as_float(0x7FC00000u));
}

// The first of `count` sorted positions that is not below `position`.
__device__ inline long long lower_bound(const long long* sorted, long long count, long long position) {
    long long low = 0;
    while (low < count) {
        const long long middle = low + (count - low) / 2;
        if (sorted[middle] < position) low = middle + 1;
        else count = middle;
    }
    return low;
}

// One sum a thread, over the rows that share its position, in their order: no atomics, so the bits are the
// same in every run. `sorted` are the positions in order, `order` says which row each belongs to.
template <class T> __global__ void __launch_bounds__(256)
scatter_add(const T* dy, const long long* sorted, const long long* order, T* dx, Rows r) {
    const long long i = blockIdx.x * 256LL + threadIdx.x;
    if (i >= r.before * r.size * r.row) return;
    const long long k = i % r.row, position = i / r.row % r.size, b = i / (r.row * r.size);
    float sum = 0;
    for (long long n = lower_bound(sorted, r.count, position); n < r.count && sorted[n] == position; n++)
        sum += wide(dy[(b * r.count + order[n]) * r.row + k]);
    dx[i] = narrow<T>(sum);
}

// The same with a warp for each sum, where rows are short and many share a position: lane l adds every 32nd
// of them.
template <class T> __global__ void __launch_bounds__(256)
scatter_add_many(const T* dy, const long long* sorted, const long long* order, T* dx, Rows r) {
    const long long i = blockIdx.x * 8LL + threadIdx.x / 32;
    if (i >= r.before * r.size * r.row) return;
    const long long k = i % r.row, position = i / r.row % r.size, b = i / (r.row * r.size);
    float sum = 0;
    for (long long n = lower_bound(sorted, r.count, position) + threadIdx.x % 32;
         n < r.count && sorted[n] == position; n += 32)
        sum += wide(dy[(b * r.count + order[n]) * r.row + k]);
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) dx[i] = narrow<T>(sum);
}
