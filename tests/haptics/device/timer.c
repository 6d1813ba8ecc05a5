/* A bare 1 kHz timer loop: what this machine gives to a thread that does nothing but wake up. */
#define _GNU_SOURCE
#include "shared.h"

int64_t run_timer(int64_t ms, int64_t realtime) {
    struct timespec next, now;
    int64_t ticks = 0;
    struct sched_param before;
    int policy;
    pthread_getschedparam(pthread_self(), &policy, &before);
    if (realtime) be_realtime();
    clock_gettime(CLOCK_MONOTONIC, &next);
    now = next;
    for (struct timespec begun = next;
         (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < ms;
         clock_gettime(CLOCK_MONOTONIC, &now)) {
        next_ms(&next, 0);
        ticks++;
    }
    pthread_setschedparam(pthread_self(), policy, &before);
    return ticks;
}
