/* The least that a server can do: receive each request over loopback, throw the body away, answer.
 * What this costs, every server pays; make bench prints it beside Framemill's figures.
 *
 *   cc -O2 -pthread -o receiver receiver.c && ./receiver     prints the port it listens on
 *
 * With arguments it keeps each frame in shared memory and has a worker answer it (smallest_pool.py):
 *
 *   ./receiver MEMORY_FD JOBS_FD DONE_FD...                  a slot for each DONE_FD; connections share them in turn
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, BODY_BYTES = 64 << 20, SLOT_BYTES = 8 << 20, REPLY_BYTES = 4096, MOST_SLOTS = 64 };

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"result\":true}";

struct job { uint64_t slot, bytes; };
struct reply { uint64_t bytes; char text[REPLY_BYTES - sizeof(uint64_t)]; };

static char *slots = NULL; /* where there are workers */
static int jobs_fd, done_fds[MOST_SLOTS], slot_count = 0;

/* Have a worker look at the frame in a slot; returns the length of what it says, written to `answer`, or -1. */
static long ask_worker(uint64_t slot, long bytes, char *answer)
{
    struct job job = {slot, (uint64_t)bytes};
    struct reply *reply = (struct reply *)(slots + (slot + 1) * SLOT_BYTES - REPLY_BYTES);
    uint64_t done;
    if (write(jobs_fd, &job, sizeof job) != sizeof job || read(done_fds[slot], &done, sizeof done) != sizeof done ||
        reply->bytes > sizeof reply->text)
        return -1;
    return sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%.*s",
                   (int)reply->bytes, (int)reply->bytes, reply->text);
}

/* Receive one head; returns how many bytes of the body came with it and puts them into `body`, or -1 at the end. */
static long receive_head(int connection, char *body, long *body_bytes)
{
    char head[HEAD_BYTES];
    size_t got = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t more = recv(connection, head + got, HEAD_BYTES - 1 - got, 0);
        if (more <= 0)
            return -1;
        got += (size_t)more;
        head[got] = '\0';
        end = memmem(head, got, "\r\n\r\n", 4);
        if (end == NULL && got == HEAD_BYTES - 1)
            return -1;
    }
    const char *length = strcasestr(head, "content-length:");
    *body_bytes = length ? atol(length + strlen("content-length:")) : 0;
    memcpy(body, end + 4, (size_t)(head + got - (end + 4)));
    return (long)(head + got - (end + 4));
}

static void *serve(void *argument)
{
    static int connections = 0;
    int connection = (int)(long)argument;
    uint64_t slot = slots ? (uint64_t)(__atomic_fetch_add(&connections, 1, __ATOMIC_RELAXED) % slot_count) : 0;
    char answer[2 * REPLY_BYTES];
    char *body = slots ? slots + slot * SLOT_BYTES : malloc(BODY_BYTES);
    long most = slots ? SLOT_BYTES - REPLY_BYTES : BODY_BYTES;
    long length, got, answer_bytes = sizeof ANSWER - 1;
    memcpy(answer, ANSWER, sizeof ANSWER);
    while (body != NULL && (got = receive_head(connection, body, &length)) >= 0 && length <= most) {
        while (got < length) {
            /* a frame that is kept goes where it belongs; one that is not stays in the same, warm place */
            ssize_t more = recv(connection, slots ? body + got : body, (size_t)(length - got), 0);
            if (more <= 0)
                goto over;
            got += more;
        }
        if (slots && (answer_bytes = ask_worker(slot, length, answer)) < 0)
            break;
        if (send(connection, answer, (size_t)answer_bytes, MSG_NOSIGNAL) < 0)
            break;
    }
over:
    if (slots == NULL)
        free(body);
    close(connection);
    return NULL;
}

/* Take the descriptors of the shared memory and of the ways to the workers; returns 0 where all is well. */
static int find_workers(int count, char **descriptors)
{
    if (count < 3 || count - 2 > MOST_SLOTS)
        return -1;
    slot_count = count - 2;
    jobs_fd = atoi(descriptors[1]);
    for (int slot = 0; slot < slot_count; slot++)
        done_fds[slot] = atoi(descriptors[2 + slot]);
    slots = mmap(NULL, (size_t)slot_count * SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(descriptors[0]), 0);
    return slots == MAP_FAILED ? -1 : 0;
}

int main(int count, char **arguments)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((count > 1 && find_workers(count - 1, arguments + 1)) ||
        bind(listener, (struct sockaddr *)&address, size) || listen(listener, 256) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("receiver");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0 && pthread_create(&thread, NULL, serve, (void *)(long)connection) == 0)
            pthread_detach(thread);
    }
}
