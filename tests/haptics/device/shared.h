/* What the stand-in library and the device process share. Every member is 8 bytes; the Python side
   is FIELDS in tests/haptics/stand_in.py, in the same order. mm, mm/s, N. */
#ifndef SHARED_H
#define SHARED_H
#include <stdatomic.h>
#include <stdint.h>

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
    _Atomic int64_t fail_init, error, stall, unplugged, hot, jitter_us;
} Shared;
#endif
