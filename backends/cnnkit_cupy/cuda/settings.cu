// Numbers that a launch brings to the device, for a CUDA graph whose launches read them there.

constexpr int WORDS = 256;

__global__ void __launch_bounds__(256) set_words(unsigned* to, Numbers<unsigned, WORDS> words) {
    to[threadIdx.x] = words.of[threadIdx.x];
}
