/* A stand-in for 3D Systems' libHD: exactly the 15 symbols that pyOpenHaptics 1.0.1 calls. It talks
   to a device process (device.c) through the shared memory named by SACROSIM_STAND_IN. */
#define _GNU_SOURCE
#include "shared.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
typedef struct { uint32_t code; int internal; uint32_t handle; } Error;
typedef uint32_t (*Callback)(void *);

static Shared *shared;
static pthread_t thread;
static atomic_int running;
static Callback callback;
static void *user;
static int in_frame;
static uint32_t pending;
static double told[3];

static void serve(void) {
    if (!callback || shared->stall) return;
    shared->callbacks++;
    if (atomic_exchange(&shared->unbalance, 0)) in_frame = 1;
    if (callback(user) == 0) { callback = 0; shared->scheduled = 0; }
    if (in_frame) { shared->unbalanced++; in_frame = 0; }
}

static void *schedule(void *unused) {
    struct timespec next;
    if (shared->realtime) be_realtime();
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (running) {
        if (shared->wall) {
            next_ms(&next, shared->jitter_us ? rand() % shared->jitter_us * 1000 : 0);
            serve();
        } else if (shared->go > shared->served) {
            serve();
            shared->served++;
        } else usleep(20);
    }
    return unused;
}

API uint32_t hdInitDevice(const char *name) {
    const char *path = getenv("SACROSIM_STAND_IN");
    int file = path ? open(path, O_RDWR) : -1;
    (void)name;
    if (file >= 0) {
        void *at = mmap(0, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (at != MAP_FAILED) shared = at;
    }
    if (!shared || shared->fail_init) { pending = 0x301; return 0xFFFFFFFF; }
    shared->open = 1;
    return 0;
}
API void hdDisableDevice(uint32_t handle) { (void)handle; shared->open = 0; shared->forces_on = 0; }
API uint32_t hdGetCurrentDevice(void) { return 0; }
API void hdBeginFrame(uint32_t handle) {
    (void)handle;
    if (in_frame) { shared->unbalanced++; pending = 0x400; }
    in_frame = 1;
    shared->frames++;
}
API void hdEndFrame(uint32_t handle) {
    (void)handle;
    if (!in_frame) { shared->unbalanced++; pending = 0x401; }
    in_frame = 0;
    memcpy(shared->force, told, sizeof told);
    shared->written++;
}
API void hdEnable(uint32_t code) { if (code == 0x4000) shared->forces_on = 1; else pending = 0x100; }
API void hdGetDoublev(uint32_t code, double *out) {
    if (code == 0x2050) memcpy(out, shared->position, 24);
    else if (code == 0x2051) memcpy(out, shared->velocity, 24);
    else if (code == 0x2052) memcpy(out, shared->transform, 128);
    else if (code == 0x2100 || code == 0x2150) memset(out, 0, 24);
    else pending = 0x100;
}
API void hdGetIntegerv(uint32_t code, int *out) {
    if (code == 0x2000) *out = (int)shared->buttons; else pending = 0x100;
}
API void hdSetDoublev(uint32_t code, const double *in) {
    if (code == 0x2700) memcpy(told, in, sizeof told); else pending = 0x100;
}
API const char *hdGetString(uint32_t code) {
    return code == 0x2501 ? "Touch" : code == 0x2503 ? "Stand-in" : "";
}
API Error hdGetError(void) {
    Error error = {pending, 0, 0};
    pending = 0;
    if (shared) {
        if (shared->hot) error.code = 0x200;
        if (shared->unplugged) error.code = 0x302;
        if (shared->error) error.code = (uint32_t)atomic_exchange(&shared->error, 0);
    }
    return error;
}
API void hdStartScheduler(void) {
    running = 1;
    shared->started = 1;
    shared->served = shared->go;
    pthread_create(&thread, 0, schedule, 0);
}
API void hdStopScheduler(void) {
    if (running) { running = 0; pthread_join(thread, 0); shared->started = 0; }
    callback = 0;
}
API uint32_t hdScheduleAsynchronous(Callback wanted, void *data, uint16_t priority) {
    (void)priority;
    user = data;
    callback = wanted;
    shared->scheduled = 1;
    return 1;
}
API void hdScheduleSynchronous(Callback wanted, void *data, uint16_t priority) {
    (void)priority;
    wanted(data);
}
