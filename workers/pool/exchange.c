/* A frame's way through a front in one call: the rest of its body, the job queue, the wait for its worker.
 *
 * Python lets go of its interpreter's lock for each of these system calls and has to win it back after each, against the
 * threads of all other cameras. Here that is once. exchange.py loads it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STATE = 1, GENERATION = 2, DEADLINE_NS = 3, QUEUED_NS = 10 }; /* words of a slot's header: see slot.py */
enum { FILLING = 1, QUEUED = 2, DONE = 4 };                          /* states of a slot */
enum { ILLEGAL = -2 };

/* As exchange.py packs it. */
struct errand {
    uint64_t header, area; /* addresses of the slot's header and request area */
    int64_t submit_fd, done_fd, soon_ns;
    unsigned char descriptor[16]; /* see channel.py; its generation is the header's */
    int64_t client_fd, got, length; /* the frame's first `got` of `length` bytes are there */
};

static const uint64_t SECOND_NS = 1000000000;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void await_done(const uint64_t *words, int done_fd, uint64_t until_ns)
{
    struct pollfd done = {.fd = done_fd, .events = POLLIN};
    uint64_t wakeups, now;
    while (__atomic_load_n(&words[STATE], __ATOMIC_ACQUIRE) != DONE && (now = now_ns()) < until_ns) {
        const uint64_t left = until_ns - now;
        const struct timespec wait = {.tv_sec = (time_t)(left / SECOND_NS), .tv_nsec = (long)(left % SECOND_NS)};
        if (ppoll(&done, 1, &wait, NULL) < 0 && errno != EINTR)
            return;
        /* a wake-up may be stale: the loop looks at the slot */
        if (done.revents && read(done_fd, &wakeups, sizeof wakeups) < 0 && errno != EAGAIN)
            return;
    }
}

/* Receive what is missing of the frame from the client, a socket with a timeout. Only where all of it came: queue the
 * slot, announce it, and wait until it is done, for soon_ns and not beyond its deadline. Returns how many bytes came; 0
 * where the client stopped sending, -1 where none came in time, ILLEGAL where the slot was not one that is being filled.
 */
long framemill_exchange(struct errand *errand)
{
    uint64_t *words = (uint64_t *)errand->header, filling = FILLING;
    const uint64_t generation = words[GENERATION], due_ns = words[DEADLINE_NS]; /* a stray worker may change them */
    const long wanted = errand->length - errand->got;
    if (wanted > 0) {
        unsigned char *at = (unsigned char *)errand->area + errand->got;
        const long came = recv((int)errand->client_fd, at, (size_t)wanted, MSG_WAITALL);
        if (came < 0)
            return errno == EAGAIN || errno == EINTR ? -1 : 0;
        if (came < wanted)
            return came;
    }
    const uint64_t now = now_ns(), until_ns = now + (uint64_t)errand->soon_ns;
    words[QUEUED_NS] = now;
    if (!__atomic_compare_exchange_n(&words[STATE], &filling, QUEUED, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        return ILLEGAL;
    memcpy(errand->descriptor + 8, &generation, sizeof generation);
    /* a hint: the supervisor announces again what gets lost */
    (void)write((int)errand->submit_fd, errand->descriptor, sizeof errand->descriptor);
    await_done(words, (int)errand->done_fd, until_ns < due_ns ? until_ns : due_ns);
    return wanted;
}
