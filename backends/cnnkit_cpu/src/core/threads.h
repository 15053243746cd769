// Threads of our own. OpenMP's wait for the next call in a loop that never gives the processor back: beside
// another busy process every call took ten times as long. Here a call never waits for a thread that has not
// begun: whoever is free takes the tasks; and a thread that has waited for SPIN goes to sleep.
#pragma once

#include <sched.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/vector.h"

#ifdef __linux__
#include <pthread.h>
#endif

constexpr int MOST_THREADS = 1024;
constexpr auto SPIN = std::chrono::microseconds(500);  // longer than Python takes from one kernel to the next

INLINE void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class Team {
public:
    // Run call(context, i, thread) for i = 0 ... count - 1. Thread t begins with the t-th part of the tasks,
    // so that it meets the same images from call to call, in its own cache; then it helps the others.
    void run(int threads, long count, void (*call)(void*, long, int), void* context) {
        if (threads > MOST_THREADS) threads = MOST_THREADS;
        if (threads > count) threads = static_cast<int>(count);
        std::unique_lock<std::mutex> lock(busy, std::try_to_lock);
        // another thread of the program computes: do not fight for the processors
        if (!lock.owns_lock() || threads <= 1) {
            for (long i = 0; i < count; i++) call(context, i, 0);
            return;
        }
        const bool watched = watch.watched.load(std::memory_order_relaxed);
        const int64_t begin = watched ? Watch::now() : 0;
        hire(threads - 1);
        for (int t = 0; t < threads; t++) {
            parts[t].next.store(count * t / threads, std::memory_order_relaxed);
            parts[t].end = count * (t + 1) / threads;
        }
        this->call = call, this->context = context, members = threads;
        job.fetch_add(1);  // odd: open
        if (asleep.load()) {
            std::lock_guard<std::mutex> hold(sleep);
            wake.notify_all();
        }
        work(0);
        job.fetch_add(1);  // even: who comes now comes too late
        for (int tries = 0; inside.load();)
            tries < 2000 ? (tries++, relax()) : static_cast<void>(sched_yield());
        if (watched) watch.shared.fetch_add(Watch::now() - begin, std::memory_order_relaxed);
    }

    // How long jobs went on, and how long all threads together worked on them, where somebody wants to know.
    struct Watch {
        std::atomic<bool> watched{false};
        std::atomic<int64_t> shared{0}, worked{0};  // nanoseconds

        static int64_t now() {
            return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
        }
    } watch;

private:
    struct alignas(64) Part {
        std::atomic<long> next{0};
        long end = 0;
    };

    void work(int self) {
        const bool watched = watch.watched.load(std::memory_order_relaxed);
        const int64_t begin = watched ? Watch::now() : 0;
        for (int n = 0; n < members; n++) {
            Part& part = parts[(self + n) % members];
            for (long i; (i = part.next.fetch_add(1, std::memory_order_relaxed)) < part.end;)
                call(context, i, self);
        }
        if (watched) watch.worked.fetch_add(Watch::now() - begin, std::memory_order_relaxed);
    }

    void hire(int wanted) {
        for (; hired < wanted; hired++) {
            try {
                std::thread(&Team::serve, this, hired + 1, job.load()).detach();
            } catch (const std::system_error&) {
                return;  // as many as there are
            }
            if (!hired && bound()) bind(0);
        }
    }

    void serve(int self, uint32_t seen) {
        if (bound()) bind(self);
        for (;;) {
            const uint32_t now = next_job(seen);
            inside.fetch_add(1);
            if (job.load() == now && self < members) work(self);
            inside.fetch_sub(1);
            seen = now;
        }
    }

    // The number of an open job other than the last one.
    uint32_t next_job(uint32_t seen) {
        const auto is_new = [&](uint32_t now) { return now % 2 && now != seen; };
        const auto limit = std::chrono::steady_clock::now() + SPIN;
        do {
            for (int i = 0; i < 64; i++, relax()) {
                const uint32_t now = job.load(std::memory_order_acquire);
                if (is_new(now)) return now;
            }
        } while (std::chrono::steady_clock::now() < limit);
        std::unique_lock<std::mutex> hold(sleep);
        asleep.fetch_add(1);
        uint32_t now;
        wake.wait(hold, [&] { return is_new(now = job.load()); });
        asleep.fetch_sub(1);
        return now;
    }

    // OMP_PROC_BIND, as OpenMP means it: thread t stays on the t-th processor that the process may use.
    static bool bound() {
        const char* value = std::getenv("OMP_PROC_BIND");
        return value && *value && *value != 'f' && *value != 'F';
    }

    static void bind(int thread) {
#ifdef __linux__
        static const cpu_set_t all = [] {
            cpu_set_t set;
            if (sched_getaffinity(getpid(), sizeof set, &set)) CPU_ZERO(&set);
            if (CPU_COUNT(&set) == 1)  // another library has bound this thread before
                for (int i = 0; i < CPU_SETSIZE && i < sysconf(_SC_NPROCESSORS_ONLN); i++) CPU_SET(i, &set);
            return set;
        }();
        int count = CPU_COUNT(&all), at = 0;
        if (!count) return;
        for (int left = thread % count; at < CPU_SETSIZE; at++)
            if (CPU_ISSET(at, &all) && !left--) break;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(at, &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
#endif
    }

    Part parts[MOST_THREADS];
    void (*call)(void*, long, int) = nullptr;
    void* context = nullptr;
    int members = 0, hired = 0;
    alignas(64) std::atomic<uint32_t> job{0};
    alignas(64) std::atomic<int> inside{0};
    std::atomic<int> asleep{0};
    std::mutex busy, sleep;
    std::condition_variable wake;
};
