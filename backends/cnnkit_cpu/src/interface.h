// Every function that Python calls, declared once. Each file includes this, so the compiler refuses a
// definition that differs; cnnkit_cpu/interface.py reads it, and makes ctypes' signatures of it. Write one
// declaration after the other, with the types that are here: pointers, int, long, float, double, uint32_t and
// int64_t.
//
// Shapes are as in the documents: N images, C channels, H x W pixels; K filters of R x S; P x Q results.
// `threads` is how many threads may help. A function with `room` works in that many floats as its namesake in
// _room says. Pointers to arrays of results may be null where the comment says so. What a function computes
// stands where it is defined, in the file that is named here.
#pragma once

#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))

struct Geometry;    // conv/flat/geometry.h; to Python, an address
struct ConvShape;   // conv/product/shape.h; Python passes its ints as an array
struct ReplayList;  // core/replay.h; Python passes its fields as an array
struct Window;      // pool/channels_last.h; Python passes its ints as an array

// core/runtime.h
EXPORT const char* cpu_compiler();
EXPORT int cpu_width();
EXPORT int cpu_threads();
EXPORT int cpu_level();
EXPORT void cpu_forked();
EXPORT void cpu_watch(int on);
EXPORT void cpu_watched(int64_t* nanoseconds);
EXPORT int cpu_tame(long count, const float* x);

// core/fingerprint.h; sizes in bytes
EXPORT int64_t fingerprint(int threads, long arrays, const long* sizes, const uint8_t* const* from);

// core/peak.h
EXPORT float peak_multiply_adds(int threads, long rounds);
EXPORT double peak_operations(int threads, long rounds);

// core/replay.h
EXPORT const void* replay_function(const char* name);
EXPORT long replay(const ReplayList* list, const int64_t* bases);

// conv/flat/geometry.h
EXPORT Geometry* conv_geometry_new(int C, int K, int groups, int relu, int pool, const int* h, const int* w);
EXPORT void conv_geometry_free(Geometry* geometry);

// conv/channels_first.h
EXPORT long conv_forward_room(const Geometry* geometry, int threads);
EXPORT long conv_backward_room(const Geometry* geometry, int threads, int N, int dx);
EXPORT long conv_marks_size(const Geometry* geometry);
EXPORT void conv_forward(int threads, const Geometry* geometry, int N, const float* x, const float* weight,
                         const float* bias, float* y, uint8_t* marks, float* room);
EXPORT void conv_backward(int threads, const Geometry* geometry, int N, const float* x, const float* weight,
                          const float* y, const uint8_t* marks, const float* dy, float* dx, float* dweight,
                          float* dbias, float* room);

// Convolution forward takes `weight`, or in its place `filters`, which its namesake in _filters has made of
// it. To the sums it adds `addend`, and applies a function (conv/finish.h); addend may be null, function -1.

// conv/product/correlations.h
EXPORT long product_forward_room(const ConvShape* shape, int threads, int N);
EXPORT long product_forward_filters_size(const ConvShape* shape);
EXPORT void product_forward_filters(int threads, const ConvShape* shape, const float* weight, float* filters);
EXPORT int product_forward(int threads, const ConvShape* shape, int N, const float* x, const float* weight,
                           const float* filters, const float* bias, const float* addend, int function,
                           float a, float b, float* y, float* room);
EXPORT long product_input_gradient_room(const ConvShape* shape, int threads, int N);
EXPORT int product_input_gradient(int threads, const ConvShape* shape, int N, const float* dy,
                                  const float* weight, float* dx, float* room);

// conv/product/filter_gradient.h
EXPORT long product_filter_gradient_room(const ConvShape* shape, int N);
EXPORT int product_filter_gradient(int threads, const ConvShape* shape, int N, const float* x,
                                   const float* dy, float* dweight, float* room);

// conv/winograd/correlations.h; `side` of the tiles of results: 4 or 2
EXPORT long winograd_forward_room(const ConvShape* shape, int threads, int side, int N);
EXPORT long winograd_forward_filters_size(const ConvShape* shape, int side);
EXPORT long winograd_forward_filters_room(int threads);
EXPORT void winograd_forward_filters(int threads, const ConvShape* shape, int side, const float* weight,
                                     float* filters, float* room);
EXPORT int winograd_forward(int threads, const ConvShape* shape, int side, int N, const float* x,
                            const float* weight, const float* filters, const float* bias, const float* addend,
                            int function, float a, float b, float* y, float* room);
EXPORT long winograd_input_gradient_room(const ConvShape* shape, int threads, int side, int N);
EXPORT int winograd_input_gradient(int threads, const ConvShape* shape, int side, int N, const float* dy,
                                   const float* weight, float* dx, float* room);

