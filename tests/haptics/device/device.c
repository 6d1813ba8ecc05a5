/* The device: motors, a hand on the stylus, and the hardware's own watchdog. Its time is the wall
   clock's, or virtual: one tick, then wait for the library to serve it (or to have stalled). */
#define _GNU_SOURCE
#include "shared.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void move(Shared *s, int powered) {
    for (int i = 0; i < 3; i++) {
        s->motor[i] = powered ? s->force[i] : 0.0;
        double own = s->stiffness * 1e-3 * (s->goal[i] - s->position[i])
                   - s->damping * 1e-3 * s->velocity[i];
        s->velocity[i] += (s->motor[i] + own) / s->mass; /* N / kg in 1 ms: mm/s */
        s->position[i] += s->velocity[i] * 1e-3;
        s->transform[12 + i] = s->position[i];
    }
}

static void wait_served(Shared *s) {
    for (int n = 0; n < 2000 && s->started && s->served < s->go && !s->quit; n++) usleep(10);
}

int main(int count, char **words) {
    int file = count == 2 ? open(words[1], O_RDWR) : -1;
    Shared *s = mmap(0, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (s == MAP_FAILED) return 1;
    int64_t last = 0, quiet = 0;
    struct timespec next;
    if (s->realtime) be_realtime();
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!s->quit) {
        if (s->wall) {
            next_ms(&next, 0);
        } else if (s->ticks >= s->until) { usleep(50); continue; }
        else { s->go++; wait_served(s); }
        quiet = s->written == last ? quiet + 1 : 0;
        last = s->written;
        move(s, s->open && s->forces_on && !s->hot && !s->unplugged && quiet < s->watchdog_ticks);
        s->ticks++;
    }
    return 0;
}
