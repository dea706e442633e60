/* The least that a server can do: receive each request over loopback, throw the body away, answer.
 * What this costs, every server pays; make bench prints it beside Framemill's figures.
 *
 *   cc -O2 -pthread -o receiver receiver.c && ./receiver     prints the port it listens on
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, BODY_BYTES = 64 << 20 };

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"result\":true}";

/* Receive one head into `head`; returns how many bytes of the body came with it, or -1 at the end. */
static long receive_head(int connection, char *head, long *body_bytes)
{
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
    return (long)(head + got - (end + 4));
}

static void *serve(void *argument)
{
    int connection = (int)(long)argument;
    char head[HEAD_BYTES];
    char *body = malloc(BODY_BYTES);
    long length, got;
    while (body != NULL && (got = receive_head(connection, head, &length)) >= 0 && length <= BODY_BYTES) {
        while (got < length) {
            ssize_t more = recv(connection, body, (size_t)(length - got), 0);
            if (more <= 0)
                goto over;
            got += more;
        }
        if (send(connection, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0)
            break;
    }
over:
    free(body);
    close(connection);
    return NULL;
}

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 256) ||
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
