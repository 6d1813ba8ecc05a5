/* What the stand-in library and the device process share. Every member is 8 bytes; the Python side
   is FIELDS in tests/haptics/stand_in.py, in the same order. mm, mm/s, N. */
#ifndef SHARED_H
#define SHARED_H
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    /* the device, written by its process */
    double position[3], velocity[3], transform[16], motor[3];
    _Atomic int64_t ticks, go;
    /* the library */
    double force[3];
    _Atomic int64_t written, served, callbacks, forces_on, open, started, frames, unbalanced, scheduled;
    /* the hand and the tests: kg, N s/m, N/m */
    double mass, damping, stiffness, goal[3];
    _Atomic int64_t buttons, until, wall, quit, watchdog_ticks;
    _Atomic int64_t fail_init, error, stall, unplugged, hot, jitter_us, unbalance, realtime;
} Shared;

/* The calling thread before all others, as a driver's is; without permission it stays as it was. */
static inline void be_realtime(void) {
    struct sched_param first = {.sched_priority = 50};
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &first);
}

/* Sleep until 1 ms after the last time; one that was late starts anew and does not catch up. */
static void next_ms(struct timespec *next, int64_t more_ns) {
    struct timespec now;
    next->tv_nsec += 1000000 + more_ns;
    while (next->tv_nsec >= 1000000000) { next->tv_nsec -= 1000000000; next->tv_sec++; }
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t late = (now.tv_sec - next->tv_sec) * 1000000000 + now.tv_nsec - next->tv_nsec;
    if (late > 0) *next = now;
    else clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, 0);
}
#endif