// conv/winograd/filter_gradient.h
EXPORT long winograd_filter_gradient_room(const ConvShape* shape, int threads, int side, int N);
EXPORT int winograd_filter_gradient(int threads, const ConvShape* shape, int side, int N, const float* x,
                                    const float* dy, float* dweight, float* room);

// conv/depthwise/correlations.h
EXPORT long depthwise_room(const ConvShape* shape);
EXPORT void depthwise_forward_filters(const ConvShape* shape, const float* weight, float* filters);
EXPORT int depthwise_forward(int threads, const ConvShape* shape, int N, const float* x, const float* weight,
                             const float* filters, const float* bias, const float* addend, int function,
                             float a, float b, float* y, float* room);
EXPORT int depthwise_input_gradient(int threads, const ConvShape* shape, int N, const float* dy,
                                    const float* weight, float* dx, float* room);

// conv/depthwise/filter_gradient.h
EXPORT long depthwise_filter_gradient_room(const ConvShape* shape, int N);
EXPORT int depthwise_filter_gradient(int threads, const ConvShape* shape, int N, const float* x,
                                     const float* dy, float* dweight, float* room);

// conv/bias_gradient.h
EXPORT long channel_sums_room(long pixels, int C);
EXPORT void channel_sums(int threads, long pixels, int C, const float* dy, float* result, float* room);

// pool/planes.h
EXPORT long pool_room(const Geometry* geometry, int threads);
EXPORT long pool_marks_size(const Geometry* geometry);
EXPORT int pool_forward(int threads, const Geometry* geometry, long planes, const float* x, float* y,
                        uint8_t* marks, float divisor, float* room);
EXPORT void pool_backward(int threads, const Geometry* geometry, long planes, const float* dy,
                          const uint8_t* marks, float divisor, float* dx, float* room);

// pool/channels_last.h
EXPORT void max_pool_channels_last_forward(int threads, const Window* window, long N, const float* x,
                                           float* y, uint8_t* argmax);
EXPORT void max_pool_channels_last_backward(int threads, const Window* window, long N, const float* dy,
                                            const uint8_t* argmax, float* dx);
EXPORT void avg_pool_channels_last_forward(int threads, const Window* window, long N, const float* x,
                                           float divisor, float* y);
EXPORT void avg_pool_channels_last_backward(int threads, const Window* window, long N, const float* dy,
                                            float divisor, float* dx);

// pool/means.h
EXPORT void mean_channels_last(int threads, long N, long pixels, long C, const float* x, float* y);
EXPORT void mean_channels_last_gradient(int threads, long N, long pixels, long C, const float* dy, float* dx);
EXPORT void mean_planes(int threads, long maps, long pixels, const float* x, float* y);
EXPORT void mean_planes_gradient(int threads, long maps, long pixels, const float* dy, float* dx);

// norm/planes.h; `function` is that of an activation behind it, or -1
EXPORT void norm_statistics(int threads, long N, long C, long size, const float* x, float* mean, float* var);
EXPORT void norm_forward(int threads, long N, long C, long size, const float* x, const float* mean,
                         const float* scale, const float* bias, int function, float a, float b, float* y);
EXPORT void norm_activation_gradient(int threads, long N, long C, long size, const float* x,
                                     const float* mean, const float* scale, const float* bias, int function,
                                     float a, float b, const float* dy, float* dz);
EXPORT void norm_backward(int threads, long N, long C, long size, const float* x, const float* mean,
                          const float* rstd, const float* scale, const float* y, const float* dy,
                          int training, float* dx, float* dweight, float* dbias);

// norm/channels.h
EXPORT void norm_center(long C, const float* running_mean, float* mean);
EXPORT void norm_scale(long C, const float* var, const float* weight, float eps, float* rstd, float* scale);
EXPORT void norm_running(long C, const float* mean, const float* var, const float* running_mean,
                         const float* running_var, float keep, float take, float take_var, float* new_mean,
                         float* new_var);
EXPORT void norm_parts(long rows, long parts, long period, const float* mean, const float* rstd,
                       const float* weight, const float* bias, float* part_mean, float* part_rstd,
                       float* scale, float* shift);
EXPORT void norm_sums(long images, long period, const float* from, float* to);
EXPORT void norm_times(int threads, long planes, long size, long period, const float* x, const float* by,
                       float* y);
EXPORT int norm_fold(int threads, long K, long size, const float* weight, const float* bias,
                     const float* mean, const float* var, const float* scale, const float* shift, float eps,
                     float* filters, float* new_bias);

// norm/channels_last.h; `room` is in doubles
EXPORT long norm_channels_last_room(long pixels, long C);
EXPORT void norm_channels_last_statistics(int threads, long pixels, long C, const float* x, float* mean,
                                          float* var, double* room);
