/* A bare 1 kHz timer loop: what this machine gives to a thread that does nothing but wake up. Runs
   for `ms` at least; gives the ticks, and in `ns` how long they took. */
#define _GNU_SOURCE
#include "shared.h"

int64_t run_timer(int64_t ms, int64_t realtime, int64_t *ns) {
    struct timespec next, now, begun;
    int64_t ticks = 0;
    struct sched_param before;
    int policy;
    pthread_getschedparam(pthread_self(), &policy, &before);
    if (realtime) be_realtime();
    clock_gettime(CLOCK_MONOTONIC, &begun);
    next = begun;
    *ns = 0;
    while (*ns < ms * 1000000) {
        next_ms(&next, 0);
        ticks++;
        clock_gettime(CLOCK_MONOTONIC, &now);
        *ns = (now.tv_sec - begun.tv_sec) * 1000000000 + now.tv_nsec - begun.tv_nsec;
    }
    pthread_setschedparam(pthread_self(), policy, &before);
    return ticks;
}