EXPORT void norm_channels_last_forward(int threads, long pixels, long C, const float* x, const float* mean,
                                       const float* scale, const float* bias, const float* addend,
                                       int function, float a, float b, float* y);
EXPORT void norm_channels_last_backward(int threads, long pixels, long C, const float* x, const float* mean,
                                        const float* rstd, const float* scale, const float* bias,
                                        int function, float a, float b, const float* y, const float* dy,
                                        int training, float* dx, float* masked, float* dweight, float* dbias,
                                        double* room);

// norm/groups.h; `room` is in doubles
EXPORT void group_norm_forward(int threads, long N, long pixels, long C, long groups, float eps,
                               const float* x, const float* weight, const float* bias, float* mean,
                               float* rstd, float* y);
EXPORT long group_norm_room(long N, long C);
EXPORT void group_norm_backward(int threads, long N, long pixels, long C, long groups, const float* x,
                                const float* weight, const float* mean, const float* rstd, const float* dy,
                                float* dx, float* dweight, float* dbias, double* room);

// elementwise/activation.h
EXPORT void relu_forward(int threads, long count, const float* x, float* y);
EXPORT void relu_backward(int threads, long count, const float* y, const float* dy, float* dx);
EXPORT void activation_forward(int threads, int function, float a, float b, long count, const float* x,
                               float* y);
EXPORT void activation_backward(int threads, int function, float a, float b, long count, const float* x,
                                const float* dy, float* dx);

// elementwise/add.h
EXPORT void add_arrays(int threads, long count, const float* a, const float* b, float* to);

// elementwise/look_up.h
EXPORT void look_up(int threads, long maps, long channels, long size, const uint8_t* x, const float* values,
                    float* y);

// gathering/rows.h
EXPORT long take_rows(int threads, long before, long size, long count, long bytes, const uint8_t* x,
                      const int64_t* index, uint8_t* y);
EXPORT long scatter_add_rows(int threads, long before, long size, long count, long row, const float* dy,
                             const int64_t* index, float* dx);

// layout/channels_last.h
EXPORT void to_channels_last(int threads, int N, int C, int H, int width, const float* x, const long* strides,
                             const float* y, float* to);
EXPORT void from_channels_last(int threads, int N, int C, long pixels, const float* x, float* to);

// layout/join.h
EXPORT void join_rows(int threads, long arrays, long rows, const long* sizes, const float* const* from,
                      float* to);

// resampling/combine.h
EXPORT void resample_rows(int threads, long before, long length, long size, long after, const int* begin,
                          const int* place, const float* weight, const float* x, float* y);

// linear/linear.h
EXPORT void linear_forward(int threads, long N, long I, long O, const float* x, const float* weight,
                           const float* bias, float* y, int relu);
EXPORT void linear_backward(int threads, long N, long I, long O, const float* x, const float* weight,
                            const float* y, const float* dy, float* dx, float* dweight, float* dbias);

// loss/cross_entropy.h
EXPORT long cross_entropy(int threads, long N, long C, const float* logits, const int64_t* target,
                          int64_t ignored, float* losses, float* gradient);
EXPORT void mean_of(long N, const float* losses, long divisor, float* mean);
EXPORT void divided(const float* number, long divisor, float* result);
EXPORT void scale_rows(int threads, long N, long C, const float* gradient, const float* by, int per_sample,
                       float* dx);

// optim/update.h
EXPORT void sgd(int threads, long arrays, const long* sizes, const float* const* params,
                const float* const* grads, const float* const* buffers, const uint8_t* first,
                float* const* new_buffers, float* const* out, float lr, float momentum, float take,
                float weight_decay, int nesterov, int maximize);
EXPORT void adam(int threads, long arrays, const long* sizes, const float* const* params,
                 const float* const* grads, const float* const* means, const float* const* squares,
                 const float* const* largest, float* const* new_means, float* const* new_squares,
                 float* const* new_largest, float* const* out, const float* rates, float beta1, float beta2,
                 float left1, float left2, float weight_decay, float shrink, int maximize);
EXPORT void rmsprop(int threads, long arrays, const long* sizes, const float* const* params,
                    const float* const* grads, const float* const* squares, const float* const* buffers,
                    const float* const* averages, float* const* new_squares, float* const* new_buffers,
                    float* const* new_averages, float* const* out, float lr, float alpha, float left,
                    float eps, float momentum, float weight_decay, int maximize);

// random/threefry.h
EXPORT void random_bits(int threads, uint32_t k0, uint32_t k1, long count, uint32_t* bits);
EXPORT void dropout(int threads, uint32_t k0, uint32_t k1, long count, uint32_t limit, float scale,
                    const float* x, float* y);
